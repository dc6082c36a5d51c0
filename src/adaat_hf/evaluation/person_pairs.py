"""Person image generation: paint a person in the pose of another picture of theirs and compare with that picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.limb_warp import move_limbs
from ..processing.body_keypoints import BodyDetector
from .generators import open_generator
from .metrics import Score, compare


Painter = Callable[[dict[str, Any]], Tensor]
CONDITIONS = ("source", "source_keypoints", "driving_keypoints", "source_visibility", "driving_visibility")


def copy_source(item: dict[str, Any]) -> Tensor:
    """The (first) source of an item of [`ImagePairDataset`] as it is."""
    source: Tensor = item["source"]
    return source if source.ndim == 3 else source[0]


def move_source(item: dict[str, Any]) -> Tensor:
    """The (first) source with its limbs moved ([`move_limbs`]), without a network."""
    source, here, there, seen_here, seen_there = (_first(item, name)[None] for name in CONDITIONS)
    return move_limbs(source, here, there, seen_here, seen_there).composed()[0]


def _first(item: dict[str, Any], name: str) -> Tensor:
    value: Tensor = item[name]
    return value[0] if item["source"].ndim == 4 and name.startswith("source") else value


def open_painter(folder: str | Path, device: torch.device) -> Painter:
    """A generator, or the one in a pipeline's folder, as a painter of items of [`ImagePairDataset`]."""
    model = open_generator(folder, device)

    @torch.no_grad()
    def paint(item: dict[str, Any]) -> Tensor:
        source, *conditions = (item[name][None].to(device) for name in CONDITIONS)
        picture: Tensor = model(source, *conditions).images[0]
        return picture.float().cpu()

    return paint


def score_pair(item: dict[str, Any], picture: Tensor, lpips: nn.Module, detector: BodyDetector | None = None) -> Score:
    """Compare a painted picture (3, H, W) in [0, 1] with the target of an item.

    Args:
        item (`dict`): Item of [`ImagePairDataset`].
        picture (`Tensor` of shape (3, H, W)): What was painted.
        lpips (`nn.Module`): The LPIPS metric.
        detector ([`BodyDetector`], *optional*): Finds the joints of the painted person; without it, their distance is NaN.
    """
    likeness = compare(picture, item["driving"], lpips)
    distance = joint_distance(item, picture, detector) if detector is not None else float("nan")
    return Score(likeness.ssim, likeness.lpips, likeness.l1, distance)


def joint_distance(item: dict[str, Any], picture: Tensor, detector: BodyDetector) -> float:
    """Mean distance in pixels of the joints of the largest person in a picture from the wanted ones; NaN without a person."""
    frame = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    bodies = detector.detect(frame[None])[0]
    if not bodies:
        return float("nan")
    points, seen = bodies[0].as_body18()
    extent = np.array([picture.shape[2] - 1, picture.shape[1] - 1])
    wanted = (item["driving_keypoints"].numpy() + 1) / 2 * extent
    both = (seen > 0) & (item["driving_visibility"].numpy() > 0)
    return float(np.linalg.norm(points - wanted, axis=-1)[both].mean()) if both.any() else float("nan")
