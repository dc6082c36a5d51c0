"""Configurations of the generator and the discriminator."""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .limbs import LIMBS


@strict
class AdaATConfig(PreTrainedConfig):
    r"""
    Configuration of [`AdaATGenerator`]. The defaults are the paper's face network (figure 4; supplement, figure 1).

    Args:
        num_keypoints (`int`, *optional*, defaults to 68): Key points K of the source and of the driving pose.
        encoder_channels (`tuple[int, ...]`, *optional*, defaults to `(64, 128, 256)`): Channels after the first
            convolution and after each halving of the resolution.
        encoder_blocks (`int`, *optional*, defaults to 2): Residual blocks before the channels grow to `feature_channels`.
        feature_channels (`int`, *optional*, defaults to 512): Channels of the feature maps that are aligned.
        code_channels (`int`, *optional*, defaults to 256): Length of the transformation code.
        code_blocks (`int`, *optional*, defaults to 5): Down blocks of the transformation encoder (the authors' person
            network has 4).
        alignment (`str`, *optional*, defaults to `"adaat"`): `"adaat"`, or the paper's ablations `"none"` and
            `"dense_flow"`.
        alignment_channels (`int`, *optional*, defaults to 256): Inner width of the alignment stacks.
        alignment_blocks (`int`, *optional*, defaults to 4): Residual blocks inside each alignment stack.
        adain (`bool`, *optional*, defaults to `True`): Adaptive instance normalisation after the third stack.
        decoder_blocks (`int`, *optional*, defaults to 2): Residual blocks after the channels shrink in the decoder.
        heatmap_variance (`float`, *optional*, defaults to 0.01): Variance of the key points' Gaussians, in [-1, 1]
            coordinates.
        heatmap_stride (`int`, *optional*, defaults to 1): Where heat maps enter: 1 with the picture, as in the paper,
            or at the encoder level with that stride (cheaper).
        upsample_mode (`str`, *optional*, defaults to `"bilinear"`): `"bilinear"` (supplement) or `"nearest"` (released
            code).
        align_corners (`bool`, *optional*, defaults to `True`): See [`adaptive_affine`].
        blend_channels (`bool`, *optional*, defaults to `False`): See [`blend_channel_neighbours`].
        channel_order (`str`, *optional*, defaults to `"rgb"`): Order inside the network; `"bgr"` for converted weights.
            Inputs and outputs are always RGB.
        prewarp (`bool`, *optional*, defaults to `False`): Warp the source by the key points; the network sees the result
            and paints a correction of it.
        prewarp_kind (`str`, *optional*, defaults to `"spline"`): `"spline"`, a thin-plate spline through the key points
            (faces), or `"limbs"`, which moves the parts of a body (18 key points; see [`move_limbs`]).
        prewarp_regularization (`float`, *optional*, defaults to 0.002): Smoothing of the spline.
        mouth_interior (`bool`, *optional*, defaults to `False`): Fill the mouth of the warped source, where its lips part,
            with a learned average (faces; see [`MouthInterior`]).
        skip_strides (`tuple[int, ...]`, *optional*, defaults to `()`): Encoder levels, by their stride, whose features
            reach the decoder, each through its own operator.
        blend_mask (`bool`, *optional*, defaults to `False`): Predict, per pixel, how much to take from the painted
            picture and how much from the source.
        multi_source (`bool`, *optional*, defaults to `False`): Accept several source pictures of a subject.

    Example:
    ```python
    >>> from adaat_hf import AdaATConfig, AdaATGenerator

    >>> config = AdaATConfig.from_preset("paper-face")
    >>> model = AdaATGenerator(AdaATConfig.from_preset("compact"))
    ```"""

    model_type = "adaat"

    num_keypoints: int = 68
    encoder_channels: list[int] | tuple[int, ...] = (64, 128, 256)
    encoder_blocks: int = 2
    feature_channels: int = 512
    code_channels: int = 256
    code_blocks: int = 5
    alignment: Literal["adaat", "none", "dense_flow"] = "adaat"
    alignment_channels: int = 256
    alignment_blocks: int = 4
    adain: bool = True
    decoder_blocks: int = 2
    heatmap_variance: int | float = 0.01
    heatmap_stride: int = 1
    upsample_mode: Literal["bilinear", "nearest"] = "bilinear"
    align_corners: bool = True
    blend_channels: bool = False
    channel_order: Literal["rgb", "bgr"] = "rgb"
    prewarp: bool = False
    prewarp_kind: Literal["spline", "limbs"] = "spline"
    prewarp_regularization: int | float = 0.002
    mouth_interior: bool = False
    skip_strides: list[int] | tuple[int, ...] = ()
    blend_mask: bool = False
    multi_source: bool = False

    @property
    def picture_channels(self) -> int:
        """Channels of the pictures that the network sees: the source and its warped copy, or with limbs the moved parts,
        the background behind them, and two masks."""
        if not self.prewarp:
            return 3
        return 11 if self.prewarp_kind == "limbs" else 6

    @property
    def moves_limbs(self) -> bool:
        """Whether sources are bent limb by limb ([`move_limbs`])."""
        return self.prewarp and self.prewarp_kind == "limbs"

    @property
    def size_divisor(self) -> int:
        """Pictures must be multiples of this in height and width."""
        return 2 ** (len(self.encoder_channels) - 1)

    def validate_structure(self) -> None:
        """Check the fields against each other."""
        if len(self.encoder_channels) < 2 or min(self.encoder_channels) < 1:
            raise ValueError(
                f"encoder_channels is {tuple(self.encoder_channels)}, expected at least two positive numbers."
            )
        strides = [2**level for level in range(len(self.encoder_channels))]
        if self.heatmap_stride not in strides:
            raise ValueError(
                f"heatmap_stride is {self.heatmap_stride}, expected one of the encoder's strides {strides}."
            )
        if not set(self.skip_strides) <= set(strides[:-1]):
            raise ValueError(f"skip_strides is {tuple(self.skip_strides)}, expected some of {strides[:-1]}.")
        if self.num_keypoints < 1:
            raise ValueError(f"num_keypoints is {self.num_keypoints}, expected at least 1.")
        if self.prewarp_kind == "limbs" and self.num_keypoints not in LIMBS:
            raise ValueError(
                f"prewarp_kind is 'limbs' with {self.num_keypoints} key points, expected one of {sorted(LIMBS)}."
            )
        if self.mouth_interior and (not self.prewarp or self.prewarp_kind != "spline" or self.num_keypoints < 68):
            raise ValueError(
                "mouth_interior needs prewarp=True with prewarp_kind='spline' and at least 68 key points."
            )
        if self.heatmap_variance <= 0:
            raise ValueError(f"heatmap_variance is {self.heatmap_variance}, expected a positive number.")

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "AdaATConfig":
        """Make a configuration by name.

        Args:
            name (`str`): `"paper-face"`, `"paper-person"`, `"paper-half"` (half the paper's width), `"modern"`,
                `"compact"` (a network for laptops with the additions beyond the paper) or `"compact-person"`.
            overrides: Fields that differ from the preset.

        Raises:
            ValueError: if there is no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}, expected one of {sorted(PRESETS)}.")
        return cls(**{**PRESETS[name], **overrides})


_MODERN = {"prewarp": True, "blend_mask": True, "heatmap_stride": 4, "heatmap_variance": 0.003}
_COMPACT = {
    "encoder_channels": (16, 48, 96, 160),
    "encoder_blocks": 1,
    "feature_channels": 192,
    "code_channels": 192,
    "code_blocks": 3,
    "alignment_channels": 128,
    "alignment_blocks": 2,
    "decoder_blocks": 1,
    "skip_strides": (2, 4),
    **_MODERN,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper-face": {},
    "paper-person": {"num_keypoints": 18, "code_blocks": 4},
    "paper-half": {
        "encoder_channels": (32, 64, 128),
        "feature_channels": 256,
        "code_channels": 128,
        "alignment_channels": 128,
    },
    "modern": {"num_keypoints": 96, "skip_strides": (1, 2), **_MODERN},
    "compact": {"num_keypoints": 96, **_COMPACT},
    "compact-person": {"num_keypoints": 18, **_COMPACT, "prewarp_kind": "limbs", "multi_source": True},
}


@strict
class AdaATDiscriminatorConfig(PreTrainedConfig):
    r"""
    Configuration of [`AdaATDiscriminator`]. The defaults are the authors' face discriminator.

    Args:
        num_keypoints (`int`, *optional*, defaults to 68): Driving key points that condition the discriminator.
        channels (`tuple[int, ...]`, *optional*, defaults to `(128, 256, 256, 256)`): Channels of the four blocks.
        heatmap_variance (`float`, *optional*, defaults to 0.01): See [`AdaATConfig`].
        spectral_norm (`bool`, *optional*, defaults to `False`): Normalise the weights spectrally.
        channel_order (`str`, *optional*, defaults to `"rgb"`): Order inside the network; inputs are always RGB.
    """

    model_type = "adaat_discriminator"

    num_keypoints: int = 68
    channels: list[int] | tuple[int, ...] = (128, 256, 256, 256)
    heatmap_variance: int | float = 0.01
    spectral_norm: bool = False
    channel_order: Literal["rgb", "bgr"] = "rgb"

    @property
    def least_size(self) -> int:
        """Least width and height of a picture: convolutions of 4 without padding, each but the last followed by a halving."""
        size = 4
        for _ in self.channels[1:]:
            size = 2 * size + 3
        return size


__all__ = ["AdaATConfig", "AdaATDiscriminatorConfig"]
