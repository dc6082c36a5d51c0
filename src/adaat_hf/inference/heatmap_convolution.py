"""Convolve Gaussian heat maps without drawing them."""

from torch import Tensor
from torch.nn import functional as F

from ..models.keypoint_maps import gaussian_profiles


def convolve_heatmaps(
    weight: Tensor, keypoints: Tensor, height: int, width: int, variance: float, visibility: Tensor | None = None
) -> Tensor:
    """What a convolution makes of the heat maps of key points, up to rounding.

    A Gaussian is the product of a profile along x and one along y, so that the sum over a kernel of n x n pixels is one along x,
    then a single matrix product for the sum over key points and kernel rows: n times fewer multiplications.

    Args:
        weight (`Tensor` of shape (O, K, n, n)): The kernel, n odd; zeros lie around the maps ("same" padding).
        keypoints (`Tensor` of shape (B, K, 2)), height, width, variance, visibility: See [`gaussian_heatmaps`].

    Returns:
        `Tensor` of shape (B, O, H, W): of the type of `weight`.
    """
    batch, count = keypoints.shape[:2]
    channels, _, size, _ = weight.shape
    along_y, along_x = (
        F.pad(profile, (size // 2, size // 2)).to(weight.dtype)
        for profile in gaussian_profiles(keypoints, height, width, variance, visibility)
    )
    kernel = weight.permute(1, 2, 0, 3).reshape(count, size * channels, size)
    across = kernel @ along_x.unfold(2, size, 1).transpose(2, 3)
    rows = along_y.unfold(2, size, 1).permute(0, 2, 1, 3).reshape(batch, height, count * size)
    summed = rows @ across.reshape(batch, count * size, channels * width)
    return summed.view(batch, height, channels, width).transpose(1, 2)


__all__ = ["convolve_heatmaps"]
