"""Kinematic body model: SMPL's 24 joints and five face points from shape and pose, differentiable."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor
from transformers import PreTrainedConfig

from .basis_model import BasisModel
from .body_joints import BONE_STARTS, LEVELS, NUM_JOINTS, NUM_POINTS, PARENTS
from .rotation import rotation_matrix


def _chains() -> Tensor:
    chains = torch.zeros(NUM_POINTS, NUM_POINTS)
    for number in range(1, NUM_POINTS):
        chains[number] = chains[BONE_STARTS[number]]
        chains[number, number] = 1
    return chains[:, 1:]


# Which bones (28) lead from the pelvis to each point (29).
_CHAINS = _chains()
# The joints of each level after the pelvis's, and where their parents are in the level before; where each joint is among all levels.
_STEPS = [(list(level), [before.index(PARENTS[joint]) for joint in level]) for before, level in pairwise(LEVELS)]
_PLACES = [sum(LEVELS, ()).index(joint) for joint in range(NUM_JOINTS)]


@strict
class AdaATBodyModelConfig(PreTrainedConfig):
    r"""
    Configuration of [`AdaATBodyModel`].

    Args:
        num_shape (`int`, *optional*, defaults to 16): Shape components.
        source (`str`, *optional*, defaults to `"anny"`): What the rest joints were made from: `"anny"`, `"smpl"` or
            `"smplh"`.

    Example:
    ```python
    >>> from adaat_hf import AdaATBodyModel, AdaATBodyModelConfig

    >>> model = AdaATBodyModel(AdaATBodyModelConfig(num_shape=10))
    ```"""

    model_type = "adaat_body_model"

    num_shape: int = 16
    source: str = "anny"

    def validate_size(self) -> None:
        """Check the number of shape components."""
        if self.num_shape < 1:
            raise ValueError(f"num_shape is {self.num_shape}, expected at least 1.")


class AdaATBodyModel(BasisModel):
    """Joints of a body by forward kinematics (Loper et al., SMPL, 2015, equations 2 to 4, without its skin).

    At rest the body stands upright with its arms stretched out sideways. Axes: x to the body's left, y up, z forward;
    lengths in metres, the pelvis in the origin.
    """

    config: AdaATBodyModelConfig
    base_model_prefix = "body_model"
    main_input_name = "shape"

    shape_basis: Tensor

    def __init__(self, config: AdaATBodyModelConfig) -> None:
        super().__init__(config)
        self.register_buffer("mean", torch.zeros(NUM_POINTS, 3))
        self.register_buffer("shape_basis", torch.zeros(config.num_shape, NUM_POINTS, 3))
        self.post_init()

    def set_basis(self, mean: np.ndarray, basis: np.ndarray) -> None:
        """Fill in the rest joints.

        Args:
            mean (`np.ndarray` of shape (29, 3)): Joints and face points of the average body at rest; the pelvis is moved to
                the origin.
            basis (`np.ndarray` of shape (N, 29, 3)): Offsets for one standard deviation of each shape component.
        """
        self.fill_buffers({"mean": mean - mean[:1], "shape_basis": basis - basis[:, :1]})

    def rest(self, shape: Tensor, bone_scale: Tensor | None = None) -> Tensor:
        """Points of the unposed body.

        Args:
            shape (`Tensor` of shape (..., N)): Standard deviations of each shape component.
            bone_scale (`Tensor` of shape (..., 29), *optional*): Factor of the bone that ends in each point, for what is
                particular to a body beyond the shape components; the pelvis's is not used.

        Returns:
            `Tensor` of shape (..., 29, 3).
        """
        points = self.mean + torch.einsum("...n,nkd->...kd", shape, self.shape_basis.to(shape.dtype))
        if bone_scale is None:
            return points
        bones = (points[..., 1:, :] - points[..., BONE_STARTS[1:], :]) * bone_scale[..., 1:, None]
        return points[..., :1, :] + _CHAINS.to(bones) @ bones

    def forward(self, shape: Tensor, pose: Tensor, bone_scale: Tensor | None = None) -> Tensor:
        """Pose a body.

        Args:
            shape (`Tensor` of shape (B, N) or (1, N)), bone_scale: See [`~AdaATBodyModel.rest`].
            pose (`Tensor` of shape (B, 24, 3) or (B, 24, 3, 3)): Rotation of each joint relative to its parent, as rotation
                vectors or matrices; the pelvis's turns the whole body.

        Returns:
            `Tensor` of shape (B, 29, 3): joints and face points in metres, the pelvis in the origin.
        """
        local = pose if pose.shape[-2:] == (3, 3) else rotation_matrix(pose)
        return pose_points(self.rest(shape, bone_scale), local)[0]


def pose_points(rest: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
    """Forward kinematics.

    Args:
        rest (`Tensor` of shape (B, 29, 3) or (1, 29, 3)): Points of the unposed body.
        local (`Tensor` of shape (B, 24, 3, 3)): Rotation of each joint relative to its parent.

    Returns:
        `tuple[Tensor, Tensor]`: points (B, 29, 3), and the joints' rotations relative to the rest pose (B, 24, 3, 3).
    """
    bones = rest[:, 1:] - rest[:, BONE_STARTS[1:]]
    turned = world_rotations(local)
    steps = (turned[:, BONE_STARTS[1:]] @ bones[..., None])[..., 0]
    return rest[:, :1] + _CHAINS.to(steps) @ steps, turned


def world_rotations(local: Tensor) -> Tensor:
    """Rotations of the joints relative to the rest pose (B, 24, 3, 3), from those relative to their parents, of that shape."""
    turned = [local[:, :1]]
    for joints, parents in _STEPS:
        turned.append(turned[-1][:, parents] @ local[:, joints])
    return torch.cat(turned, 1)[:, _PLACES]


def load_body_model(folder: str | Path) -> AdaATBodyModel:
    """Load the body model of a pipeline's folder, of `"bundled/person"`, or of a folder that holds nothing else.

    Args:
        folder (`str` or `Path`): Where it is.
    """
    return AdaATBodyModel.from_folder(folder)


__all__ = ["AdaATBodyModel", "AdaATBodyModelConfig", "load_body_model", "pose_points", "world_rotations"]
