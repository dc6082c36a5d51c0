"""Alignment of feature maps: the paper's module (figure 4), its ablations, and aligned skip connections."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import AdaptiveInstanceNorm, DownBlock, ResBlock, SameBlock
from .configuration_adaat import AdaATConfig
from .operator import AdaptiveAffine, start_constant


class TransformationEncoder(nn.Module):
    """Feature maps to the code vector that drives all operators."""

    def __init__(self, config: AdaATConfig) -> None:
        super().__init__()
        widths = [config.feature_channels] + [config.code_channels] * config.code_blocks
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(widths))

    def forward(self, feature: Tensor) -> Tensor:
        """(B, F, H, W) to (B, D)."""
        for block in self.blocks:
            small = min(feature.shape[2:]) == 1
            feature = SameBlock.forward(cast(DownBlock, block), feature) if small else block(feature)
        return feature.mean((2, 3))


class DenseFlow(nn.Module):
    """The paper's ablation: one predicted flow moves all channels alike."""

    def __init__(self, channels: int, align_corners: bool) -> None:
        super().__init__()
        self.flow = start_constant(nn.Conv2d(channels, 2, 7, padding=3))
        self.align_corners = align_corners

    def predict(self, feature: Tensor) -> Tensor:
        """Offsets (B, 2, H, W) in normalised units."""
        return torch.tanh(self.flow(feature).float())

    def warp(self, feature: Tensor, offsets: Tensor) -> Tensor:
        """Move `feature` (B, C, H, W) by `offsets`, resized to its resolution."""
        height, width = feature.shape[2:]
        offsets = F.interpolate(offsets, (height, width), mode="bilinear", align_corners=True)
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height, device=feature.device),
            torch.linspace(-1, 1, width, device=feature.device),
            indexing="ij",
        )
        grid = torch.stack([x, y], -1) + offsets.permute(0, 2, 3, 1)
        return F.grid_sample(feature.float(), grid, align_corners=self.align_corners).to(feature.dtype)


class AlignmentModule(nn.Module):
    """Three residual stacks with an alignment after the first two and AdaIN after the third."""

    def __init__(self, config: AdaATConfig) -> None:
        super().__init__()
        outer, inner = config.feature_channels, config.alignment_channels
        widths = [outer] + [inner] * (config.alignment_blocks + 1) + [outer]
        self.stacks = nn.ModuleList(nn.Sequential(*(ResBlock(a, b) for a, b in pairwise(widths))) for _ in range(3))
        self.kind = config.alignment
        if self.kind == "adaat":
            self.operators = nn.ModuleList(make_operator(config, outer) for _ in range(2))
        elif self.kind == "dense_flow":
            self.operators = nn.ModuleList(DenseFlow(outer, config.align_corners) for _ in range(2))
        self.adain = AdaptiveInstanceNorm(config.code_channels, outer) if config.adain else None

    def forward(self, feature: Tensor, code: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor | None]:
        """Return the aligned maps, the maps before and after the first alignment, and the last dense flow if any."""
        flow = None
        seen = []
        for number, stack in enumerate(self.stacks):
            feature = stack(feature)
            if number == 0:
                seen.append(feature)
            if number < 2 and self.kind == "adaat":
                feature = self.operators[number](feature, code)
            elif number < 2 and self.kind == "dense_flow":
                operator = cast(DenseFlow, self.operators[number])
                flow = operator.predict(feature)
                feature = operator.warp(feature, flow)
            if number == 0:
                seen.append(feature)
        if self.adain is not None:
            feature = self.adain(feature, code)
        return feature, (seen[0], seen[1]), flow


def make_operator(config: AdaATConfig, channels: int) -> AdaptiveAffine:
    """The operator as `config` wants it; with a pre-warped source it starts as the identity."""
    return AdaptiveAffine(
        config.code_channels,
        channels,
        align_corners=config.align_corners,
        blend_channels=config.blend_channels,
        start_at_identity=config.prewarp,
    )


class AlignedSkip(nn.Module):
    """Merge encoder features, moved by their own operator, into the decoder."""

    def __init__(self, config: AdaATConfig, channels: int) -> None:
        super().__init__()
        self.operator = make_operator(config, channels) if config.alignment == "adaat" else None
        self.merge = SameBlock(2 * channels, channels)

    def forward(self, feature: Tensor, skipped: Tensor, code: Tensor) -> Tensor:
        """Both maps and the result are (B, C, H, W)."""
        if self.operator is not None:
            skipped = self.operator(skipped, code)
        return self.merge(torch.cat([feature, skipped], 1))


__all__ = ["AlignedSkip", "AlignmentModule", "DenseFlow", "TransformationEncoder"]
