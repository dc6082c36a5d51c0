"""Open the generator that is to be scored."""

from pathlib import Path

import torch

from ..bundled import bundled_path
from ..models.modeling_adaat import AdaATGenerator


def open_generator(name: str | Path, device: torch.device) -> AdaATGenerator:
    """A generator's folder, or the one inside a pipeline's or a run's folder, as 32-bit floats on a device."""
    path = bundled_path(str(name)) or Path(name)
    inner = path / "generator"
    model = AdaATGenerator.from_pretrained(inner if inner.is_dir() else path, dtype=torch.float32)
    return model.to(device)  # type: ignore[arg-type]
