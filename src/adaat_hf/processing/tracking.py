"""Follow one face through the frames of a clip."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from .keypoints import FACE96
from .landmarks import FaceLandmarker, FaceLandmarks


@dataclass(frozen=True)
class FaceTrack:
    """The landmarks of one face in every frame of a clip.

    Args:
        points (`np.ndarray` of shape (T, 96, 2)): Pixels; zeros where the face was not found.
        visibility (`np.ndarray` of shape (T, 96)): 0 for missing points and in frames without the face.
    """

    points: np.ndarray
    visibility: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Whether the face was found, per frame (T,), bool."""
        return np.asarray(self.visibility.any(1))


class FaceTracker:
    """Pick the same person's landmarks in successive frames: the face nearest to where it was last.

    Args:
        face_index (`int`, *optional*, defaults to 0): Which face to follow, counted from the largest in the first frame
            that shows any.
    """

    def __init__(self, face_index: int = 0) -> None:
        self.face_index = face_index
        self._last: FaceLandmarks | None = None

    def choose(self, faces: list[FaceLandmarks]) -> FaceLandmarks | None:
        """The followed face among those of the next frame, or `None`."""
        if not faces:
            return None
        if self._last is None:
            if self.face_index >= len(faces):
                return None
            self._last = faces[self.face_index]
            return self._last
        nearest = min(faces, key=self._distance)
        if self._distance(nearest) > 1.0:
            return None
        self._last = nearest
        return nearest

    def _distance(self, face: FaceLandmarks) -> float:
        """Distance of the centres in units of the face's size."""
        assert self._last is not None
        here, there = np.reshape(face.box, (2, 2)).mean(0), np.reshape(self._last.box, (2, 2)).mean(0)
        return float(np.linalg.norm(here - there)) / max(face.size, self._last.size)


def track_face(
    frames: Iterable[np.ndarray], landmarker: FaceLandmarker, face_index: int = 0, batch_size: int = 8
) -> FaceTrack:
    """Detect and follow one face; frames (H, W, 3) are taken in batches, so a long clip needs little memory."""
    tracker = FaceTracker(face_index)
    points, visibility = [], []
    for batch in batched(frames, batch_size):
        for faces in landmarker.detect(np.stack(batch)):
            face = tracker.choose(faces)
            both = (np.zeros((FACE96.count, 2)), np.zeros(FACE96.count)) if face is None else face.as_face96()
            points.append(both[0])
            visibility.append(both[1])
    return FaceTrack(
        np.array(points, np.float32).reshape(-1, FACE96.count, 2),
        np.array(visibility, np.float32).reshape(-1, FACE96.count),
    )


def batched(items: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
