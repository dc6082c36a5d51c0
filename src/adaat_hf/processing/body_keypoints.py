"""Key-point layouts of bodies, and their conversion to the 18 points that person networks are made for."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .keypoints import KeypointLayout
from .landmarks import Landmarks


# OpenPose's COCO model: nose, neck, right arm, left arm, right leg, left leg, eyes, ears (right before left).
BODY18_NAMES = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
BODY18 = KeypointLayout("body18", (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16))
NECK, SHOULDERS, HIPS, EYES, EARS = 1, (2, 5), (8, 11), (14, 15), (16, 17)
# Bones to draw, and to compare body sizes by.
BODY18_BONES = (
    (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
# Those of arms and legs: they begin at shoulders and hips, not at the neck or in the face.
ARM_AND_LEG_BONES = tuple((start, end) for start, end in BODY18_BONES if NECK < start < 14)

# For every point of BODY18 its number in the other layout; the neck is derived where that has none (-1).
COCO17_TO_BODY18 = (0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
MEDIAPIPE33_TO_BODY18 = (0, -1, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
# OpenPose's BODY_25 has the middle of the hips as point 8.
OPENPOSE25_TO_BODY18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
TO_BODY18 = {
    "body18": tuple(range(18)),
    "coco17": COCO17_TO_BODY18,
    "mediapipe33": MEDIAPIPE33_TO_BODY18,
    "openpose25": OPENPOSE25_TO_BODY18,
}
LAYOUT_BY_COUNT = {18: "body18", 17: "coco17", 33: "mediapipe33", 25: "openpose25"}


@dataclass(frozen=True)
class BodyKeypoints(Landmarks):
    """
    The key points of one body in one picture; see [`Landmarks`].

    Args:
        layout (`str`): `"body18"`, `"coco17"`, `"mediapipe33"` or `"openpose25"`.
        silhouette (`np.ndarray` of shape (H, W), *optional*): How far each of the picture's pixels belongs to the body, in [0, 1], from
            detectors that tell.
    """

    silhouette: np.ndarray | None = None

    def as_body18(self) -> tuple[np.ndarray, np.ndarray]:
        """Convert to the 18-point layout; a missing neck is the middle of the shoulders, if both are seen.

        Returns:
            `tuple[np.ndarray, np.ndarray]`: points (18, 2) in pixels and visibility (18,) in [0, 1]; a missing point is
            at (0, 0).
        """
        index = np.array(TO_BODY18[self.layout])
        points = self.points[index].astype(np.float32)
        visibility = self.visibility[index].astype(np.float32)
        if index[NECK] < 0:
            points[NECK] = points[list(SHOULDERS)].mean(0)
            visibility[NECK] = visibility[list(SHOULDERS)].min()
        points[visibility <= 0] = 0
        return points, visibility


class BodyDetector(Protocol):
    """Finds bodies and their key points in pictures."""

    def detect(self, frames: np.ndarray) -> list[list[BodyKeypoints]]:
        """Detect the bodies of every frame.

        Args:
            frames (`np.ndarray` of shape (N, H, W, 3)): RGB pictures, uint8.

        Returns:
            `list[list[BodyKeypoints]]`: for each frame its bodies, the largest first; an empty list where there is none.
        """
        ...
