"""The operator as fused Triton kernels: coordinates are made where they are used and never reach memory.

Import this module only where Triton is installed; [`adaptive_affine`] calls it for features on a CUDA device.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .operator_gradient import differentiable


@triton.jit
def _block(  # type: ignore[no-untyped-def]
    matrix, channels, height, width, channel_stride, ALIGN: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr
):  # fmt: skip
    """The pixels and channels of a program: which they are, which exist, where their maps begin, and where they are read, in
    pixels (P, C) and, of the pixels themselves, in normalised units."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    image = tl.program_id(2).to(tl.int64)
    known = channel < channels
    valid = (pixel < height * width)[:, None] & known[None, :]
    start = image * channels * height * width + channel[None, :] * channel_stride
    columns, rows = width.to(tl.float32), height.to(tl.float32)
    x = (2.0 * (pixel % width).to(tl.float32) / tl.maximum(columns - 1, 1) - 1.0)[:, None]
    y = (2.0 * (pixel // width).to(tl.float32) / tl.maximum(rows - 1, 1) - 1.0)[:, None]
    entry = matrix + (image * channels + channel) * 4
    cosine = tl.load(entry, mask=known, other=0.0)[None, :]
    sine = tl.load(entry + 1, mask=known, other=0.0)[None, :]
    across = cosine * x - sine * y + tl.load(entry + 2, mask=known, other=0.0)[None, :]
    down = sine * x + cosine * y + tl.load(entry + 3, mask=known, other=0.0)[None, :]
    if ALIGN:
        across, down = (across + 1) * (0.5 * (columns - 1)), (down + 1) * (0.5 * (rows - 1))
    else:
        across, down = ((across + 1) * columns - 1) * 0.5, ((down + 1) * rows - 1) * 0.5
    return pixel, channel, image, known, valid, start, across, down, x, y


@triton.jit
def _tap(column, row, width, height, pixel_stride, valid):  # type: ignore[no-untyped-def]
    """Offset of a pixel and whether it lies inside the map; positions are compared as numbers, so that NaN is outside."""
    inside = valid & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    offset = tl.where(inside, row, 0.0).to(tl.int32) * width + tl.where(inside, column, 0.0).to(tl.int32)
    return offset * pixel_stride, inside


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    feature, matrix, output, channels, height, width, channel_stride, pixel_stride,
    ALIGN: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    pixel, _, _, _, valid, start, across, down, _, _ = _block(
        matrix, channels, height, width, channel_stride, ALIGN, BLOCK_P, BLOCK_C
    )
    left, top = tl.floor(across), tl.floor(down)
    right, low = across - left, down - top
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for corner in tl.static_range(4):
        step_x, step_y = corner % 2, corner // 2
        offset, inside = _tap(left + step_x, top + step_y, width, height, pixel_stride, valid)
        share = (right if step_x else 1 - right) * (low if step_y else 1 - low)
        total += share * tl.load(feature + start + offset, mask=inside, other=0.0).to(tl.float32)
    tl.store(output + start + pixel[:, None] * pixel_stride, total.to(output.dtype.element_ty), mask=valid)


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    feature, matrix, gradient, feature_gradient, matrix_gradient, channels, height, width, channel_stride, pixel_stride,
    ALIGN: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    pixel, channel, image, known, valid, start, across, down, x, y = _block(
        matrix, channels, height, width, channel_stride, ALIGN, BLOCK_P, BLOCK_C
    )
    left, top = tl.floor(across), tl.floor(down)
    right, low = across - left, down - top
    arriving = tl.load(gradient + start + pixel[:, None] * pixel_stride, mask=valid, other=0.0).to(tl.float32)
    along_x = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    along_y = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for corner in tl.static_range(4):
        step_x, step_y = corner % 2, corner // 2
        offset, inside = _tap(left + step_x, top + step_y, width, height, pixel_stride, valid)
        share_x, share_y = (right if step_x else 1 - right), (low if step_y else 1 - low)
        tl.atomic_add(feature_gradient + start + offset, arriving * share_x * share_y, mask=inside, sem="relaxed")
        value = arriving * tl.load(feature + start + offset, mask=inside, other=0.0).to(tl.float32)
        along_x += (value if step_x else -value) * share_y
        along_y += (value if step_y else -value) * share_x
    along_x *= 0.5 * (width - 1 if ALIGN else width)
    along_y *= 0.5 * (height - 1 if ALIGN else height)
    # One row of partial sums per block of pixels, added up outside: the same result in every run.
    row = matrix_gradient + ((image * tl.num_programs(0) + tl.program_id(0)) * channels + channel) * 4
    tl.store(row, tl.sum(along_x * x + along_y * y, 0), mask=known)
    tl.store(row + 1, tl.sum(along_y * x - along_x * y, 0), mask=known)
    tl.store(row + 2, tl.sum(along_x, 0), mask=known)
    tl.store(row + 3, tl.sum(along_y, 0), mask=known)


# Tall blocks suit maps whose pixels lie side by side in memory, wide ones maps whose channels do.
CONFIGURATIONS = [
    triton.Config({"BLOCK_P": pixels, "BLOCK_C": channels}, num_warps=warps)
    for pixels, channels, warps in (
        (256, 1, 2), (512, 1, 4), (1024, 1, 4), (2048, 1, 8), (256, 2, 4), (16, 32, 4), (32, 32, 4), (32, 64, 8), (8, 128, 4),
    )
]  # fmt: skip
_KEY = ["channels", "height", "width", "channel_stride", "pixel_stride"]
_tuned_forward = triton.autotune(CONFIGURATIONS, key=_KEY, cache_results=True)(_forward)
# Trials that pick a configuration would add their gradients up. The partial sums have as many rows as blocks, so the block
# of pixels is fixed here.
BACKWARD_PIXELS = 256
_tuned_backward = triton.autotune(
    [
        triton.Config({"BLOCK_C": channels}, num_warps=warps)
        for channels, warps in ((1, 2), (1, 4), (2, 4), (8, 8), (16, 8))
    ],
    key=_KEY,
    reset_to_zero=["feature_gradient"],
    cache_results=True,
)(_backward)


def launch_forward(kernel: Any, feature: Tensor, matrix: Tensor, align_corners: bool, **blocks: int) -> Tensor:
    """Warp `feature` (B, C, H, W) by `matrix` (B, C, 4); `blocks` are the kernel's block sizes where it is not tuned."""
    feature, strides = _dense(feature)
    output = torch.empty_like(feature)
    batch, channels, height, width = feature.shape

    def grid(meta: dict[str, int]) -> tuple[int, int, int]:
        return triton.cdiv(height * width, meta["BLOCK_P"]), triton.cdiv(channels, meta["BLOCK_C"]), batch

    kernel[grid](feature, matrix, output, channels, height, width, *strides, ALIGN=align_corners, **blocks)
    return output


def launch_backward(
    kernel: Any, feature: Tensor, matrix: Tensor, gradient: Tensor, align_corners: bool, **blocks: int
) -> tuple[Tensor, Tensor]:
    """Gradients of the feature maps (B, C, H, W) and of the matrix (B, C, 4) for the gradient of the result."""
    feature, strides = _dense(feature)
    layout = torch.channels_last if strides[0] == 1 else torch.contiguous_format
    gradient = gradient.contiguous(memory_format=layout)
    feature_gradient = torch.zeros_like(feature, dtype=torch.float32)
    batch, channels, height, width = feature.shape
    rows = triton.cdiv(height * width, BACKWARD_PIXELS)
    partial = matrix.new_empty(batch, rows, channels, 4)

    def grid(meta: dict[str, int]) -> tuple[int, int, int]:
        return rows, triton.cdiv(channels, meta["BLOCK_C"]), batch

    kernel[grid](
        feature, matrix, gradient, feature_gradient, partial, channels, height, width, *strides,
        ALIGN=align_corners, BLOCK_P=BACKWARD_PIXELS, **blocks,
    )  # fmt: skip
    return feature_gradient.to(feature.dtype), partial.sum(1)


def _dense(feature: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Maps without gaps, and the strides between channels and between pixels."""
    _, channels, height, width = feature.shape
    if feature.is_contiguous(memory_format=torch.channels_last) and not feature.is_contiguous():
        return feature, (1, channels)
    return feature.contiguous(), (height * width, 1)


@torch.library.custom_op("adaat_hf::warp_channels", mutates_args=(), device_types="cuda")
def warp_channels(feature: Tensor, matrix: Tensor, align_corners: bool) -> Tensor:
    """Warp each channel of `feature` (B, C, H, W) by its row (s cos r, s sin r, tx, ty) of `matrix` (B, C, 4), float32."""
    return launch_forward(_tuned_forward, feature, matrix.contiguous(), align_corners)


@warp_channels.register_fake
def _(feature: Tensor, matrix: Tensor, align_corners: bool) -> Tensor:
    return torch.empty_like(_dense(feature)[0])


@torch.library.custom_op("adaat_hf::warp_channels_backward", mutates_args=(), device_types="cuda")
def warp_channels_backward(
    feature: Tensor, matrix: Tensor, gradient: Tensor, align_corners: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of [`warp_channels`] with respect to its first two arguments."""
    return launch_backward(_tuned_backward, feature, matrix.contiguous(), gradient, align_corners)


@warp_channels_backward.register_fake
def _(feature: Tensor, matrix: Tensor, gradient: Tensor, align_corners: bool) -> tuple[Tensor, Tensor]:
    return torch.empty_like(_dense(feature)[0]), torch.empty_like(matrix)


differentiable(warp_channels, warp_channels_backward)


__all__ = ["warp_channels"]
