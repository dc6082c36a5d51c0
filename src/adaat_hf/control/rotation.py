"""Rotation vectors (axis times angle) and matrices, batched and differentiable."""

import torch
from torch import Tensor


# Keeps the gradient of a vanishing angle finite.
SMALLEST_ANGLE = 1e-6


def _skew(vector: Tensor) -> Tensor:
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)


def rotation_matrix(vector: Tensor) -> Tensor:
    """Rotation vectors (..., 3) to matrices (..., 3, 3) (Rodrigues' formula)."""
    angle = (vector.square().sum(-1) + SMALLEST_ANGLE**2).sqrt()[..., None, None]
    skew = _skew(vector)
    sine, cosine = torch.sinc(angle / torch.pi), torch.sinc(angle / (2 * torch.pi)).square() / 2
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + sine * skew + cosine * (skew @ skew)


def rotation_vector(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) to vectors (..., 3) with angles in [0, pi)."""
    skew = torch.stack(
        [
            matrix[..., 2, 1] - matrix[..., 1, 2],
            matrix[..., 0, 2] - matrix[..., 2, 0],
            matrix[..., 1, 0] - matrix[..., 0, 1],
        ],
        -1,
    )
    sine = skew.norm(dim=-1, keepdim=True) / 2
    cosine = (matrix.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True) - 1) / 2
    angle = torch.atan2(sine, cosine)
    factor = torch.where(sine > 1e-6, angle / (2 * sine).clamp_min(1e-12), 0.5)
    return skew * factor


def nearest_rotation(matrix: Tensor) -> Tensor:
    """Closest rotation to each matrix (..., 3, 3) (orthogonal Procrustes)."""
    u, _, vt = torch.linalg.svd(matrix)
    sign = torch.ones_like(matrix[..., 0])
    sign[..., 2] = torch.linalg.det(u @ vt)
    return u @ (sign[..., None] * vt)
