"""Synthetic motions with known joints, and how far fitted bodies are from truth: joint errors, limbs that flip."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..control.body_coefficients import BodyCoefficients
from ..control.body_joints import LIMB_BONES, MIRROR_POINTS, NUM_JOINTS, NUM_POINTS
from ..control.body_model import AdaATBodyModel
from ..control.body_priors import HINGES, pose_spread, usual_pose


# A limb flips if it turns by more than this from one frame to the next while the true one does not, in degrees.
FLIP_ANGLE = 60.0


@dataclass(frozen=True)
class BodyErrors:
    """How far a fit is from the truth.

    Args:
        joints (`float`): Mean distance of the 24 joints, pelvis on pelvis and true size, in millimetres.
        aligned (`float`): The same after the best turn, shift and size of every frame (PA-MPJPE), in millimetres.
        keypoints (`float`): Mean distance of the key points in the picture, in units of the trunk's length.
        flips (`int`): Limbs that flip between neighbouring frames, in all frames.
    """

    joints: float
    aligned: float
    keypoints: float
    flips: int


def random_motion(
    model: AdaATBodyModel,
    frames: int,
    rng: np.random.Generator,
    fps: float = 25.0,
    facing: float = 1.0,
    liveliness: float = 0.8,
) -> BodyCoefficients:
    """A body of random shape that moves smoothly and turns around, as far as joints bend.

    Args:
        model ([`AdaATBodyModel`]): The body model.
        frames (`int`): Length of the clip.
        rng (`np.random.Generator`): Source of chance.
        fps (`float`, *optional*, defaults to 25.0): Frame rate; motions have frequencies up to 1 Hz.
        facing (`float`, *optional*, defaults to 1.0): Largest turn from the camera, in radians.
        liveliness (`float`, *optional*, defaults to 0.8): How far joints move, in units of what is usual.
    """
    time = torch.arange(frames) / fps
    usual, spread = usual_pose(), pose_spread()
    waves = _waves(time, NUM_JOINTS * 3, rng).unflatten(1, (NUM_JOINTS, 3))
    pose = usual + liveliness * spread * waves
    for joint, axis, sign in HINGES:
        pose[:, joint, axis] = sign * (sign * pose[:, joint, axis]).abs()
    root = _waves(time, 3, rng) * torch.tensor([0.12, facing, 0.12])
    pose[:, 0] = root
    shape = torch.from_numpy(rng.normal(0, 0.8, model.config.num_shape)).float()
    bones = torch.from_numpy(np.exp(rng.normal(0, 0.07, NUM_POINTS))).float()
    bones = (bones * bones[list(MIRROR_POINTS)]).sqrt()  # left and right alike
    scale = 150 * (1 + 0.1 * _waves(time, 1, rng)[:, 0])
    place = torch.tensor([250.0, 250.0]) + 30 * _waves(time, 2, rng)
    return BodyCoefficients.complete(shape, bones, pose, scale, place)


def random_photographs(model: AdaATBodyModel, count: int, rng: np.random.Generator) -> BodyCoefficients:
    """A body of random shape that stands for some photographs, moderately bent and turned (see [`random_motion`])."""
    # At one frame per hundred seconds, the poses have nothing to do with one another.
    return random_motion(model, count, rng, fps=0.01, facing=0.3, liveliness=0.3)


def _waves(time: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Smooth random curves (T, count), each within about [-1, 1]."""
    frequency, phase = (torch.from_numpy(rng.uniform(0, high, (3, count))).float() for high in (1.0, 2 * np.pi))
    return (torch.sin(2 * torch.pi * time[:, None, None] * frequency + phase)).mean(1) * 1.4


def body_errors(model: AdaATBodyModel, found: BodyCoefficients, truth: BodyCoefficients) -> BodyErrors:
    """Compare a fitted clip with the true one, both in the same pictures."""
    ours, true = found.points(model)[:, :NUM_JOINTS], truth.points(model)[:, :NUM_JOINTS]
    # A weak perspective knows sizes in pixels only.
    ours = ours * (found.scale / truth.scale)[:, None, None]
    trunk = (true[:, 9] - true[:, 0]).norm(dim=-1) * truth.scale
    apart = (found.project(model) - truth.project(model)).norm(dim=-1).mean(1) / trunk
    return BodyErrors(
        float((ours - true).norm(dim=-1).mean()) * 1000,
        float((_aligned(ours, true) - true).norm(dim=-1).mean()) * 1000,
        float(apart.mean()),
        count_flips(ours, true),
    )


def count_flips(joints: Tensor, truth: Tensor | None = None) -> int:
    """Limbs (of joints (T, 24, 3)) that turn by more than `FLIP_ANGLE` between neighbouring frames, true turns excepted."""
    flips = 0
    for start, end in LIMB_BONES.values():
        sudden = _steps(joints, start, end) > FLIP_ANGLE
        if truth is not None:
            sudden &= _steps(truth, start, end) < FLIP_ANGLE / 2
        flips += int(sudden.sum())
    return flips


def _steps(joints: Tensor, start: int, end: int) -> Tensor:
    limb = torch.nn.functional.normalize(joints[:, end] - joints[:, start], dim=-1)
    return torch.rad2deg(torch.arccos((limb[1:] * limb[:-1]).sum(-1).clamp(-1, 1)))


def _aligned(points: Tensor, target: Tensor) -> Tensor:
    """Points (T, K, 3) after the similarity that brings them closest to the target, frame by frame (Umeyama, 1991)."""
    middle, goal = points.mean(1, keepdim=True), target.mean(1, keepdim=True)
    centred, wanted = points - middle, target - goal
    u, singular, vt = torch.linalg.svd(centred.transpose(1, 2) @ wanted)
    sign = torch.ones_like(singular)
    sign[:, 2] = torch.linalg.det(u @ vt)
    rotation = u * sign[:, None] @ vt
    size = (singular * sign).sum(1) / centred.square().sum((1, 2))
    return size[:, None, None] * centred @ rotation + goal
