"""The 24 joints of SMPL, the face points that move with the head, and their relation to the 18 key points of networks."""

from torch import Tensor

from ..processing.body_keypoints import BODY18_NAMES


# Names and parents of SMPL's joints (Loper et al., 2015), in its order.
SMPL24_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
MIRROR_SMPL24 = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
NUM_JOINTS = len(PARENTS)
# What detectors see of a head lies on its surface; these points follow the head's joint.
FACE_NAMES = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
HEAD = SMPL24_NAMES.index("head")
POINT_NAMES = SMPL24_NAMES + FACE_NAMES
NUM_POINTS = len(POINT_NAMES)
MIRROR_POINTS = MIRROR_SMPL24 + tuple(NUM_JOINTS + number for number in (0, 2, 1, 4, 3))
# The bone that ends in each point begins in this one.
BONE_STARTS = PARENTS + (HEAD,) * len(FACE_NAMES)


def _levels() -> tuple[tuple[int, ...], ...]:
    """Joints by how many bones they are away from the pelvis."""
    depth = [0]
    for parent in PARENTS[1:]:
        depth.append(depth[parent] + 1)
    return tuple(tuple(n for n, d in enumerate(depth) if d == level) for level in range(max(depth) + 1))


# Rotations of one level follow from those of the level before, all at once.
LEVELS = _levels()
# The limbs whose lengths make up a person's proportions, as (start, end): upper and lower arms and legs.
LIMB_BONES = {
    "left_thigh": (1, 4), "right_thigh": (2, 5), "left_shin": (4, 7), "right_shin": (5, 8),
    "left_upper_arm": (16, 18), "right_upper_arm": (17, 19), "left_forearm": (18, 20), "right_forearm": (19, 21),
}  # fmt: skip
SHOULDERS = (POINT_NAMES.index("right_shoulder"), POINT_NAMES.index("left_shoulder"))
# Where each of the 18 key points is among the points; the neck is the middle of the shoulders, as detectors define it.
_TO_BODY18 = [SHOULDERS[0] if name == "neck" else POINT_NAMES.index(name) for name in BODY18_NAMES]
_NECK = BODY18_NAMES.index("neck")


def to_body18(points: Tensor) -> Tensor:
    """The 18 key points of a body.

    Args:
        points (`Tensor` of shape (..., 29, D)): The 24 joints and 5 face points, in any coordinates.

    Returns:
        `Tensor` of shape (..., 18, D).
    """
    result = points[..., _TO_BODY18, :].clone()
    result[..., _NECK, :] = points[..., SHOULDERS, :].mean(-2)
    return result
