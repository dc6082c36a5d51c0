"""Similarity of two pictures as training reports it while it runs."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from .similarity import SsimSettings, mean_difference, perceptual_distance, ssim


# As scikit-image defines it.
TRAINING_SSIM = SsimSettings(borders="inside")


@dataclass(frozen=True)
class Similarity:
    """How alike two pictures are.

    Args:
        ssim (`float`): Structural similarity with an 11x11 Gaussian window of sigma 1.5 (Wang et al., 2004); 1 is equal.
        lpips (`float`): Perceptual distance with AlexNet, version 0.1; 0 is equal.
        l1 (`float`): Mean absolute difference of values in [0, 1].
    """

    ssim: float
    lpips: float
    l1: float


def compare(found: Tensor, target: Tensor, lpips: nn.Module) -> Similarity:
    """Compare pictures (3, H, W) in [0, 1] after rounding both to 8 bits, as files hold them.

    Args:
        found, target (`Tensor` of shape (3, H, W)): RGB pictures.
        lpips (`nn.Module`): From [`adaat_hf.evaluation.backbones.lpips_metric`].
    """
    first, second = (_rounded(picture) for picture in (found, target))
    return Similarity(
        ssim(first, second, TRAINING_SSIM),
        perceptual_distance(lpips, first, second),
        mean_difference(first, second),
    )


def _rounded(picture: Tensor) -> np.ndarray:
    values = (picture.detach().cpu().float().clamp(0, 1) * 255).round().byte()
    return values.permute(1, 2, 0).numpy()
