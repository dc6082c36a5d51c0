"""Convolutions that read a source and a driving pose at once, split so that the source's share is computed once."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .heatmap_convolution import convolve_heatmaps


class EntryConvolution(nn.Module):
    """A convolution over pictures (or features) and the heat maps of two poses, as the sum of its parts.

    Args:
        convolution (`nn.Conv2d`): Its channels are `fixed` ones of the source, others that move with the pose, and, if there are
            any, the heat maps of the source's K key points and of the driving K.
        fixed (`int`): Number of channels that depend on the source alone.
        keypoints (`int`): K, or 0 if no heat maps enter here.
        variance (`float`): Of the heat maps.
    """

    def __init__(self, convolution: nn.Conv2d, fixed: int, keypoints: int, variance: float) -> None:
        super().__init__()
        weight = convolution.weight.detach()
        moving = weight.shape[1] - fixed - 2 * keypoints
        parts = weight.split([fixed, moving, keypoints, keypoints], 1)
        self.fixed, self.moving, self.here, self.there = (nn.Buffer(part.contiguous()) for part in parts)
        assert convolution.bias is not None
        self.bias = nn.Buffer(convolution.bias.detach().clone())
        self.padding, self.variance = weight.shape[2] // 2, variance
        # The benchmark puts another one here, to show what this one gains.
        self.convolve = convolve_heatmaps

    def of_source(
        self, pictures: Tensor | None, keypoints: Tensor, visibility: Tensor | None, height: int, width: int
    ) -> Tensor:
        """What does not change while the subject moves, (S, O, H, W): pictures (S, fixed, H, W), key points (S, K, 2)."""
        total = self.bias.view(1, -1, 1, 1).expand(len(keypoints), -1, height, width)
        if pictures is not None:
            total = total + F.conv2d(pictures, self.fixed, padding=self.padding)
        if self.here.shape[1]:
            total = total + self.convolve(self.here, keypoints, height, width, self.variance, visibility)
        return total

    def forward(
        self, of_source: Tensor, moving: Tensor | None, keypoints: Tensor, visibility: Tensor | None
    ) -> Tensor:
        """The whole convolution, then ReLU, (B, O, H, W).

        Args:
            of_source (`Tensor` of shape (B, O, H, W)): From `of_source`.
            moving (`Tensor` of shape (B, moving, H, W), *optional*): Channels that change with the pose.
            keypoints (`Tensor` of shape (B, K, 2)), visibility (`Tensor` of shape (B, K), *optional*): The driving pose.
        """
        total = of_source
        if moving is not None:
            total = total + F.conv2d(moving, self.moving, padding=self.padding)
        if self.there.shape[1]:
            height, width = of_source.shape[2:]
            total = total + self.convolve(self.there, keypoints, height, width, self.variance, visibility)
        return torch.relu(total)


__all__ = ["EntryConvolution"]
