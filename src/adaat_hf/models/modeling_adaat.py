"""The AdaAT generator: one network paints the source picture in the driving pose (paper, figure 4)."""

from collections.abc import Callable
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

from .alignment import AlignedSkip, AlignmentModule, DenseFlow, TransformationEncoder
from .blocks import DownBlock, ResBlock, SameBlock, UpBlock
from .brow_guards import with_brow_guards
from .configuration_adaat import AdaATConfig
from .keypoint_maps import gaussian_heatmaps, thin_plate_flow
from .limb_warp import PreparedSources, compose, move_limbs
from .limbs import pose_distance, widen
from .mouth_interior import MouthInterior, start_texture
from .operator import start_constant


# The blend starts out preferring the painted picture, which with `prewarp` starts out as the warped source. Moved limbs
# stand before the source's background anyway, so that there is less to gain from the source.
INITIAL_PAINTED_PREFERENCE = {"spline": 2.0, "limbs": 3.0}
# How decidedly a source is preferred whose pose is closer to the driving one, per unit of [`pose_distance`].
SIMILAR_POSE = 20.0
# How far around moved limbs reaches what the network adds to them, in heights of the picture.
ADDED_RIM = 0.008


@dataclass
class AdaATGeneratorOutput(ModelOutput):
    """
    Output of [`AdaATGenerator`].

    Args:
        images (`Tensor` of shape (B, 3, H, W)): The source in the driving pose, RGB in [0, 1].
        painted (`Tensor` of shape (B, 3, H, W), *optional*): With `blend_mask`, the network's own picture before blending.
        blend (`Tensor` of shape (B, 1, H, W), *optional*): With `blend_mask`, the share of the painted picture; the rest
            is the source.
        warped (`Tensor` of shape (B, 3, H, W), *optional*): With `prewarp`, the source warped by the key points (several
            sources: mixed as `source_shares` says).
        source_shares (`Tensor` of shape (B, S, H, W), *optional*): With several sources, how much each one counts.
        features (`tuple[Tensor, Tensor]`, *optional*): With `output_features`, the maps before and after the first
            alignment (paper, figure 6).
    """

    images: Tensor | None = None
    painted: Tensor | None = None
    blend: Tensor | None = None
    warped: Tensor | None = None
    source_shares: Tensor | None = None
    features: tuple[Tensor, Tensor] | None = None


class AdaATPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the AdaAT networks."""

    base_model_prefix = "adaat"
    main_input_name = "pixel_values"
    input_modalities = "image"
    supports_gradient_checkpointing = False
    # Loading, too, leaves them in 32 bits: see [`BatchNorm`].
    _keep_in_fp32_modules_strict = ["norm", "norm1", "norm2"]

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
        if isinstance(module, MouthInterior):
            init.copy_(module.texture, start_texture())


@dataclass(frozen=True)
class Pose:
    """Key points and visibility of all B * S source pictures and of the driving pose, repeated for each."""

    here: Tensor
    there: Tensor
    seen_here: Tensor | None
    seen_there: Tensor | None


@dataclass(frozen=True)
class Prewarp:
    """The pre-warped sources, what the network sees of them, and with limbs the layers they are composed of, and where the
    first source's body was and is no longer."""

    picture: Tensor | None = None
    inputs: tuple[Tensor, ...] = ()
    layers: tuple[Tensor, Tensor, Tensor] | None = None
    erased: Tensor | None = None


class MaskHead(nn.Module):
    """One logit per pixel, starting at a constant."""

    def __init__(self, channels: int, start: float = 0.0) -> None:
        super().__init__()
        self.conv = start_constant(nn.Conv2d(channels, 1, 7, padding=3), start)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 1, H, W)."""
        return self.conv(feature).float()


class SourceFusion(nn.Module):
    """Mix what several sources contribute, pixel by pixel, by a predicted confidence."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.confidence = start_constant(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, feature: Tensor, pose: Pose, sources: int) -> Tensor:
        """Features (B * S, C, H, W) to shares (B, S, 1, H, W) that add up to 1; sources in a similar pose count more."""
        distance = pose_distance(pose.here, pose.there, pose.seen_here, pose.seen_there)
        preference = SIMILAR_POSE * distance[:, None, None, None]
        return (self.confidence(feature).float() - preference).unflatten(0, (-1, sources)).softmax(1)

    @staticmethod
    def mix(maps: Tensor, shares: Tensor) -> Tensor:
        """Maps (B * S, C, H, W) to (B, C, H, W)."""
        return (maps.unflatten(0, shares.shape[:2]) * shares).sum(1).to(maps.dtype)


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
        self.stem = SameBlock(config.picture_channels + (maps if config.heatmap_stride == 1 else 0), widths[0], 7)
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
            self.blend_head = MaskHead(widths[0], INITIAL_PAINTED_PREFERENCE[config.prewarp_kind])
        if config.moves_limbs:
            self.outline_head = MaskHead(widths[0])
        if config.mouth_interior:
            self.mouth = MouthInterior()
        if config.multi_source:
            self.fusion = SourceFusion(widths[0])
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
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        """Paint the source in the driving pose.

        Args:
            pixel_values (`Tensor` of shape (B, 3, H, W) or (B, S, 3, H, W)): Source picture, RGB in [0, 1]; H and W are
                multiples of `config.size_divisor`. With `config.multi_source`, S pictures of the same subject; the
                background is the first one's.
            source_keypoints (`Tensor` of shape (B, K, 2) or (B, S, K, 2)): (x, y) in [-1, 1], where -1 and 1 are the
                centres of the border pixels.
            driving_keypoints (`Tensor` of shape (B, K, 2)): The same points in the wanted pose.
            source_visibility (`Tensor` of shape (B, K) or (B, S, K), *optional*): 0 for a missing point, which then draws
                nothing.
            driving_visibility (`Tensor` of shape (B, K), *optional*): The same for the driving points; moved limbs ([`move_limbs`])
                are told with values between 0 and 1 that they are behind the body.
            output_features (`bool`, *optional*, defaults to `False`): Also return the maps around the first alignment.
            prepared ([`PreparedSources`], *optional*): With `config.prewarp_kind == "limbs"`, what was made once of the sources,
                which are then the same in the whole batch (see [`prepare_sources`], [`prepare_layers`]); by default it is made for every
                pose.

        Raises:
            ValueError: if the picture's size, the number of pictures or of key points does not fit the configuration.
        """
        if pixel_values.ndim == 4:
            pixel_values, source_keypoints = pixel_values[:, None], source_keypoints[:, None]
            source_visibility = None if source_visibility is None else source_visibility[:, None]
        self.check_inputs(pixel_values, source_keypoints, driving_keypoints)
        count = pixel_values.shape[1]
        source = (pixel_values.flip(2) if self.config.channel_order == "bgr" else pixel_values).flatten(0, 1)
        pose = Pose(
            source_keypoints.flatten(0, 1),
            driving_keypoints.repeat_interleave(count, 0),
            None if source_visibility is None else source_visibility.flatten(0, 1),
            None if driving_visibility is None else driving_visibility.repeat_interleave(count, 0),
        )
        prewarp = self.prewarp(source, pose, count, prepared)
        maps = self._heatmaps(source, pose)
        entering = [*prewarp.inputs, maps] if self.config.heatmap_stride == 1 else prewarp.inputs
        return self.paint_encoded(
            self.stem(torch.cat(entering, 1)),
            lambda feature: self.heatmap_merge(torch.cat([feature, maps], 1)),
            source, pose, count, prewarp, output_features,
        )  # fmt: skip

    def paint_encoded(
        self,
        stem: Tensor,
        merge_heatmaps: Callable[[Tensor], Tensor],
        source: Tensor,
        pose: Pose,
        count: int,
        prewarp: Prewarp,
        output_features: bool = False,
    ) -> AdaATGeneratorOutput:
        """Everything that comes after the first convolution.

        Args:
            stem (`Tensor` of shape (B * S, C, H, W)): What the first convolution makes of pictures and heat maps.
            merge_heatmaps (`Callable`): With `config.heatmap_stride` above 1, adds the heat maps to the features of that stride.
            source (`Tensor` of shape (B * S, 3, H, W)), pose ([`Pose`]), count (`int`), prewarp ([`Prewarp`]): The S sources,
                the poses, S, and the moved sources.
            output_features (`bool`, *optional*, defaults to `False`): See `forward`.
        """
        feature, levels = self._encode(stem, merge_heatmaps)
        code = self.transformation_encoder(feature)
        feature, seen, flow = self.alignment(feature, code)
        feature = self._decode(feature, levels, code, flow)
        shares = self.fusion(feature, pose, count) if count > 1 else None
        if shares is not None:
            feature, prewarp = self._fuse(feature, prewarp, shares)
        painted = self._paint(feature, prewarp)
        images, blend = self._blend(painted, source[::count], feature, prewarp.erased)
        if self.config.channel_order == "bgr":
            images, painted = images.flip(1), painted.flip(1)
        return AdaATGeneratorOutput(
            images=images,
            painted=painted if blend is not None else None,
            blend=blend,
            warped=prewarp.picture,
            source_shares=None if shares is None else shares[:, :, 0],
            features=seen if output_features else None,
        )

    def check_inputs(self, pixel_values: Tensor, source_keypoints: Tensor, driving_keypoints: Tensor) -> None:
        """Raise `ValueError` unless pictures (B, S, 3, H, W), key points (B, S, K, 2) and (B, K, 2) fit the configuration."""
        divisor = self.config.size_divisor
        if pixel_values.ndim != 5 or pixel_values.shape[2] != 3:
            raise ValueError(
                f"pixel_values has shape {tuple(pixel_values.shape)}, expected (B, 3, H, W) or (B, S, 3, H, W)."
            )
        batch, count, _, height, width = pixel_values.shape
        if count > 1 and not self.config.multi_source:
            raise ValueError(f"There are {count} source pictures, but this network was made for one (multi_source).")
        if height % divisor or width % divisor:
            raise ValueError(f"The picture is {width}x{height}, expected multiples of {divisor} in width and height.")
        points = self.config.num_keypoints
        if source_keypoints.shape != (batch, count, points, 2):
            raise ValueError(
                f"source_keypoints has shape {tuple(source_keypoints.shape)}, expected {(batch, count, points, 2)}"
                " (B, S, K, 2), or without S for one picture."
            )
        if driving_keypoints.shape != (batch, points, 2):
            raise ValueError(
                f"driving_keypoints has shape {tuple(driving_keypoints.shape)}, expected {(batch, points, 2)}."
            )

    def prewarp(self, source: Tensor, pose: Pose, count: int, prepared: PreparedSources | None) -> Prewarp:
        """Move the pixels of sources (B * S, 3, H, W) to the driving pose; all stand before the first one's background."""
        if not self.config.prewarp:
            return self.prewarped(source, (), count)
        if self.config.moves_limbs:
            moved = move_limbs(source, pose.here, pose.there, pose.seen_here, pose.seen_there, prepared)
            behind = moved.background[::count].repeat_interleave(count, 0)
            return self.prewarped(source, (moved.parts, behind, moved.driving_coverage, moved.source_coverage), count)
        seen = pose.seen_here if pose.seen_there is None else pose.seen_there
        if pose.seen_here is not None and pose.seen_there is not None:
            seen = pose.seen_here * pose.seen_there
        here, there, known = pose.here, pose.there, seen
        if self.config.num_keypoints >= 68:
            here, there, known = with_brow_guards(here, there, seen)
        flow = thin_plate_flow(
            here, there, *source.shape[2:], regularization=self.config.prewarp_regularization, visibility=known
        )
        warped = F.grid_sample(source.float(), flow, padding_mode="border", align_corners=True)
        warped = warped.to(source.dtype)
        if self.config.mouth_interior:
            warped = self.mouth(warped, source, pose.here, pose.there, seen)
        return self.prewarped(source, (warped,), count)

    def prewarped(self, source: Tensor, moved: tuple[Tensor, ...], count: int) -> Prewarp:
        """What is known of pictures that were moved: none, the bent source, or with limbs parts, background, and both masks."""
        if not moved:
            return Prewarp(inputs=(source,))
        if self.config.prewarp_kind == "spline":
            return Prewarp(moved[0], (source, *moved))
        parts, behind, coverage, erased = moved
        return Prewarp(compose(*moved[:3]), (source, *moved), (parts, behind, coverage), erased[::count])

    def _fuse(self, feature: Tensor, prewarp: Prewarp, shares: Tensor) -> tuple[Tensor, Prewarp]:
        mix = self.fusion.mix
        picture = None if prewarp.picture is None else mix(prewarp.picture, shares)
        layers = None
        if prewarp.layers is not None:
            parts, background, coverage = (mix(layer, shares) for layer in prewarp.layers)
            layers = (parts, background, coverage)
        return mix(feature, shares), Prewarp(picture, (), layers, prewarp.erased)

    def _heatmaps(self, source: Tensor, pose: Pose) -> Tensor:
        stride = self.config.heatmap_stride
        height, width = source.shape[2] // stride, source.shape[3] // stride
        variance = self.config.heatmap_variance
        maps = [gaussian_heatmaps(pose.here, height, width, variance, pose.seen_here)]
        maps.append(gaussian_heatmaps(pose.there, height, width, variance, pose.seen_there))
        return torch.cat(maps, 1).to(source.dtype)

    def _encode(self, stem: Tensor, merge_heatmaps: Callable[[Tensor], Tensor]) -> tuple[Tensor, list[Tensor]]:
        feature = stem
        levels = [feature]
        for number, down in enumerate(self.down, 1):
            feature = down(feature)
            if self.config.heatmap_stride == 2**number:
                feature = merge_heatmaps(feature)
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

    def _paint(self, feature: Tensor, prewarp: Prewarp) -> Tensor:
        """The network's picture; with a pre-warped source it is a correction of it, free of bounds while training."""
        values = self.to_picture(feature)
        if prewarp.picture is None:
            return torch.sigmoid(values)
        warped = prewarp.picture
        if prewarp.layers is not None:
            warped = compose(*prewarp.layers, self.outline_head(feature))
            # What the network remembers of backgrounds would be a ghost before others, and what it remembers of clothes would stain
            # those of other colours: it adds light and shade, to the body alone.
            values = values.mean(1, keepdim=True) * widen(prewarp.layers[2], ADDED_RIM)
        return warped + values if self.training else (warped + values).clamp(0, 1)

    def _blend(
        self, painted: Tensor, source: Tensor, feature: Tensor, erased: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if not self.config.blend_mask:
            return painted, None
        blend = self.blend_head(feature).sigmoid()
        if erased is not None:
            # A limb that has moved must not shine through where it was.
            blend = 1 - (1 - blend) * (1 - erased)
        blend = blend.to(painted.dtype)
        return blend * painted + (1 - blend) * source, blend


__all__ = ["AdaATGenerator", "AdaATGeneratorOutput", "AdaATPreTrainedModel", "Pose", "Prewarp"]
