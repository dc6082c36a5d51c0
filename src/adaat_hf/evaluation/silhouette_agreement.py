"""How well bodies are told from what is around them, by colours, by a network, and by both, compared with a teacher."""

from collections.abc import Iterable

import numpy as np
import torch

from ..models.limbs import LIMBS, limb_axes
from ..models.silhouette import find_silhouettes
from ..processing.bodies_mediapipe import MediaPipeBodyDetector
from ..processing.body_keypoints import BODY18, BodyKeypoints
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.landmarks_torch import TorchBodyDetector


def compare_silhouettes(
    pictures: Iterable[np.ndarray], detector: TorchBodyDetector, teacher: MediaPipeBodyDetector, min_size: float = 80
) -> dict[str, float]:
    """Mean intersection over union with the teacher's silhouettes, around the teacher's key points.

    Args:
        pictures: Pictures (H, W, 3), uint8, one at a time; the largest body of each is compared.
        detector ([`TorchBodyDetector`]): Its landmarker tells parts.
        teacher ([`MediaPipeBodyDetector`]): Tells silhouettes.
        min_size (`float`, *optional*, defaults to 80): Smaller bodies are ignored, in pixels.

    Returns:
        `dict[str, float]`: `count`; `colours`: of GrabCut alone; `network`: where the body is likelier than not; `both`: of GrabCut
        that follows the network where this is sure, as pipelines use it.

    Raises:
        ValueError: if the detector's landmarker tells no parts, or no picture shows a body.
    """
    if not detector.model.config.parts:
        raise ValueError(
            "The landmarker's config.parts is False, expected True: it does not tell bodies from their surroundings."
        )
    overlaps = [
        _overlaps(picture, found[0], detector)
        for picture in pictures
        if (found := teacher.detect(picture[None])[0]) and found[0].size >= min_size
    ]
    if not overlaps:
        raise ValueError(f"None of the pictures shows a body of at least {min_size:g} px.")
    means = {name: float(np.mean([one[name] for one in overlaps])) for name in overlaps[0]}
    return {"count": len(overlaps), **means}


def _overlaps(picture: np.ndarray, body: BodyKeypoints, detector: TorchBodyDetector) -> dict[str, float]:
    assert body.silhouette is not None
    truth = body.silhouette > 0.5
    points, seen = body.as_body18()
    height, width = truth.shape
    normalised = AdaATImageProcessor.normalize_keypoints(torch.from_numpy(points)[None], height, width)
    limbs = LIMBS[BODY18.count]
    axes = limb_axes(normalised, torch.from_numpy(seen)[None], (width - 1) / (height - 1), limbs)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    likely = 1 - torch.from_numpy(detector.find_parts(picture, points, seen)[..., 0])[None, None] / 255
    found = {
        "colours": find_silhouettes(pixels, axes, limbs),
        "network": likely,
        "both": find_silhouettes(pixels, axes, limbs, likely),
    }
    return {name: _overlap(value[0, 0].numpy() > 0.5, truth) for name, value in found.items()}


def _overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / max((found | truth).sum(), 1))


__all__ = ["compare_silhouettes"]
