"""A small U-Net that tells which pixels around known key points are a body's, and its arms'."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import SameBlock
from .limb_layers import front_parts, leg_parts
from .limbs import LIMBS, limb_axes, limb_distance


# What pixels are told apart as, and how many of them there are to a cell.
PARTS = ("background", "body", "arm")
PARTS_STRIDE = 2
# How fast what is said of the limbs fades beside them, in radii.
FADING = 1.5


def limb_maps(points: Tensor, visibility: Tensor, cells: int) -> Tensor:
    """Where the limbs of a body are, as far as key points tell: trunk, head, legs, arms.

    Args:
        points (`Tensor` of shape (B, 18, 2)): (x, y) in [-1, 1] of a square crop's border pixels.
        visibility (`Tensor` of shape (B, 18)): 0 for a missing point.
        cells (`int`): Side of the maps, in cells of `PARTS_STRIDE` pixels.

    Returns:
        `Tensor` of shape (B, 4, cells, cells): 1 on the limbs' axes, 0 far from them.
    """
    limbs = LIMBS[points.shape[1]]
    size = cells * PARTS_STRIDE
    # The middles of the outermost cells lie inside the crop's border.
    points = points * (size - 1) / (size - PARTS_STRIDE)
    distance = limb_distance(limb_axes(points, visibility, 1.0, limbs), limbs, cells, cells, 1.0, 1.0, feet=True)
    arms, legs = front_parts(limbs), list(leg_parts(limbs))
    others = [[number] for number in range(len(limbs)) if number not in arms + legs]
    nearest = torch.stack([distance[:, group].amin(1) for group in (*others, legs, arms)], 1)
    return torch.exp(-((nearest / FADING) ** 2)).unflatten(2, (cells, cells))


class PartsNetwork(nn.Module):
    """Background, body or arm by a crop and where its limbs are (U-Net; Ronneberger et al., 2015).

    Args:
        channels (`list[int]`): Channels of the levels, the first of cells of `PARTS_STRIDE` pixels, each half the resolution of the
            one before.
    """

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        seen = 3 * PARTS_STRIDE**2 + 4
        self.down = nn.ModuleList(
            nn.Sequential(SameBlock(a, b), SameBlock(b, b)) for a, b in pairwise([seen, *channels])
        )
        self.up = nn.ModuleList(SameBlock(b, a) for a, b in pairwise(channels))
        self.merge = nn.ModuleList(SameBlock(width, width) for width in channels[:-1])
        self.head = nn.Conv2d(channels[0], len(PARTS), 1)

    def forward(self, crops: Tensor, maps: Tensor) -> Tensor:
        """Logits (B, 3, S / 2, S / 2) of crops (B, 3, S, S) in [-1, 1] and [`limb_maps`] (B, 4, S / 2, S / 2)."""
        feature = torch.cat([F.pixel_unshuffle(crops, PARTS_STRIDE), maps.to(crops.dtype)], 1)
        levels = []
        for number, down in enumerate(self.down):
            feature = down(F.avg_pool2d(feature, 2) if number else feature)
            levels.append(feature)
        for level, up, merge in zip(levels[-2::-1], reversed(self.up), reversed(self.merge), strict=True):
            coarse = F.interpolate(up(feature), level.shape[2:], mode="bilinear", align_corners=False)
            feature = merge(level + coarse)
        return self.head(feature)


__all__ = ["PARTS", "PARTS_STRIDE", "PartsNetwork", "limb_maps"]
