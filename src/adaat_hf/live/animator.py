"""Animate a photograph by frames that come one at a time."""

from collections.abc import Callable

import numpy as np
import torch

from ..control.coefficients import FaceCoefficients
from ..control.fitting import FaceFitter
from ..control.retargeting import Control, Strengths, neutral_frame, retarget, separate_lids
from ..control.smoothing import LiveSmoother
from ..pipelines.face_animation import FaceAnimationPipeline
from ..pipelines.sources import SourcePhoto
from ..processing.crop import FaceBox, face_box
from ..processing.face_tracking import FaceTracker
from ..processing.image_processing_adaat import to_uint8
from ..processing.landmarks import FaceLandmarker
from ..processing.tracking import follow_on


# Frames in which the driver's identity and calm face are learned; the photograph is shown until then.
CALIBRATION_FRAMES = 8


class LiveAnimator:
    """Moves the face of a photograph as the frames of a driver show, one after the other, relative to the driver's calm face.

    Args:
        pipe ([`FaceAnimationPipeline`]): What paints.
        photo ([`SourcePhoto`]): The photograph; its first face is animated.
        landmarker ([`FaceLandmarker`]): Finds the driver's face.
        control (`str`, *optional*, defaults to `"both"`): `"expression"`, `"pose"` or `"both"`.
        strengths ([`Strengths`], *optional*): Factors for `eyes`, `brows`, `mouth` and `head`.
        crop_only (`bool`, *optional*, defaults to `False`): Give the face crop instead of the whole photograph.
    """

    def __init__(
        self,
        pipe: FaceAnimationPipeline,
        photo: SourcePhoto,
        landmarker: FaceLandmarker,
        *,
        control: Control = "both",
        strengths: Strengths | None = None,
        crop_only: bool = False,
    ) -> None:
        self.pipe, self.photo, self.landmarker = pipe, photo, landmarker
        self.control, self.strengths = control, strengths
        self.face = photo.faces[0]
        self._finish: Callable[[np.ndarray], np.ndarray] = (
            (lambda crop: crop)
            if crop_only
            else (lambda crop: photo.compose([crop, *(f.crop for f in photo.faces[1:])]))
        )
        self._fitter = FaceFitter(pipe.face_model)
        self._paint = pipe.open_face(self.face.crop, self.face.coefficients)
        self._side = self.face.crop.shape[0]
        self._last_crop = self.face.crop
        self.calibrate()

    def calibrate(self) -> None:
        """Forget the driver, and learn identity and calm face from the next frames."""
        self._tracker = FaceTracker()
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []
        self._box: FaceBox | None = None
        self._calm: FaceCoefficients | None = None
        self._last: FaceCoefficients | None = None
        self._smooth: LiveSmoother | None = None

    @property
    def calibrated(self) -> bool:
        """Whether the driver is known."""
        return self._calm is not None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames that are made."""
        height, width = self._finish(self.face.crop).shape[:2]
        return height, width

    @torch.no_grad()
    def __call__(self, picture: np.ndarray, seconds: float) -> np.ndarray:
        """The next frame (H, W, 3), uint8.

        Args:
            picture (`np.ndarray` of shape (H', W', 3)): The driver's frame, uint8. Without a face, the last pose is held.
            seconds (`float`): Time since the driver's last frame.
        """
        (face,) = follow_on(picture[None], self.landmarker, self._tracker)
        if face is not None:
            points, seen = face.as_face96()
            if self._calm is None:
                self._learn(points, seen)
            else:
                self._move(points, seen, seconds)
        return self._finish(self._last_crop)

    def _learn(self, points: np.ndarray, seen: np.ndarray) -> None:
        self._seen.append((points, seen))
        if len(self._seen) < CALIBRATION_FRAMES:
            return
        all_points, all_seen = (np.stack(values) for values in zip(*self._seen, strict=True))
        self._box = face_box(all_points, all_seen)
        inside = torch.from_numpy(self._box.points_to_crop(all_points, self._side))
        found = self._fitter.fit(inside, torch.from_numpy(all_seen))
        calm = neutral_frame(found)
        self._calm = found.frames(slice(calm, calm + 1))
        self._last = found.frames(slice(len(found) - 1, len(found)))
        self._smooth = LiveSmoother(self._calm.scale[0])

    def _move(self, points: np.ndarray, seen: np.ndarray, seconds: float) -> None:
        assert self._box is not None and self._last is not None and self._smooth is not None
        inside = torch.from_numpy(self._box.points_to_crop(points, self._side))
        found = self._fitter.follow(inside, torch.from_numpy(seen), self._last)
        if found is None:
            return
        self._last = found
        steady = self._smooth(found, seconds)
        moved = retarget(
            self.face.coefficients, steady, control=self.control, motion="relative", strengths=self.strengths,
            reference=self._calm,
        )  # fmt: skip
        images = self._paint(separate_lids(moved.project(self.pipe.face_model)))
        self._last_crop = to_uint8(images.permute(0, 2, 3, 1).numpy())[0]


__all__ = ["LiveAnimator"]
