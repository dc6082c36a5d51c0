"""What poses of people are usual: means and spreads of the joints' rotations, and the bends that joints do not make."""

import torch
from torch import Tensor

from .body_joints import NUM_JOINTS, SMPL24_NAMES


# Spread of each joint's rotation vector (x, y, z) in radians: wide where people move, narrow where only the skin would tell.
_SPREAD = {
    "pelvis": (9.0, 9.0, 9.0), "hip": (0.7, 0.35, 0.35), "spine1": (0.2, 0.12, 0.12), "knee": (0.9, 0.1, 0.1),
    "spine2": (0.2, 0.15, 0.12), "ankle": (0.25, 0.15, 0.15), "spine3": (0.15, 0.12, 0.1), "foot": (0.05, 0.05, 0.05),
    "neck": (0.3, 0.35, 0.25), "collar": (0.08, 0.12, 0.12), "head": (0.3, 0.4, 0.25), "shoulder": (0.6, 0.9, 0.9),
    "elbow": (0.5, 0.9, 0.2), "wrist": (0.05, 0.05, 0.05), "hand": (0.05, 0.05, 0.05),
}  # fmt: skip
# Arms hang, a little bent; angles of the left side, the right one is its mirror image.
_USUAL = {"shoulder": (0.0, 0.0, -1.15), "elbow": (0.0, -0.3, 0.0), "hip": (-0.05, 0.0, 0.05), "knee": (0.1, 0.0, 0.0)}
# Hinges, as (joint, axis, sign of the bend): elbows bend forward, knees backward.
HINGES = tuple(
    (SMPL24_NAMES.index(name), axis, sign)
    for name, axis, sign in (
        ("left_elbow", 1, -1.0), ("right_elbow", 1, 1.0), ("left_knee", 0, 1.0), ("right_knee", 0, 1.0)
    )
)  # fmt: skip
WRONG_WAY, LARGEST_BEND = 0.08, 2.6


def _kind(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def usual_pose() -> Tensor:
    """Rotation vectors (24, 3) of somebody who stands at ease."""
    mirrored = torch.tensor([1.0, -1.0, -1.0])
    pose = torch.zeros(NUM_JOINTS, 3)
    for number, name in enumerate(SMPL24_NAMES):
        left = torch.tensor(_USUAL.get(_kind(name), (0.0, 0.0, 0.0)))
        pose[number] = left * mirrored if name.startswith("right_") else left
    return pose


def pose_spread() -> Tensor:
    """Standard deviations (24, 3) of the rotation vectors around [`usual_pose`]."""
    return torch.tensor([_SPREAD[_kind(name)] for name in SMPL24_NAMES])


def unusualness(pose: Tensor, usual: Tensor, spread: Tensor) -> Tensor:
    """How far poses (T, 24, 3) are from what people do: half the squared standard deviations, summed; (T,).

    Args:
        pose (`Tensor` of shape (T, 24, 3)): Rotation vectors.
        usual, spread (`Tensor` of shape (24, 3)): See [`usual_pose`] and [`pose_spread`].
    """
    total = ((pose - usual) / spread).square().sum((1, 2))
    for joint, axis, sign in HINGES:
        bend = sign * pose[:, joint, axis]
        total = total + ((-bend).clamp_min(0) / WRONG_WAY).square()
        total = total + ((bend - LARGEST_BEND).clamp_min(0) / WRONG_WAY).square()
    return total / 2
