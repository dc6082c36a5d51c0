"""Convolution blocks of the paper's supplement (figure 1) and adaptive instance normalisation."""

from collections.abc import Callable
from typing import Self

from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that stays in 32 bits in a network of 16: variances reach beyond 65504, the largest 16-bit float."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def apply(tensor: Tensor) -> Tensor:
            changed = fn(tensor)
            return changed if changed.dtype.itemsize >= tensor.dtype.itemsize else tensor.to(changed.device)

        return super()._apply(apply, recurse)


class SameBlock(nn.Module):
    """Convolution, batch norm, ReLU; the resolution stays."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.norm = BatchNorm(out_channels)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W)."""
        return F.relu(self.norm(self.conv(feature)), inplace=True)


class DownBlock(SameBlock):
    """Convolution, batch norm, ReLU, average pooling."""

    def forward(self, feature: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H // 2, W // 2)."""
        return F.avg_pool2d(super().forward(feature), 2)


class UpBlock(SameBlock):
    """Enlargement, convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, mode: str) -> None:
        super().__init__(in_channels, out_channels)
        self.mode = mode

    def forward(self, feature: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, 2 H, 2 W)."""
        corners = None if self.mode == "nearest" else False
        return super().forward(F.interpolate(feature, scale_factor=2.0, mode=self.mode, align_corners=corners))


class ResBlock(nn.Module):
    """Pre-activation residual block; the second convolution changes the width."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = BatchNorm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.norm2 = BatchNorm(in_channels)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, feature: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W)."""
        hidden = self.conv1(F.relu(self.norm1(feature), inplace=True))
        return self.conv2(F.relu(self.norm2(hidden), inplace=True)) + self.skip(feature)


class AdaptiveInstanceNorm(nn.Module):
    """Instance normalisation whose scale and shift follow a code vector (Huang and Belongie, 2017)."""

    eps = 1e-5

    def __init__(self, code_channels: int, channels: int) -> None:
        super().__init__()
        self.common = nn.Linear(code_channels, code_channels)
        self.shift = nn.Linear(code_channels, channels)
        self.scale = nn.Linear(code_channels, channels)

    def forward(self, feature: Tensor, code: Tensor) -> Tensor:
        """Normalise `feature` (B, C, H, W), then scale and shift it as `code` (B, D) says; variance is unbiased."""
        hidden = F.relu(self.common(code))
        values = feature.float()
        mean = values.mean((2, 3), keepdim=True)
        deviation = (values.var((2, 3), keepdim=True) + self.eps).sqrt()
        normalised = ((values - mean) / deviation).to(feature.dtype)
        return normalised * self.scale(hidden)[..., None, None] + self.shift(hidden)[..., None, None]


__all__ = ["AdaptiveInstanceNorm", "BatchNorm", "DownBlock", "ResBlock", "SameBlock", "UpBlock"]
