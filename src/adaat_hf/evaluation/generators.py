"""Open the generator that is to be scored."""

from pathlib import Path

import torch

from ..bundled import bundled_path
from ..models.modeling_adaat import AdaATGenerator


def generator_folder(name: str | Path) -> Path:
    """A generator's folder, or the one inside a pipeline's or a run's folder (or `"bundled/<name>"`)."""
    path = bundled_path(str(name)) or Path(name)
    inner = path / "generator"
    return inner if inner.is_dir() else path


def open_generator(name: str | Path, device: torch.device) -> AdaATGenerator:
    """A generator's folder, or the one inside a pipeline's or a run's folder, as 32-bit floats on a device."""
    model = AdaATGenerator.from_pretrained(generator_folder(name), dtype=torch.float32)
    return model.to(device)  # type: ignore[arg-type]
