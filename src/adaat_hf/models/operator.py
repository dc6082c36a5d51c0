"""The adaptive affine transformation (AdaAT): every feature channel gets its own affine warp (paper, section 3.1)."""

import importlib.util
import math
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .operator_native import native_library, warp_channels_cpu


# The authors' released networks were trained with this value.
RELEASED_PI = 3.14159


def adaptive_affine(
    feature: Tensor, scale: Tensor, rotation: Tensor, translation: Tensor, *, align_corners: bool = True
) -> Tensor:
    """Warp each channel of each feature map by its own scale, rotation and translation.

    The value at normalised position p of channel c is read at `A_c p`, with
    `A_c = [[s cos r, -s sin r, tx], [s sin r, s cos r, ty]]` (equations 1 and 2 of the paper), bilinearly, and is zero
    outside the map. Coordinates are computed in float32 whatever the type of `feature` (float64 for float64).

    Args:
        feature (`Tensor` of shape (B, C, H, W)): Feature maps.
        scale (`Tensor` of shape (B, C)): Scale s.
        rotation (`Tensor` of shape (B, C)): Angle r in radians.
        translation (`Tensor` of shape (B, C, 2)): (tx, ty) in normalised units: 1 is half the map's width or height.
        align_corners (`bool`, *optional*, defaults to `True`): Whether -1 and 1 are the centres of the border pixels,
            the paper's definition. `False` builds the coordinates in the same way but lets the sampler read them as
            pixel edges, which is what the authors' released networks do.

    Returns:
        `Tensor` of shape (B, C, H, W), of the type of `feature`.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    if feature.ndim != 4:
        raise ValueError(f"feature has shape {tuple(feature.shape)}, expected (B, C, H, W).")
    batch, channels, height, width = feature.shape
    for name, value, expected in (
        ("scale", scale, (batch, channels)),
        ("rotation", rotation, (batch, channels)),
        ("translation", translation, (batch, channels, 2)),
    ):
        if value.shape != expected:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {expected}.")
    exact = torch.float64 if feature.dtype == torch.float64 else torch.float32
    scale, rotation = scale.to(exact), rotation.to(exact)
    turned = torch.stack([scale * rotation.cos(), scale * rotation.sin()], -1)
    matrix = torch.cat([turned, translation.to(exact)], -1)
    return (_fused_kernel(feature) or _sampled)(feature, matrix, align_corners)


@torch.compiler.assume_constant_result
@cache
def _has_triton() -> bool:
    """Whether kernels for CUDA can be compiled."""
    return importlib.util.find_spec("triton") is not None


@torch.compiler.assume_constant_result
def _has_native_library() -> bool:
    return native_library() is not None


def operator_kernel(device: torch.device) -> str:
    """What computes the operator on a device, for people."""
    if device.type == "cuda" and _has_triton():
        return "Triton kernel"
    return "C kernel" if device.type == "cpu" and _has_native_library() else "PyTorch's grid_sample"


def _fused_kernel(feature: Tensor) -> Callable[[Tensor, Tensor, bool], Tensor] | None:
    """A kernel that never writes coordinates to memory, where there is one for that device and type."""
    if torch.compiler.is_exporting() or torch.jit.is_tracing() or feature.dtype == torch.float64:
        return None
    if feature.is_cuda and _has_triton():
        from .operator_triton import warp_channels

        return warp_channels
    if feature.device.type == "cpu" and _has_native_library():
        return _on_cpu
    return None


def _on_cpu(feature: Tensor, matrix: Tensor, align_corners: bool) -> Tensor:
    return warp_channels_cpu(feature.float(), matrix, align_corners).to(feature.dtype)


def _sampled(feature: Tensor, matrix: Tensor, align_corners: bool) -> Tensor:
    """With PyTorch's sampler, for every device, and for export."""
    batch, channels, height, width = feature.shape
    grid = _affine_coordinates(matrix, height, width)
    sampled = F.grid_sample(
        feature.to(grid.dtype).reshape(batch * channels, 1, height, width),
        grid.view(batch * channels, height, width, 2),
        align_corners=align_corners,
    )
    return sampled.view(batch, channels, height, width).to(feature.dtype)


def _affine_coordinates(matrix: Tensor, height: int, width: int) -> Tensor:
    """Coordinates (B, C, H, W, 2): the sum of a part that varies along x and a part that varies along y."""
    cosine, sine, shift = matrix[..., 0], matrix[..., 1], matrix[..., 2:]
    x, y = (torch.linspace(-1, 1, n, dtype=matrix.dtype, device=matrix.device) for n in (width, height))
    along_x = torch.stack([cosine, sine], -1)[:, :, None, None] * x[:, None]
    along_y = torch.stack([-sine, cosine], -1)[:, :, None, None] * y[:, None, None] + shift[:, :, None, None]
    return along_x + along_y


def blend_channel_neighbours(feature: Tensor) -> Tensor:
    """Mix each channel with its neighbours as the authors' released operator does.

    That operator samples a 3-D grid whose channel axis is built for `align_corners=True` and read with `False`: channel
    c is read at `c * C / (C - 1) - 1/2`, linearly, with zeros outside. Shape (B, C, H, W) in and out.
    """
    channels = feature.shape[1]
    position = torch.arange(channels, device=feature.device, dtype=torch.float32) * channels / (channels - 1) - 0.5
    lower = position.floor()
    weight = (position - lower).to(feature.dtype)[:, None, None]
    padded = F.pad(feature, (0, 0, 0, 0, 1, 1))
    index = lower.long() + 1
    return padded[:, index] * (1 - weight) + padded[:, index + 1] * weight


Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def start_constant(layer: Layer, value: float = 0.0) -> Layer:
    """Let a layer's output start as `value`, whatever its input: zero weights, constant bias."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)
    layer.start_value = float(value)  # type: ignore[assignment]  # a mark for `_init_weights`, no parameter
    return layer


class AdaptiveAffine(nn.Module):
    """Predict the affine parameters of every channel from a code vector and warp the feature maps (paper, figure 4).

    Args:
        code_channels (`int`): Length of the code vector.
        channels (`int`): Channels of the feature maps.
        align_corners (`bool`, *optional*, defaults to `True`): See [`adaptive_affine`].
        blend_channels (`bool`, *optional*, defaults to `False`): Mix neighbouring channels first, as the authors'
            released networks do; see [`blend_channel_neighbours`].
        start_at_identity (`bool`, *optional*, defaults to `False`): Initialise so that nothing moves at first.
    """

    def __init__(
        self,
        code_channels: int,
        channels: int,
        *,
        align_corners: bool = True,
        blend_channels: bool = False,
        start_at_identity: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners, self.blend_channels = align_corners, blend_channels
        self.max_rotation = RELEASED_PI if blend_channels else math.pi
        self.common = nn.Linear(code_channels, code_channels)
        self.scale = nn.Linear(code_channels, channels)
        self.rotation = nn.Linear(code_channels, channels)
        self.translation = nn.Linear(code_channels, 2 * channels)
        if start_at_identity:
            for head in (self.scale, self.rotation, self.translation):
                start_constant(head)

    def parameters_of(self, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scale (B, C) in (0, 2), rotation (B, C) in (-pi, pi), translation (B, C, 2) in (-1, 1) for a code (B, D)."""
        hidden = F.relu(self.common(code))
        scale = 2 * torch.sigmoid(self.scale(hidden).float())
        rotation = self.max_rotation * torch.tanh(self.rotation(hidden).float())
        translation = torch.tanh(self.translation(hidden).float())
        return scale, rotation, translation.unflatten(1, (-1, 2))

    def forward(self, feature: Tensor, code: Tensor) -> Tensor:
        """Warp `feature` (B, C, H, W) by the parameters predicted from `code` (B, D)."""
        scale, rotation, translation = self.parameters_of(code)
        if self.blend_channels:
            feature = blend_channel_neighbours(feature)
        return adaptive_affine(feature, scale, rotation, translation, align_corners=self.align_corners)


__all__ = ["AdaptiveAffine", "adaptive_affine", "blend_channel_neighbours", "start_constant"]
