"""Follow one face through the frames of a clip."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .keypoints import FACE96
from .landmarks import FaceLandmarker, FaceLandmarks
from .tracking import Track, follow


@dataclass(frozen=True)
class FaceTrack(Track):
    """The 96 landmarks of one face in every frame of a clip."""


class FaceTracker:
    """Pick the same person's landmarks in successive frames: the face nearest to where it was last.

    Args:
        face_index (`int`, *optional*, defaults to 0): Which face to follow, counted from the largest in the first frame
            that shows any.
    """

    def __init__(self, face_index: int = 0) -> None:
        self.face_index = face_index
        self.last: FaceLandmarks | None = None

    def choose(self, faces: list[FaceLandmarks]) -> FaceLandmarks | None:
        """The followed face among those of the next frame, or `None`."""
        if not faces:
            return None
        if self.last is None:
            if self.face_index >= len(faces):
                return None
            self.last = faces[self.face_index]
            return self.last
        nearest = min(faces, key=self._distance)
        if self._distance(nearest) > 1.0:
            return None
        self.last = nearest
        return nearest

    def _distance(self, face: FaceLandmarks) -> float:
        """Distance of the centres in units of the face's size."""
        assert self.last is not None
        here, there = np.reshape(face.box, (2, 2)).mean(0), np.reshape(self.last.box, (2, 2)).mean(0)
        return float(np.linalg.norm(here - there)) / max(face.size, self.last.size)


def track_face(
    frames: Iterable[np.ndarray], landmarker: FaceLandmarker, face_index: int = 0, batch_size: int = 8
) -> FaceTrack:
    """Detect and follow one face; frames (H, W, 3) are taken in batches, so a long clip needs little memory."""
    tracker = FaceTracker(face_index)
    track, _ = follow(frames, landmarker, tracker, lambda face: face.as_face96(), FACE96.count, batch_size)
    return FaceTrack(track.points, track.visibility)
