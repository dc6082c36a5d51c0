"""The paper's losses (equation 3) and the modern preset's additions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..evaluation.backbones import VGGFeatures
from ..models.keypoint_maps import gaussian_heatmaps
from ..models.mouth_interior import mouth_coordinates
from ..processing.keypoints import EYES, MOUTH


def generator_adversarial_loss(scores: Tensor) -> Tensor:
    """LSGAN (Mao et al., 2017): painted pictures should score 1."""
    return ((scores.float() - 1) ** 2).mean()


def discriminator_adversarial_loss(real: Tensor, painted: Tensor) -> Tensor:
    """LSGAN: real pictures should score 1 and painted ones 0."""
    return (((real.float() - 1) ** 2).mean() + (painted.float() ** 2).mean()) / 2


class PerceptualLoss(nn.Module):
    """L1 distance of VGG activations, averaged over five layers, summed over picture scales (Johnson et al., 2016).

    Args:
        backbone (`str`): See [`VGGFeatures`].
        scales (`list[float]`): Picture scales; the paper uses full and half size.
    """

    def __init__(self, backbone: str, scales: list[float]) -> None:
        super().__init__()
        self.features = VGGFeatures(backbone)
        self.scales = scales

    def forward(
        self, painted: Tensor, target: Tensor, weight: Tensor | None = None, scales: list[float] | None = None
    ) -> Tensor:
        """Distance of pictures (B, 3, H, W) in [0, 1]; `weight` (B, 1, H, W) stresses regions."""
        total = painted.new_zeros(())
        for scale in scales or self.scales:
            pictures, goals = (picture if scale == 1 else _shrink(picture, scale) for picture in (painted, target))
            with torch.no_grad():
                wanted = self.features(goals)
            for found, goal in zip(self.features(pictures), wanted, strict=True):
                total = total + weighted_l1(found, goal, weight) / len(wanted)
        return total


def _shrink(picture: Tensor, scale: float) -> Tensor:
    return F.interpolate(picture, scale_factor=scale, mode="bilinear", antialias=True)


def weighted_l1(found: Tensor, goal: Tensor, weight: Tensor | None) -> Tensor:
    """Mean absolute difference of maps (B, C, h, w), stressed by `weight` (B, 1, H, W) brought to their size."""
    difference = (found.float() - goal.float()).abs()
    if weight is not None:
        height, width = difference.shape[2:]
        difference = difference * F.adaptive_avg_pool2d(weight, (height, width))
    return difference.mean()


def inner_face(pictures: Tensor, keypoints: Tensor) -> Tensor:
    """Cut out eyes to mouth: squares of half the side around the middle of these key points.

    Args:
        pictures (`Tensor` of shape (B, C, H, W)): Pictures or maps.
        keypoints (`Tensor` of shape (B, K, 2)): Key points in [-1, 1], in the 68-point order.

    Returns:
        `Tensor` of shape (B, C, H // 2, W // 2).
    """
    height, width = pictures.shape[2:]
    points = torch.cat([keypoints[:, EYES], keypoints[:, MOUTH]], 1).float()
    middle = (points.amin(1) + points.amax(1)) / 2
    cut = []
    for picture, (x, y) in zip(pictures, middle.tolist(), strict=True):
        left = min(max(round((x + 1) / 2 * width - width / 4), 0), width - width // 2)
        top = min(max(round((y + 1) / 2 * height - height / 4), 0), height - height // 2)
        cut.append(picture[:, top : top + height // 2, left : left + width // 2])
    return torch.stack(cut)


def feature_weights(keypoints: Tensor, height: int, width: int, extra: float) -> Tensor | None:
    """Weight map (B, 1, H, W) with mean near 1 that stresses eyes and mouth, where faces are judged.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): Key points of the target in [-1, 1], in the 68-point order.
        height, width (`int`): Size of the map.
        extra (`float`): Additional weight in the middle of these regions; 0 gives `None`.
    """
    if not extra:
        return None
    points = torch.cat([keypoints[:, EYES], keypoints[:, MOUTH]], 1).float()
    # A spread of 0.1 (13 px at 256 px) joins the points of an eye or of the mouth to one region.
    region = gaussian_heatmaps(points, height, width, 0.005).amax(1, keepdim=True)
    return stressed(region, extra)


def stressed(region: Tensor, extra: float) -> Tensor:
    """Weight map with mean 1 from a region (B, 1, H, W) in [0, 1] that weighs `1 + extra`."""
    weight = 1 + extra * region
    return weight / weight.mean((1, 2, 3), keepdim=True)


def mouth_difference(painted: Tensor, target: Tensor, keypoints: Tensor) -> Tensor:
    """Mean absolute difference of pictures (B, 3, H, W) between the inner lips; a closed mouth counts as 0.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): Key points of the target in [-1, 1], in the 68-point order.
    """
    inside = mouth_coordinates(keypoints.float(), *painted.shape[2:])[2]
    difference = (painted.float() - target.float()).abs().mean(1)
    return ((difference * inside).sum((1, 2)) / inside.sum((1, 2)).clamp_min(1.0)).mean()
