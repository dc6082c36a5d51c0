"""Fold batch normalisation into the convolutions before it."""

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..models.blocks import ResBlock, SameBlock


Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norm(network: Network) -> Network:
    """A copy of a generator or landmarker in evaluation mode, whose batch normalisation is part of the convolutions where one stands before it.

    Normalisation in front of a residual block stays: its input is also the block's skip connection.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for block in folded.modules():
        if isinstance(block, SameBlock):
            block.conv, block.norm = fuse_conv_bn_eval(block.conv, block.norm), nn.Identity()  # type: ignore[assignment]
        elif isinstance(block, ResBlock):
            block.conv1, block.norm2 = fuse_conv_bn_eval(block.conv1, block.norm2), nn.Identity()  # type: ignore[assignment]
    return folded


__all__ = ["fold_batch_norm"]
