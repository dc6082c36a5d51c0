"""Cross-identity reenactment: somebody's photograph moves as somebody else does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from ...pipelines.sources import choose_faces
from ...processing.images import limit_size, load_image
from ...processing.landmarks import FaceLandmarker, FaceLandmarks
from ...processing.photo import NoFaceError, find_faces
from ...video import VIDEO_SUFFIXES, VideoReader
from ..footage import EvaluationError, Footage
from ..generators import open_pipeline
from ..protocols import PROTOCOLS
from .base import Painter, PaintingTask, middle
from .reconstruction import reduced


# Larger photographs are reduced to this longer side.
LONGER_SIDE = 1280
# Side of the compared part of a photograph, in units of the face's size.
SURROUNDINGS = 2.2


@dataclass(frozen=True)
class DrivenPhoto:
    """A photograph and the clip that moves it.

    Args:
        name (`str`): Of both.
        photo (`np.ndarray` of shape (H, W, 3)): uint8.
        part (`tuple[slice, slice]`): Where the face and its surroundings are, in which pictures are compared.
        driving (`list[np.ndarray]`): Frames of the driver.
        fps (`float`): Frame rate.
    """

    name: str
    photo: np.ndarray
    part: tuple[slice, slice]
    driving: list[np.ndarray]
    fps: float

    @property
    def source(self) -> np.ndarray:
        """The compared part of the photograph."""
        return self.photo[self.part]


class CrossIdentity(PaintingTask[DrivenPhoto]):
    """Photographs and drivers; `items` are pairs of files: a picture, or a clip whose first frame counts, and a clip."""

    protocol = PROTOCOLS["cross-identity"]
    baselines = ("copy-source", "copy-driver")

    def read(self, item: tuple[Path, Path]) -> DrivenPhoto | None:
        """Decode both; `None` if one of them shows no face that is large enough."""
        photo, clip = item
        whole = next(iter(VideoReader(photo))) if photo.suffix.lower() in VIDEO_SUFFIXES else load_image(photo)
        picture = limit_size(whole, LONGER_SIDE)
        reader = VideoReader(clip)
        frames = list(reader)
        chosen = [reduced(frame, self.settings.size) for frame in frames[middle(len(frames), self.settings.frames)]]
        face = largest_face(picture, self.tools.landmarker)
        if face is None or largest_face(chosen[0], self.tools.landmarker) is None:
            return None
        return DrivenPhoto(f"{photo.stem}+{clip.stem}", picture, around(face, picture), chosen, float(reader.fps))

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
        pipe = open_pipeline(FaceReenactmentPipeline, folder, self.settings.device, self.settings.size)

        def paint(case: DrivenPhoto) -> list[np.ndarray]:
            result: Any = pipe(
                case.photo, case.driving, motion="absolute", fps=case.fps, landmarker=self.tools.landmarker
            )
            return [frame[case.part] for frame in result.arrays()]

        return paint

    def about(self) -> dict[str, str]:
        """See [`PaintingTask.about`]."""
        return {
            **super().about(),
            "motion": "absolute expression and head pose of the driver, smoothed",
        }


def largest_face(picture: np.ndarray, landmarker: FaceLandmarker | None) -> FaceLandmarks | None:
    """The largest face of a picture (H, W, 3), if it is large enough to be animated.

    Raises:
        EvaluationError: without a detector.
    """
    if landmarker is None:
        raise EvaluationError("Painting faces needs a landmark detector.")
    try:
        return choose_faces(find_faces(picture, landmarker), "largest")[0]
    except NoFaceError:
        return None


def around(face: FaceLandmarks, picture: np.ndarray) -> tuple[slice, slice]:
    """The part of a picture that is [`SURROUNDINGS`] times as large as a face, as far as the picture goes."""
    left, top, right, bottom = face.box
    reach = SURROUNDINGS * face.size / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    height, width = picture.shape[:2]
    rows = slice(max(0, round(y - reach)), min(height, round(y + reach)))
    return rows, slice(max(0, round(x - reach)), min(width, round(x + reach)))


__all__ = ["CrossIdentity", "DrivenPhoto"]
