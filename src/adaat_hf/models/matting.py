"""Where a mask ends to a part of a pixel, and which colours its mixed edge has without what is behind it."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .inpainting import grow
from .limbs import widen


# Half the width of the band around a mask's outline in which pixels may be mixed, in heights of the picture.
BAND = 0.004
# How far colours on both sides must be apart to tell a mixture's shares, and how far a pixel may be from every mixture.
APART, UNLIKE = 0.1, 0.1


def matte(picture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Refine a mask at its outline, and take what shines through from behind out of the colours there.

    In a band around the outline, the colours on both sides are continued, and a pixel is taken for a mixture of the two (the
    compositing equation of Porter and Duff, 1984, solved for the shares as in Bayesian matting, Chuang et al., 2001, with one colour
    each). Pixels that are no such mixture, and those between colours that are alike, stay as they are.

    Args:
        picture (`Tensor` of shape (B, 3, H, W)): Picture in [0, 1].
        mask (`Tensor` of shape (B, 1, H, W)): In [0, 1], wrong by less than the band's width.

    Returns:
        `tuple[Tensor, Tensor]`: the picture (B, 3, H, W), whose colours in the band are the masked object's alone, and the mask
        (B, 1, H, W).
    """
    steps = 2 * round(picture.shape[2] * BAND) + 1
    inside, outside = 1 - widen(1 - mask, BAND), 1 - widen(mask, BAND)
    own, other = grow(picture, inside, steps), grow(picture, outside, steps)
    apart = own - other
    squared = apart.square().sum(1, keepdim=True)
    share = (((picture - other) * apart).sum(1, keepdim=True) / squared.clamp_min(1e-6)).clamp(0, 1)
    share = F.avg_pool2d(share, 3, 1, 1, count_include_pad=False)
    left = (picture - other - share * apart).square().sum(1, keepdim=True)
    telling = squared / (squared + APART**2) * torch.exp(-left / UNLIKE**2)
    telling = torch.where((inside < 0.5) & (outside < 0.5), telling, 0.0)
    return (picture + telling * (1 - share) * apart).clamp(0, 1), torch.lerp(mask, share, telling)


__all__ = ["BAND", "matte"]
