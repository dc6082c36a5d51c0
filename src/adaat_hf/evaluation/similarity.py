"""How alike two pictures are, in the ways that papers define it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn


# The constants of Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004).
K1, K2 = 0.01, 0.03
# Two equal pictures have no noise at all; the reported ratio stops here.
HIGHEST_PSNR = 100.0


@dataclass(frozen=True)
class SsimSettings:
    """One of the definitions of structural similarity (Wang et al., 2004).

    Args:
        window (`int`): Side of the window in pixels.
        sigma (`float`, *optional*): Standard deviation of a Gaussian window; a uniform window if `None`, with the unbiased
            covariance that scikit-image then takes.
        borders (`str`): `"zeros"` surrounds the picture by black and counts every pixel (the GitHub version of
            `pytorch_ssim`); `"inside"` counts where the whole window lies inside (scikit-image).
        data_range (`str`): `"full"` (0 to 1), or `"painted"`: from the least to the greatest value of the painted picture.
        white_to_square (`bool`): Whether a picture that is taller than wide first gets white columns on both sides that make it
            square: 40 on each side at 256x176.
    """

    window: int = 11
    sigma: float | None = 1.5
    borders: Literal["zeros", "inside"] = "zeros"
    data_range: Literal["full", "painted"] = "full"
    white_to_square: bool = False

    def describe(self) -> str:
        """One line for reports."""
        shape = "uniform" if self.sigma is None else f"Gaussian, sigma {self.sigma:g},"
        borders = "zeros around the picture" if self.borders == "zeros" else "only where the window lies inside"
        values = "values 0 to 1" if self.data_range == "full" else "value range of the painted picture"
        white = "; white columns make tall pictures square" if self.white_to_square else ""
        return f"{self.window}x{self.window} {shape} {borders}, {values}, mean of RGB{white}"


def ssim(painted: np.ndarray, target: np.ndarray, settings: SsimSettings | None = None) -> float:
    """Structural similarity; 1 is equal.

    Args:
        painted, target (`np.ndarray` of shape (H, W, 3)): uint8.
        settings ([`SsimSettings`], *optional*): The definition.

    Raises:
        ValueError: if the window does not fit into the pictures.
    """
    settings = settings or SsimSettings()
    if settings.white_to_square:
        painted, target = white_to_square(painted), white_to_square(target)
    if min(painted.shape[:2]) < settings.window:
        height, width = painted.shape[:2]
        raise ValueError(f"SSIM has a window of {settings.window} pixels, the pictures are only {width}x{height}.")
    first, second = painted.astype(np.float64) / 255, target.astype(np.float64) / 255
    span = 1.0 if settings.data_range == "full" else max(float(np.ptp(first)), 1 / 255)
    if settings.borders == "zeros":
        return _ssim_with_zeros(first, second, settings.window, settings.sigma or 0.0, span)
    window = {"win_size": settings.window}
    if settings.sigma is not None:
        # scikit-image derives the window's side from sigma: 11 for 1.5.
        window = {"gaussian_weights": True, "sigma": settings.sigma, "use_sample_covariance": False}  # type: ignore[dict-item]
    return float(structural_similarity(first, second, channel_axis=2, data_range=span, **window))


def _ssim_with_zeros(first: np.ndarray, second: np.ndarray, window: int, sigma: float, span: float) -> float:
    def blur(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, sigma, mode="constant", radius=window // 2, axes=(0, 1))

    mean, other = blur(first), blur(second)
    variance, other_variance = blur(first**2) - mean**2, blur(second**2) - other**2
    covariance = blur(first * second) - mean * other
    low, high = (K1 * span) ** 2, (K2 * span) ** 2
    values = (2 * mean * other + low) * (2 * covariance + high)
    values /= (mean**2 + other**2 + low) * (variance + other_variance + high)
    return float(values.mean())


def white_to_square(picture: np.ndarray) -> np.ndarray:
    """Add white columns on both sides of a picture (H, W, 3) that is taller than wide."""
    missing = picture.shape[0] - picture.shape[1]
    if missing <= 0:
        return picture
    return np.pad(picture, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)), constant_values=255)


def psnr(painted: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of pictures (H, W, 3), uint8; at most 100."""
    if np.array_equal(painted, target):
        return HIGHEST_PSNR
    return min(HIGHEST_PSNR, float(peak_signal_noise_ratio(target, painted)))


def mean_difference(painted: np.ndarray, target: np.ndarray) -> float:
    """L1: mean absolute difference of pictures (H, W, 3), uint8, as a share of 255."""
    return float(np.abs(painted.astype(np.float64) - target).mean() / 255)


def relative_difference(painted: np.ndarray, target: np.ndarray) -> float:
    """The "MAE" of GFLA's evaluation: sum of absolute differences over the sum of both pictures' values."""
    first, second = painted.astype(np.float64), target.astype(np.float64)
    return float(np.abs(first - second).sum() / max((first + second).sum(), 1.0))


@torch.no_grad()
def perceptual_distance(lpips: nn.Module, painted: np.ndarray, target: np.ndarray) -> float:
    """LPIPS (Zhang et al., 2018) of pictures (H, W, 3), uint8, scaled to [-1, 1]; `lpips` is from [`lpips_metric`]."""
    device = next(lpips.parameters()).device
    both = torch.from_numpy(np.stack([painted, target])).permute(0, 3, 1, 2).float().to(device) / 127.5 - 1
    return float(lpips(both[:1], both[1:]).item())


__all__ = [
    "SsimSettings",
    "mean_difference",
    "perceptual_distance",
    "psnr",
    "relative_difference",
    "ssim",
    "white_to_square",
]
