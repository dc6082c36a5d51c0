"""Cross-identity reenactment: somebody's photograph moves as somebody else does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...bundled import bundled_path
from ...pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from ...processing.image_processing_adaat import AdaATImageProcessor
from ...processing.images import load_image
from ...processing.photo import NoFaceError
from ...video import VIDEO_SUFFIXES, VideoReader
from ..footage import Footage
from ..generators import open_generator
from ..protocols import PROTOCOLS
from .base import Painter, PaintingTask, PaintSettings, middle
from .reconstruction import reduced


@dataclass(frozen=True)
class DrivenPhoto:
    """A photograph and the clip that moves it.

    Args:
        name (`str`): Of both.
        source (`np.ndarray` of shape (H, W, 3)): uint8.
        driving (`list[np.ndarray]`): Frames of the driver.
        fps (`float`): Frame rate.
    """

    name: str
    source: np.ndarray
    driving: list[np.ndarray]
    fps: float


class CrossIdentity(PaintingTask[DrivenPhoto]):
    """Photographs and drivers; `items` are pairs of files: a picture, or a clip whose first frame counts, and a clip."""

    protocol = PROTOCOLS["cross-identity"]
    baselines = ("copy-source", "copy-driver")

    def read(self, item: tuple[Path, Path]) -> DrivenPhoto | None:
        """Decode both; `None` if one of them shows no face."""
        photo, clip = item
        picture = next(iter(VideoReader(photo))) if photo.suffix.lower() in VIDEO_SUFFIXES else load_image(photo)
        reader = VideoReader(clip)
        frames = list(reader)
        chosen = [reduced(frame, self.settings.size) for frame in frames[middle(len(frames), self.settings.frames)]]
        landmarker = self.tools.landmarker
        if landmarker is not None and not all(landmarker.detect(frame[None])[0] for frame in (picture, chosen[0])):
            return None
        return DrivenPhoto(f"{photo.stem}+{clip.stem}", picture, chosen, float(reader.fps))

    def reference(self, case: DrivenPhoto) -> tuple[Footage, Footage | None]:
        """The driver, and the photograph."""
        return Footage.of(case.name, case.driving, case.fps), Footage.of("source", [case.source])

    def baseline(self, name: str) -> Painter:
        """The photograph as it is (its own face, no motion), or the driver (all motion, somebody else's face)."""
        if name == "copy-source":
            return lambda case: [case.source] * len(case.driving)
        return lambda case: case.driving

    def network(self, folder: str) -> Painter:
        """A pipeline, or `bundled/face` with another generator."""
        pipe = open_reenactment(folder, self.settings)

        def paint(case: DrivenPhoto) -> list[np.ndarray]:
            try:
                result: Any = pipe(
                    case.source, case.driving, motion="absolute", fps=case.fps, landmarker=self.tools.landmarker
                )
            except NoFaceError as error:
                raise NoFaceError(f"{case.name}: {error}") from error
            return list(result.arrays())

        return paint

    def about(self) -> dict[str, str]:
        """See [`PaintingTask.about`]."""
        return {
            **super().about(),
            "motion": "absolute expression and head pose of the driver, smoothed; the whole photograph",
        }


def open_reenactment(folder: str, settings: PaintSettings) -> FaceReenactmentPipeline:
    """A pipeline for faces, or the bundled one with a generator's folder in place of its own."""
    path = bundled_path(folder) or Path(folder)
    if path.is_dir() and not (path / "model_index.json").is_file():
        changes: dict[str, Any] = {"generator": open_generator(path, settings.device)}
        if settings.size is not None:
            changes["image_processor"] = AdaATImageProcessor(size={"height": settings.size, "width": settings.size})
        pipe = FaceReenactmentPipeline.from_pretrained("bundled/face", **changes)
    else:
        pipe = FaceReenactmentPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return cast(FaceReenactmentPipeline, pipe.to(settings.device))


__all__ = ["CrossIdentity", "DrivenPhoto", "open_reenactment"]
