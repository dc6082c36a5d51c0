"""The same random mirror, placement and colour change for all pictures of a training item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as T


@dataclass(frozen=True)
class Placement:
    """How far pictures are moved.

    Args:
        angle (`float`): Largest turn, in degrees.
        zoom (`tuple[float, float]`): Smallest and largest enlargement.
        shift (`float`): Largest shift, in units of half the picture.
    """

    angle: float
    zoom: tuple[float, float]
    shift: float


FACE_PLACEMENT = Placement(12, (0.92, 1.25), 0.08)
PERSON_PLACEMENT = Placement(8, (0.88, 1.12), 0.06)
# Enlargement of persons to portraits, room above their highest key point, and how far beyond the border points may get
# lost, in units of half the picture.
PORTRAIT_ZOOM = (1.2, 1.8)
PORTRAIT_HAIR = 0.15
LOST_BEYOND = 1.25


def augment(
    pictures: Tensor,
    points: Tensor,
    visibility: Tensor,
    mirror: Sequence[int],
    placement: Placement,
    random: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Change pictures and their key points alike.

    Args:
        pictures (`Tensor` of shape (N, 3, H, W)): In [0, 1].
        points (`Tensor` of shape (N, K, 2)), visibility (`Tensor` of shape (N, K)): Key points in [-1, 1].
        mirror (`Sequence[int]`): Index that each point takes over when the picture is flipped.
        placement ([`Placement`]): How far they are moved, in half of the cases.
        random (`np.random.Generator`): Source of chance.
    """
    if random.random() < 0.5:
        index = list(mirror)
        pictures, points, visibility = pictures.flip(-1), points[:, index], visibility[:, index]
        points = points * torch.tensor([-1.0, 1.0])
    if random.random() < 0.5:
        pictures, points = _place(pictures, points, placement, random)
    if random.random() < 0.7:
        brightness, contrast, saturation = (float(random.uniform(0.8, 1.25)) for _ in range(3))
        pictures = T.adjust_contrast(T.adjust_brightness(pictures, brightness), contrast)
        pictures = T.adjust_saturation(pictures, saturation)
        pictures = T.adjust_hue(pictures, float(random.uniform(-0.03, 0.03)))
    return pictures, points, visibility


def dye(pictures: Tensor, random: np.random.Generator) -> Tensor:
    """Give all pictures (N, 3, H, W) the same quite different colours, so that a network cannot learn the clothes of its few
    subjects by heart. Only the whole picture can be dyed without a seam between clothes and surroundings."""
    dyed = T.adjust_hue(pictures, float(random.uniform(-0.5, 0.5)))
    dyed = T.adjust_saturation(dyed, float(random.uniform(0.3, 2.0)))
    return dyed[:, torch.from_numpy(random.permutation(3))]


def cut_off(
    pictures: Tensor, points: Tensor, visibility: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge all pictures alike around the heads, so that the border cuts persons off as in a portrait.

    Args:
        pictures (`Tensor` of shape (N, 3, H, W)): In [0, 1].
        points (`Tensor` of shape (N, K, 2)), visibility (`Tensor` of shape (N, K)): Key points in [-1, 1]. Those that leave the
            pictures are kept beyond the border, or, as a detector would, lost: the same for all pictures.
        random (`np.random.Generator`): Source of chance.
    """
    zoom = float(random.uniform(*PORTRAIT_ZOOM))
    seen = points[visibility > 0] if (visibility > 0).any() else points.flatten(0, 1)
    top = torch.stack([seen[:, 0].mean(), seen[:, 1].min() - PORTRAIT_HAIR])
    shift = torch.tensor([float(random.uniform(-0.3, 0.3)), -1.0]) - zoom * top
    # Nothing beyond the given pictures is shown.
    shift = shift.clamp(1 - zoom, zoom - 1)
    pictures, points = _move(pictures, points, zoom * torch.eye(2), shift)
    if random.random() < 0.5:
        visibility = visibility * (points.abs().amax(-1) <= LOST_BEYOND)
    return pictures, points, visibility


def _place(
    pictures: Tensor, points: Tensor, placement: Placement, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Turn, enlarge and shift all pictures alike; their borders are mirrored."""
    angle, zoom = np.deg2rad(random.uniform(-placement.angle, placement.angle)), random.uniform(*placement.zoom)
    shift = torch.from_numpy(random.uniform(-placement.shift, placement.shift, 2)).float()
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    height, width = pictures.shape[2:]
    extent = np.diag([width - 1, height - 1])
    # Coordinates are in units of half the picture, whose sides may differ.
    linear = torch.from_numpy(np.linalg.inv(extent) @ turn @ extent).float()
    return _move(pictures, points, linear, shift)


def _move(pictures: Tensor, points: Tensor, linear: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Bring coordinates x of all pictures and points to `linear` (2, 2) times x plus `shift` (2,)."""
    inverse = torch.linalg.inv(linear)
    theta = torch.cat([inverse, -(inverse @ shift)[:, None]], 1).expand(len(pictures), -1, -1)
    grid = torch.nn.functional.affine_grid(theta, list(pictures.shape), align_corners=True)
    moved = torch.nn.functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=True)
    return moved.clamp(0, 1), points @ linear.T + shift
