"""Where a photographed body really ends: its silhouette, found by colour around its limbs."""

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from torch import Tensor

from .limbs import Limb, LimbAxes, limb_distance


# Within this many radii of an axis all is body; within the second bound even where a network says that rather nothing is; beyond the
# third, and feet, nothing is; between them, colours decide.
CERTAIN, CERTAIN_IN_DOUBT, FARTHEST = 0.35, 0.2, 1.75
ITERATIONS = 2
# Where a network says less, or more than this, there is no body but on the axes, as thin arms are missed, or is one, whatever the colours.
UNLIKELY, LIKELY = 0.1, 0.9
# Between them, colours of the body are learnt where the network says more than this; on limbs' capsules it may be undecided.
PROBABLE, PROBABLE_ON_LIMBS = 0.5, 0.45
# Heights above this are reduced for the search.
LARGEST_HEIGHT = 512


@torch.no_grad()
def find_silhouettes(
    pictures: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...], likely: Tensor | None = None
) -> Tensor:
    """Tell bodies from what is behind them by GrabCut (Rother et al., 2004), which starts from the limbs' capsules.

    Args:
        pictures (`Tensor` of shape (B, 3, H, W)): RGB in [0, 1].
        axes ([`LimbAxes`]): Where their limbs are.
        limbs (`tuple[Limb, ...]`): The limbs.
        likely (`Tensor` of shape (B, 1, H, W), *optional*): How likely the body is at each pixel, in [0, 1], which says more than place
            and colour do where it is sure.

    Returns:
        `Tensor` of shape (B, 1, H, W): 1 on the bodies, 0 elsewhere.
    """
    height, width = pictures.shape[2:]
    aspect = (width - 1) / (height - 1)
    near = limb_distance(axes, limbs, height, width, aspect, 1.0).amin(1)
    far = limb_distance(axes, limbs, height, width, aspect, FARTHEST, feet=True).amin(1)
    known = torch.full_like(near, 0.5) if likely is None else likely.flatten(1).to(near)
    certain = torch.where(known < 0.5, CERTAIN_IN_DOUBT, CERTAIN)
    probable = (far < 1) & (known > torch.where(near < 1, PROBABLE_ON_LIMBS, PROBABLE))
    hints = np.full((len(pictures), height * width), cv2.GC_BGD, np.uint8)
    for hint, where in (
        (cv2.GC_PR_BGD, far < 1),
        (cv2.GC_PR_FGD, probable),
        (cv2.GC_BGD, known < UNLIKELY),
        (cv2.GC_FGD, (near < certain) | ((far < 1) & (known > LIKELY))),
    ):
        hints[where.cpu().numpy()] = hint
    colours = (pictures.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    with ThreadPoolExecutor(min(len(colours), os.cpu_count() or 1)) as pool:
        found = list(pool.map(_cut, colours, hints.reshape(-1, height, width)))
    return torch.from_numpy(np.stack(found)).to(pictures.device)[:, None]


def _cut(picture: np.ndarray, hints: np.ndarray) -> np.ndarray:
    """Body (H, W), float32, of a picture (H, W, 3) with what is known of it (H, W)."""
    if not {cv2.GC_FGD, cv2.GC_BGD} <= set(np.unique(hints).tolist()):
        # Nothing to learn the colours of one of the two from.
        return (hints % 2).astype(np.float32)
    size = hints.shape[::-1]
    zoom = min(1.0, LARGEST_HEIGHT / size[1])
    if zoom < 1:
        small = (round(size[0] * zoom), LARGEST_HEIGHT)
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        hints = cv2.resize(hints, small, interpolation=cv2.INTER_NEAREST)
    hints = hints.copy()
    behind, body = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    everywhere = (0, 0, 0, 0)
    cv2.grabCut(picture, hints, everywhere, behind, body, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = (hints % 2).astype(np.float32)
    return cv2.resize(found, size, interpolation=cv2.INTER_LINEAR) if zoom < 1 else found


__all__ = ["find_silhouettes"]
