"""Open the generator or the pipeline that is to be scored."""

from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from ..bundled import bundled_path
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..pipelines.face_animation import FaceAnimationPipeline
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.landmarks_torch import TorchBodyDetector


Pipeline = TypeVar("Pipeline", bound=FaceAnimationPipeline)


def generator_folder(name: str | Path) -> Path:
    """A generator's folder, or the one inside a pipeline's or a run's folder (or `"bundled/<name>"`)."""
    path = _folder(name)
    inner = path / "generator"
    return inner if inner.is_dir() else path


def _folder(name: str | Path) -> Path:
    """The folder that is meant by its path or by `"bundled/<name>"`."""
    return bundled_path(str(name)) or Path(name)


def open_generator(name: str | Path, device: torch.device) -> AdaATGenerator:
    """A generator's folder, or the one inside a pipeline's or a run's folder, as 32-bit floats on a device."""
    model = AdaATGenerator.from_pretrained(generator_folder(name), dtype=torch.float32)
    return model.to(device)  # type: ignore[arg-type]


def open_parts_teller(name: str | Path, device: torch.device) -> TorchBodyDetector | None:
    """What tells the parts of bodies in a pipeline's folder (or `"bundled/<name>"`), if it has a body landmarker that does."""
    folder = _folder(name) / "body_landmarker"
    if not (folder / "config.json").is_file():
        return None
    model = AdaATLandmarker.from_pretrained(folder, dtype=torch.float32)
    return TorchBodyDetector(model.to(device)) if model.config.parts else None  # type: ignore[arg-type]


def open_pipeline(kind: type[Pipeline], folder: str, device: torch.device, size: int | None = None) -> Pipeline:
    """A pipeline for faces, without progress bars; or `bundled/face` with a run's generator in place of its own.

    Args:
        kind (`type`): The pipeline's class.
        folder (`str`): Folder or Hub id of a pipeline, or a local folder of a generator or of a run, or `"bundled/<name>"`.
        device (`torch.device`): Where its networks run.
        size (`int`, *optional*): Side at which a generator without a pipeline paints faces; that of `bundled/face` by default.
    """
    path = _folder(folder)
    if path.is_dir() and not (path / "model_index.json").is_file():
        changes: dict[str, Any] = {"generator": open_generator(path, device)}
        if size is not None:
            changes["image_processor"] = AdaATImageProcessor(size={"height": size, "width": size})
        pipe = kind.from_pretrained("bundled/face", **changes)
    else:
        pipe = kind.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return cast(Pipeline, pipe.to(device))
