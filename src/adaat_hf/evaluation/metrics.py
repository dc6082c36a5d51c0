"""Similarity of two pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn


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
    rounded = [(picture.detach().cpu().float().clamp(0, 1) * 255).round() for picture in (found, target)]
    first, second = (picture.permute(1, 2, 0).numpy().astype(np.uint8) for picture in rounded)
    ssim = structural_similarity(
        first, second, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    with torch.no_grad():
        device = next(lpips.parameters()).device
        distance = lpips(*(picture[None].to(device) / 127.5 - 1 for picture in rounded)).item()
    return Similarity(float(ssim), distance, float((rounded[0] - rounded[1]).abs().mean() / 255))


@dataclass(frozen=True)
class Score:
    """How well one picture was painted.

    Args:
        ssim, lpips, l1 (`float`): See [`Similarity`].
        keypoint_distance (`float`): Mean distance in pixels between the key points found in the painted picture and those
            of the driving one; NaN if none are found in the painted picture.
    """

    ssim: float
    lpips: float
    l1: float
    keypoint_distance: float


def mean_scores(scores: Sequence[Score]) -> dict[str, float]:
    """Mean of each score; a missing key-point distance is left out, its share is `lost`."""
    means = {}
    for item in fields(Score):
        values = np.array([getattr(score, item.name) for score in scores])
        means[item.name] = float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float("nan")
    return means | {"lost": float(np.mean([np.isnan(score.keypoint_distance) for score in scores]))}


def score_cells(means: Mapping[str, float]) -> str:
    """The cells of a Markdown table for [`mean_scores`]: SSIM, LPIPS, L1, key-point distance, lost."""
    found = "– | –"
    if not math.isnan(means["keypoint_distance"]):
        found = f"{means['keypoint_distance']:.2f} | {means['lost']:.1%}"
    return f"{means['ssim']:.4f} | {means['lpips']:.4f} | {means['l1']:.4f} | {found}"
