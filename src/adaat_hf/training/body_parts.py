"""Labels that tell a body's pixels from what is around it, and its arms' pixels from the rest of it."""

import cv2
import numpy as np
import torch
from torch import Tensor

from ..models.limb_layers import front_parts
from ..models.limbs import LIMBS, limb_axes, limb_distance
from ..processing.image_processing_adaat import AdaATImageProcessor


# The first three are numbers of `PARTS`; of the last two, body or arm is meant, or nothing is said.
NOTHING, BODY, ARM, EITHER, UNKNOWN = range(5)
# Silhouettes within these shares, and what lies this far from arms' axes, in radii, are not unsure.
SURE = (0.25, 0.75)
ON_ARM, BESIDE_ARMS, BESIDE_REST = 0.9, 1.7, 1.4
# What is this near to an axis belongs to the body, whatever the silhouette says.
ON_AXIS = 0.5
# Labels are made at up to this height.
HEIGHT = 320


def label_parts(silhouette: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Label the pixels of a body whose silhouette is known, but not its arms: where they are the only limbs, or far away, is certain.

    Args:
        silhouette (`np.ndarray` of shape (H, W)): How far each pixel belongs to the body, in [0, 1].
        body (`np.ndarray` of shape (18, 3)): Its key points in pixels, and their visibility.

    Returns:
        `np.ndarray` of shape (H, W): `NOTHING`, `BODY`, `ARM`, `EITHER` of the two, or `UNKNOWN`; uint8.
    """
    height, width = silhouette.shape
    points = AdaATImageProcessor.normalize_keypoints(torch.from_numpy(body[None, :, :2]), height, width)
    aspect, limbs = (width - 1) / (height - 1), LIMBS[body.shape[0]]
    axes = limb_axes(points, torch.from_numpy(body[None, :, 2]), aspect, limbs)
    rows = min(height, HEIGHT)
    columns = max(2, round(width * rows / height))
    distance = limb_distance(axes, limbs, rows, columns, aspect, 1.0, feet=True)[0].unflatten(1, (rows, columns))
    front = front_parts(limbs)
    rest = [number for number in range(len(limbs)) if number not in front]
    arm, other = (
        cv2.resize(distance[numbers].amin(0).clamp_max(100).numpy(), (width, height)) for numbers in (front, rest)
    )
    inside = np.select([(arm < ON_ARM) & (other > BESIDE_REST), arm > BESIDE_ARMS], [ARM, BODY], EITHER)
    within = (silhouette > SURE[1]) | (np.minimum(arm, other) < ON_AXIS)
    labels = np.select([within, silhouette < SURE[0]], [inside, NOTHING], UNKNOWN)
    return labels.astype(np.uint8)


def encode_parts(labels: np.ndarray) -> bytes:
    """Labels (H, W), uint8, as PNG."""
    return cv2.imencode(".png", labels)[1].tobytes()


def decode_parts(png: bytes) -> np.ndarray:
    """What [`encode_parts`] made."""
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE))


def parts_loss(found: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of logits (B, 3, s, s) against labels (B, s, s), where they say something."""
    every = found.float().log_softmax(1)
    either = torch.logsumexp(every[:, [BODY, ARM]], 1, keepdim=True)
    chosen = torch.cat([every, either], 1).gather(1, labels.clamp_max(EITHER)[:, None])[:, 0]
    known = labels != UNKNOWN
    return -(chosen * known).sum() / known.sum().clamp_min(1)


__all__ = ["ARM", "BODY", "EITHER", "NOTHING", "UNKNOWN", "decode_parts", "encode_parts", "label_parts", "parts_loss"]
