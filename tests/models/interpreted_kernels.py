"""Run by test_operator_triton.py with TRITON_INTERPRET=1: differences between the kernels and the torch version, as JSON."""

import json
import sys

import torch

from adaat_hf.models import operator_triton as kernels
from adaat_hf.models.operator import adaptive_affine


def compare(shape: list[int], align_corners: bool, channels_last: bool, dtype: str, blocks: int, moved: float) -> dict:
    torch.manual_seed(0)
    batch, channels, height, width = shape
    feature = torch.randn(shape).to(getattr(torch, dtype))
    if channels_last:
        feature = feature.to(memory_format=torch.channels_last)
    feature.requires_grad_()
    scale, rotation = 2 * torch.rand(batch, channels), 3 * torch.randn(batch, channels)
    translation = moved * (2 * torch.rand(batch, channels, 2) - 1)
    matrix = torch.stack(
        [scale * rotation.cos(), scale * rotation.sin(), *translation.unbind(-1)], -1
    ).requires_grad_()
    wanted = adaptive_affine(
        feature, matrix[..., :2].norm(dim=-1), torch.atan2(matrix[..., 1], matrix[..., 0]), matrix[..., 2:],
        align_corners=align_corners,
    )  # fmt: skip
    gradient = torch.randn(shape).to(feature.dtype)
    wanted.backward(gradient)
    with torch.no_grad():
        found = kernels.launch_forward(kernels._forward, feature, matrix, align_corners, BLOCK_P=16, BLOCK_C=blocks)
        of_feature, of_matrix = kernels.launch_backward(
            kernels._backward, feature, matrix, gradient, align_corners, BLOCK_C=blocks
        )
    return {
        "output": (found.float() - wanted.float()).abs().max().item(),
        "feature": (of_feature.float() - feature.grad.float()).abs().max().item(),
        "matrix": ((of_matrix - matrix.grad).abs() / (1 + matrix.grad.abs())).max().item(),
        "strides": found.stride() == feature.stride(),
        "dtype": str(found.dtype) == str(feature.dtype),
    }


if __name__ == "__main__":
    print(json.dumps([compare(**case) for case in json.loads(sys.argv[1])]))
