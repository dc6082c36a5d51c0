"""The AdaAT generator: one network paints the source picture in the driving pose (paper, figure 4)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .blocks import AdaptiveInstanceNorm, DownBlock, ResBlock, SameBlock, UpBlock
from .configuration_adaat import AdaATConfig
from .keypoint_maps import gaussian_heatmaps, thin_plate_flow
from .operator import AdaptiveAffine, start_constant


# The blend starts out preferring the painted picture, which with `prewarp` starts out as the warped source.
INITIAL_PAINTED_PREFERENCE = 2.0


@dataclass
class AdaATGeneratorOutput(ModelOutput):
    """
    Output of [`AdaATGenerator`].

    Args:
        images (`Tensor` of shape (B, 3, H, W)): The source in the driving pose, RGB in [0, 1].
        painted (`Tensor` of shape (B, 3, H, W), *optional*): With `blend_mask`, the network's own picture before blending.
        blend (`Tensor` of shape (B, 1, H, W), *optional*): With `blend_mask`, the share of the painted picture; the rest
            is the source.
        warped (`Tensor` of shape (B, 3, H, W), *optional*): With `prewarp`, the source warped by the key points.
        features (`tuple[Tensor, Tensor]`, *optional*): With `output_features`, the maps before and after the first
            alignment (paper, figure 6).
    """

    images: Tensor | None = None
    painted: Tensor | None = None
    blend: Tensor | None = None
    warped: Tensor | None = None
    features: tuple[Tensor, Tensor] | None = None


class AdaATPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the AdaAT networks."""

    base_model_prefix = "adaat"
    main_input_name = "pixel_values"
    input_modalities = "image"
    supports_gradient_checkpointing = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """PyTorch's own initialisation, but for layers that [`start_constant`] marked.

        transformers calls this only for modules with parameters of their own, so the marks lie on the layers.
        """
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
            module.reset_parameters()
            start = getattr(module, "start_value", None)
            if isinstance(start, float) and module.bias is not None:
                init.zeros_(module.weight)
                init.constant_(module.bias, start)


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


class BlendHead(nn.Module):
    """Per-pixel share of the painted picture against the source."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = start_constant(nn.Conv2d(channels, 1, 7, padding=3), INITIAL_PAINTED_PREFERENCE)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 1, H, W) in [0, 1]."""
        return self.conv(feature).float().sigmoid()


class AdaATGenerator(AdaATPreTrainedModel):
    """Paint a source picture in the pose of driving key points.

    Example:
    ```python
    >>> import torch
    >>> from adaat_hf import AdaATConfig, AdaATGenerator

    >>> model = AdaATGenerator(AdaATConfig.from_preset("compact")).eval()
    >>> source = torch.rand(1, 3, 64, 64)
    >>> keypoints = torch.rand(1, 96, 2) * 2 - 1
    >>> model(source, keypoints, keypoints).images.shape
    torch.Size([1, 3, 64, 64])
    ```"""

    config: AdaATConfig
    _no_split_modules = ["ResBlock", "AlignedSkip", "AlignmentModule"]

    def __init__(self, config: AdaATConfig) -> None:
        super().__init__(config)
        widths = list(config.encoder_channels)
        outer = config.feature_channels
        maps = 2 * config.num_keypoints
        pictures = 6 if config.prewarp else 3
        self.stem = SameBlock(pictures + (maps if config.heatmap_stride == 1 else 0), widths[0], 7)
        self.down = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(widths))
        if config.heatmap_stride > 1:
            entry = widths[config.heatmap_stride.bit_length() - 1]
            self.heatmap_merge = SameBlock(entry + maps, entry)
        deep = [widths[-1]] * (config.encoder_blocks + 1) + [outer, outer]
        self.encoder = nn.Sequential(*(ResBlock(a, b) for a, b in pairwise(deep)))
        self.transformation_encoder = TransformationEncoder(config)
        self.alignment = AlignmentModule(config)
        deep = [outer, outer] + [widths[-1]] * (config.decoder_blocks + 1)
        self.decoder = nn.Sequential(*(ResBlock(a, b) for a, b in pairwise(deep)))
        rising = widths[::-1]
        self.up = nn.ModuleList(UpBlock(a, b, config.upsample_mode) for a, b in pairwise(rising))
        strides = [2**level for level in reversed(range(len(widths) - 1))]
        self.skips = nn.ModuleDict(
            {
                str(stride): AlignedSkip(config, width)
                for stride, width in zip(strides, rising[1:], strict=True)
                if stride in config.skip_strides
            }
        )
        to_picture = nn.Conv2d(widths[0], 3, 7, padding=3)
        self.to_picture = start_constant(to_picture) if config.prewarp else to_picture
        if config.blend_mask:
            self.blend_head = BlendHead(widths[0])
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor,
        source_keypoints: Tensor,
        driving_keypoints: Tensor,
        source_visibility: Tensor | None = None,
        driving_visibility: Tensor | None = None,
        output_features: bool = False,
    ) -> AdaATGeneratorOutput:
        """Paint the source in the driving pose.

        Args:
            pixel_values (`Tensor` of shape (B, 3, H, W)): Source picture, RGB in [0, 1]; H and W are multiples of
                `config.size_divisor`.
            source_keypoints, driving_keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1], where -1 and 1 are the
                centres of the border pixels.
            source_visibility, driving_visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point, which
                then draws nothing.
            output_features (`bool`, *optional*, defaults to `False`): Also return the maps around the first alignment.

        Raises:
            ValueError: if the picture's size or the number of key points does not fit the configuration.
        """
        self._check_inputs(pixel_values, source_keypoints, driving_keypoints)
        source = pixel_values.flip(1) if self.config.channel_order == "bgr" else pixel_values
        warped = self._prewarp(source, source_keypoints, driving_keypoints, source_visibility, driving_visibility)
        maps = self._heatmaps(source, source_keypoints, driving_keypoints, source_visibility, driving_visibility)
        feature, levels = self._encode(source, warped, maps)
        code = self.transformation_encoder(feature)
        feature, seen, flow = self.alignment(feature, code)
        feature = self._decode(feature, levels, code, flow)
        painted = self._paint(feature, warped)
        images, blend = self._blend(painted, source, feature)
        if self.config.channel_order == "bgr":
            images, painted = images.flip(1), painted.flip(1)
        return AdaATGeneratorOutput(
            images=images,
            painted=painted if blend is not None else None,
            blend=blend,
            warped=warped,
            features=seen if output_features else None,
        )

    def _check_inputs(self, pixel_values: Tensor, source_keypoints: Tensor, driving_keypoints: Tensor) -> None:
        divisor = self.config.size_divisor
        if pixel_values.ndim != 4 or pixel_values.shape[1] != 3:
            raise ValueError(f"pixel_values has shape {tuple(pixel_values.shape)}, expected (B, 3, H, W).")
        height, width = pixel_values.shape[2:]
        if height % divisor or width % divisor:
            raise ValueError(f"The picture is {width}x{height}, expected multiples of {divisor} in width and height.")
        expected = (len(pixel_values), self.config.num_keypoints, 2)
        for name, points in (("source_keypoints", source_keypoints), ("driving_keypoints", driving_keypoints)):
            if points.shape != expected:
                raise ValueError(f"{name} has shape {tuple(points.shape)}, expected {expected}.")

    def _prewarp(
        self, source: Tensor, here: Tensor, there: Tensor, seen_here: Tensor | None, seen_there: Tensor | None
    ) -> Tensor | None:
        if not self.config.prewarp:
            return None
        seen = seen_here if seen_there is None else seen_there if seen_here is None else seen_here * seen_there
        flow = thin_plate_flow(
            here, there, *source.shape[2:], regularization=self.config.prewarp_regularization, visibility=seen
        )
        warped = F.grid_sample(source.float(), flow, padding_mode="border", align_corners=True)
        return warped.to(source.dtype)

    def _heatmaps(
        self, source: Tensor, here: Tensor, there: Tensor, seen_here: Tensor | None, seen_there: Tensor | None
    ) -> Tensor:
        stride = self.config.heatmap_stride
        height, width = source.shape[2] // stride, source.shape[3] // stride
        variance = self.config.heatmap_variance
        maps = [gaussian_heatmaps(here, height, width, variance, seen_here)]
        maps.append(gaussian_heatmaps(there, height, width, variance, seen_there))
        return torch.cat(maps, 1).to(source.dtype)

    def _encode(self, source: Tensor, warped: Tensor | None, maps: Tensor) -> tuple[Tensor, list[Tensor]]:
        inputs = [source] if warped is None else [source, warped]
        if self.config.heatmap_stride == 1:
            inputs.append(maps)
        feature = self.stem(torch.cat(inputs, 1))
        levels = [feature]
        for number, down in enumerate(self.down, 1):
            feature = down(feature)
            if self.config.heatmap_stride == 2**number:
                feature = self.heatmap_merge(torch.cat([feature, maps], 1))
            levels.append(feature)
        return self.encoder(feature), levels

    def _decode(self, feature: Tensor, levels: list[Tensor], code: Tensor, flow: Tensor | None) -> Tensor:
        feature = self.decoder(feature)
        for level, up in zip(range(len(self.up) - 1, -1, -1), self.up, strict=True):
            feature = up(feature)
            if str(2**level) in self.skips:
                skipped = levels[level]
                if flow is not None:
                    skipped = cast(DenseFlow, self.alignment.operators[1]).warp(skipped, flow)
                feature = self.skips[str(2**level)](feature, skipped, code)
        return feature

    def _paint(self, feature: Tensor, warped: Tensor | None) -> Tensor:
        """The network's picture; with a pre-warped source it is a correction of it, free of bounds while training."""
        values = self.to_picture(feature)
        if warped is None:
            return torch.sigmoid(values)
        return warped + values if self.training else (warped + values).clamp(0, 1)

    def _blend(self, painted: Tensor, source: Tensor, feature: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.config.blend_mask:
            return painted, None
        blend = self.blend_head(feature).to(painted.dtype)
        return blend * painted + (1 - blend) * source, blend


__all__ = ["AdaATGenerator", "AdaATGeneratorOutput", "AdaATPreTrainedModel"]
