"""The two subjects of clips, faces and persons: how each is followed, framed and fitted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from torch import Tensor
from transformers.utils import logging

from ..control.body_fitting import BodyFitter
from ..control.body_model import load_body_model
from ..control.face_model import load_face_model
from ..control.fitting import FaceFitter
from ..processing.backends import open_body_detector, open_landmarker
from ..processing.body_tracking import track_body
from ..processing.crop import FaceBox, cut_out, face_box
from ..processing.face_tracking import track_face
from ..processing.person_crop import PersonBox, cut_person, fit_inside, inside_picture, person_box, shift_inside
from ..processing.tracking import Track
from .settings import PreparationSettings
from .sources import UnusableClip


Box = tuple[float, float, float, float]
# How much of the crop of a person who is cut off by the picture may show its repeated border.
MOST_OUTSIDE = 0.12


@dataclass(frozen=True)
class Frame:
    """What is cut out of every frame of a clip.

    Args:
        cut (`Callable`): Makes the crop (h, w, 3) of a picture (H, W, 3).
        to_crop (`np.ndarray` of shape (2, 3), *optional*): From picture pixels to crop pixels, where all frames are cut alike.
        track ([`Track`], *optional*): The subject in picture pixels, where it has been followed already.
    """

    cut: Callable[[np.ndarray], np.ndarray]
    to_crop: np.ndarray | None = None
    track: Track | None = None

    def moved(self, size: tuple[int, int] | None = None) -> Track:
        """The track in crop pixels; with the `size` of crops, points beyond them are not seen."""
        assert self.track is not None and self.to_crop is not None
        points = (self.track.points @ self.to_crop[:, :2].T + self.to_crop[:, 2]).astype(np.float32)
        seen = self.track.visibility * (1.0 if size is None else inside_picture(points, *size))
        return Track(points, seen.astype(np.float32))


class Subject(Protocol):
    """What is followed in a clip."""

    @property
    def name(self) -> str:
        """As it reads in messages."""
        ...

    def follow(self, frames: Iterable[np.ndarray]) -> Track:
        """Its key points in all frames."""
        ...

    def boxed(self, box: Box, height: int, width: int) -> Frame:
        """Cut out a published box (left, top, right, bottom) of pictures of that size."""
        ...

    def around(self, track: Track, height: int, width: int) -> Frame:
        """Cut out the followed subject."""
        ...

    def whole(self, height: int, width: int) -> Frame:
        """Keep the middle of the frames, as large as fits."""
        ...

    def each(self) -> Frame:
        """Cut out the subject of every picture by itself."""
        ...

    def in_crop(self, frame: Frame) -> Track:
        """The followed subject in crop pixels."""
        ...

    def fit(self, points: Tensor, visibility: Tensor, fps: float) -> dict[str, Tensor]:
        """Coefficients of the control model for points (T, K, 2) in crop pixels, by their names."""
        ...


class FaceSubject:
    """One face."""

    name = "a face"

    def __init__(self, settings: PreparationSettings) -> None:
        self.size = settings.size[0]
        self.landmarker = open_landmarker(settings.detector)
        self.fitter = FaceFitter(load_face_model(settings.control_model))

    def follow(self, frames: Iterable[np.ndarray]) -> Track:
        """Its 96 landmarks."""
        return track_face(frames, self.landmarker)

    def boxed(self, box: Box, height: int, width: int) -> Frame:
        """The square around the box, shifted into the picture where it fits."""
        side = max(box[2] - box[0], box[3] - box[1])
        centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        square = shift_inside(PersonBox(centre[0] - side / 2, centre[1] - side / 2, side, side), height, width)
        return self._frame(FaceBox(square.left + side / 2, square.top + side / 2, side))

    def around(self, track: Track, height: int, width: int) -> Frame:
        """As the pipelines frame it."""
        return self._frame(face_box(track.points, track.visibility), track)

    def whole(self, height: int, width: int) -> Frame:
        """The middle square."""
        return self._frame(FaceBox(width / 2, height / 2, float(min(height, width))))

    def each(self) -> Frame:
        """The face of every picture."""
        return Frame(self._cut_still)

    def in_crop(self, frame: Frame) -> Track:
        """All landmarks, also beyond the crop."""
        return frame.moved()

    def fit(self, points: Tensor, visibility: Tensor, fps: float) -> dict[str, Tensor]:
        """Fields of [`FaceCoefficients`]."""
        return vars(self.fitter.fit(points, visibility))

    def _frame(self, box: FaceBox, track: Track | None = None) -> Frame:
        return Frame(lambda picture: cut_out(picture, box, self.size), box.to_crop(self.size), track)

    def _cut_still(self, picture: np.ndarray) -> np.ndarray:
        faces = self.landmarker.detect(picture[None])[0]
        if not faces:
            raise UnusableClip("one of its pictures shows no face")
        points, visibility = faces[0].as_face96()
        return cut_out(picture, face_box(points[None], visibility[None]), self.size)


class PersonSubject:
    """One person."""

    name = "a person"

    def __init__(self, settings: PreparationSettings) -> None:
        self.size = settings.size
        self.detector = open_body_detector(settings.detector)
        self.fitter = BodyFitter(load_body_model(settings.control_model))

    def follow(self, frames: Iterable[np.ndarray]) -> Track:
        """Its 18 key points; what lies beyond the picture is not seen."""
        track = track_body(frames, self.detector)
        if track.size is None:
            return track
        return Track(track.points, track.visibility * inside_picture(track.points, *track.size))

    def boxed(self, box: Box, height: int, width: int) -> Frame:
        """The rectangle of the crops' form around the box."""
        aspect = self.size[1] / self.size[0]
        down = max(box[3] - box[1], (box[2] - box[0]) / aspect)
        left, top = (box[0] + box[2] - down * aspect) / 2, (box[1] + box[3] - down) / 2
        return self._frame(shift_inside(PersonBox(left, top, down * aspect, down), height, width))

    def around(self, track: Track, height: int, width: int) -> Frame:
        """The rectangle around all poses of the clip, as far as the picture goes."""
        box = person_box(track.points, track.visibility, self.size[1] / self.size[0])
        return self._frame(fit_inside(box, height, width, MOST_OUTSIDE), track)

    def whole(self, height: int, width: int) -> Frame:
        """The middle of the picture, of the crops' form."""
        down = min(float(height), width * self.size[0] / self.size[1])
        across = down * self.size[1] / self.size[0]
        return self._frame(PersonBox((width - across) / 2, (height - down) / 2, across, down))

    def each(self) -> Frame:
        """The person of every picture."""
        return Frame(self._cut_still)

    def in_crop(self, frame: Frame) -> Track:
        """The key points inside the crop."""
        return frame.moved(self.size)

    def fit(self, points: Tensor, visibility: Tensor, fps: float) -> dict[str, Tensor]:
        """Fields of [`BodyCoefficients`]."""
        return vars(self.fitter.fit(points, visibility, fps))

    def _frame(self, box: PersonBox, track: Track | None = None) -> Frame:
        return Frame(lambda picture: cut_person(picture, box, *self.size), box.to_crop(*self.size), track)

    def _cut_still(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        track = self.follow([picture])
        if not track.found.any():
            raise UnusableClip("one of its pictures shows no person")
        return self.around(track, height, width).cut(picture)


@cache
def open_subject(settings: PreparationSettings) -> Subject:
    """Detector and fitter of a process, which prepares one clip after the other."""
    logging.disable_progress_bar()
    return FaceSubject(settings) if settings.kind == "face" else PersonSubject(settings)
