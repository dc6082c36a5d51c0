"""Talking faces: paint a clip from its first frame and its sound, and compare with the film."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...pipelines.pipeline_talking_face import TalkingFacePipeline
from ...processing.sound import load_sound
from ...video import VideoReader
from ..footage import EvaluationError, Footage
from ..generators import open_pipeline
from ..protocols import PROTOCOLS
from .base import Painter, PaintingTask
from .cross_identity import largest_face
from .reconstruction import reduced


@dataclass(frozen=True)
class TalkingFilm:
    """A clip of somebody who talks.

    Args:
        file (`Path`): The clip, with sound.
        film (`list[np.ndarray]`): Its frames (H, W, 3), uint8.
        fps (`float`): Frame rate.
    """

    file: Path
    film: list[np.ndarray]
    fps: float


class Talking(PaintingTask[TalkingFilm]):
    """Clips of faces that talk; `items` are video files with sound."""

    protocol = PROTOCOLS["talking"]
    baselines = ("copy-source", "film")

    def read(self, item: Path) -> TalkingFilm | None:
        """Decode a clip; `None` if its first frame shows no face."""
        reader = VideoReader(item)
        if not reader.has_sound:
            raise EvaluationError(f"{str(item)!r} has no sound.")
        film = [reduced(frame, self.settings.size) for frame in reader]
        if largest_face(film[0], self.tools.landmarker) is None:
            return None
        return TalkingFilm(item, film[: self.settings.frames], float(reader.fps))

    def reference(self, case: TalkingFilm) -> tuple[Footage, Footage | None]:
        """The film, and its first frame."""
        return Footage.of(case.file.stem, case.film, case.fps), Footage.of("source", case.film[:1])

    def baseline(self, name: str) -> Painter:
        """The first frame as it is, or the film itself, which shows what the measures err by."""
        return (lambda case: [case.film[0]] * len(case.film)) if name == "copy-source" else (lambda case: case.film)

    def network(self, folder: str) -> Painter:
        """A pipeline, or `bundled/face` with another generator, that hears the clip's sound and takes its head motion."""
        pipe = open_pipeline(TalkingFacePipeline, folder, self.settings.device, self.settings.size)

        def paint(case: TalkingFilm) -> list[np.ndarray]:
            rate = pipe.feature_extractor.sampling_rate
            # What lasts longer than the frames that are compared would be painted for nothing.
            samples = load_sound(case.file, rate, video_time=True)[: round(len(case.film) / case.fps * rate)]
            result: Any = pipe(
                case.film[0], (samples, rate), head_motion=case.film, fps=case.fps, landmarker=self.tools.landmarker
            )
            frames = list(result.arrays())[: len(case.film)]
            # A sound track may end a few frames before the pictures.
            return frames + frames[-1:] * (len(case.film) - len(frames))

        return paint

    def about(self) -> dict[str, str]:
        """See [`PaintingTask.about`]."""
        frames = "all" if self.settings.frames is None else f"the first {self.settings.frames}"
        return {
            "frames": f"{frames}; {self.settings.resizing}",
            "head motion": "that of the film; lips, brows and blinks from the sound",
        }


__all__ = ["Talking", "TalkingFilm"]
