"""What every landmark detector returns and accepts, whatever does the work behind it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .keypoints import FACE96, LAYOUTS, MESH_TO_FACE96


MESH478 = "mesh478"


@dataclass(frozen=True)
class Landmarks:
    """The key points of one face or body in one picture.

    Args:
        points (`np.ndarray` of shape (K, 2)): Pixel positions (x, y); the centre of the top left pixel is (0, 0).
        layout (`str`): Name of the points' order.
        visibility (`np.ndarray` of shape (K,)): 1 for a usable point, 0 for a missing one.
        score (`float`): Detector's confidence in [0, 1].
    """

    points: np.ndarray
    layout: str
    visibility: np.ndarray
    score: float = 1.0

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounding box (left, top, right, bottom) of the visible points, in pixels."""
        seen = self.points[self.visibility > 0]
        left, top = seen.min(0)
        right, bottom = seen.max(0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def size(self) -> float:
        """Length of the longer side of `box`, in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


@dataclass(frozen=True)
class FaceLandmarks(Landmarks):
    """
    The landmarks of one face in one picture; see [`Landmarks`].

    Args:
        layout (`str`): `"mesh478"` (MediaPipe), `"face96"`, `"ibug70"` or `"ibug68"`.
    """

    def as_face96(self) -> tuple[np.ndarray, np.ndarray]:
        """Convert to the layout that the face model is fitted to.

        Returns:
            `tuple[np.ndarray, np.ndarray]`: points (96, 2) in pixels and visibility (96,); points that this layout
            lacks have visibility 0.
        """
        if self.layout == MESH478:
            index = list(MESH_TO_FACE96)
            return self.points[index].astype(np.float32), self.visibility[index].astype(np.float32)
        count = LAYOUTS[self.layout].count
        points = np.zeros((FACE96.count, 2), np.float32)
        visibility = np.zeros(FACE96.count, np.float32)
        points[:count], visibility[:count] = self.points[: FACE96.count], self.visibility[: FACE96.count]
        return points, visibility


class FaceLandmarker(Protocol):
    """Finds faces and their landmarks in pictures."""

    def detect(self, frames: np.ndarray) -> list[list[FaceLandmarks]]:
        """Detect the faces of every frame.

        Args:
            frames (`np.ndarray` of shape (N, H, W, 3)): RGB pictures, uint8.

        Returns:
            `list[list[FaceLandmarks]]`: for each frame its faces, the largest first; an empty list where there is none.
        """
        ...
