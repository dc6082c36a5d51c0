"""What a trained network's operators do: the affine transformation of every channel, and the part of the face that it serves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from ..models.modeling_adaat import AdaATGenerator
from ..models.operator import AdaptiveAffine
from ..processing.keypoints import BROWS, EYES, JAW, MOUTH, NOSE


REGIONS = ("eyes and brows", "nose", "mouth", "rest of the face", "outside of the face")
# How far the hull of a part's landmarks is widened, as a share of the picture's side.
WIDENED = 0.03


@dataclass(frozen=True)
class Transformations:
    """The parameters of one operator over N pairs of pictures.

    Args:
        scale (`np.ndarray` of shape (N, C)): Of every channel; what is read from lies that much farther out.
        rotation (`np.ndarray` of shape (N, C)): Degrees.
        translation (`np.ndarray` of shape (N, C, 2)): x and y, in shares of the map's width and height.
        energy (`np.ndarray` of shape (C, R)): How strongly a channel's map varies in each of `REGIONS` before it is moved, in
            units of its mean over the picture.
    """

    scale: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    energy: np.ndarray

    @property
    def served(self) -> np.ndarray:
        """The region (C,) in which each channel varies most, as an index of `REGIONS`."""
        return self.energy.argmax(1)

    def summary(self) -> dict[str, float]:
        """How far channels differ from each other in one picture, and how far each follows the driving pose."""
        moved = np.linalg.norm(self.translation, axis=-1)
        return {
            "scale, mean": float(self.scale.mean()),
            "scale, deviation over channels": float(self.scale.std(1).mean()),
            "scale, deviation over pictures": float(self.scale.std(0).mean()),
            "rotation, deviation over channels (deg)": float(self.rotation.std(1).mean()),
            "rotation, deviation over pictures (deg)": float(self.rotation.std(0).mean()),
            "translation, mean length (%)": float(100 * moved.mean()),
            "translation, deviation over channels (%)": float(100 * self.translation.std(1).mean()),
            "translation, deviation over pictures (%)": float(100 * self.translation.std(0).mean()),
        }


@torch.no_grad()
def read_transformations(
    generator: AdaATGenerator, pairs: Iterable[tuple[Tensor, Tensor, Tensor]], number: int = 0
) -> Transformations:
    """Run a network and note what an operator of its alignment module does.

    Args:
        generator (`AdaATGenerator`): With operators (`config.alignment == "adaat"`).
        pairs (`Iterable[tuple[Tensor, Tensor, Tensor]]`): Source pictures (1, 3, H, W) in [0, 1], and source and driving key
            points (1, 96, 2) in [-1, 1].
        number (`int`, *optional*, defaults to 0): Which operator.

    Raises:
        ValueError: if the network has no operators, or there are no pairs.
    """
    if generator.config.alignment != "adaat":
        raise ValueError(f"The network's alignment is {generator.config.alignment!r}, only 'adaat' has operators.")
    operator = cast(AdaptiveAffine, cast(torch.nn.ModuleList, generator.alignment.operators)[number])
    seen: list[tuple[Tensor, Tensor]] = []
    hook = operator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    count, found, energies = generator.config.num_keypoints, [], []
    try:
        for source, here, there in pairs:
            inputs = (tensor.to(generator.device) for tensor in (source, here[:, :count], there[:, :count]))
            generator(*inputs)
            feature, code = seen.pop()
            found.append([values[0].float().cpu().numpy() for values in operator.parameters_of(code)])
            energies.append(
                _energy(feature[0].float().cpu().numpy(), region_masks(here[0].numpy(), *feature.shape[2:]))
            )
    finally:
        hook.remove()
    if not found:
        raise ValueError("There are no pictures to read transformations from.")
    scale, rotation, translation = (np.stack(values) for values in zip(*found, strict=True))
    # A translation of 1 in normalised units is half of the map.
    return Transformations(scale, np.degrees(rotation), translation / 2, np.nanmean(energies, axis=0))


def _energy(feature: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean squared deviation of maps (C, H, W) in regions (R, H, W), in units of that of the whole map; (C, R)."""
    deviation = (feature - feature.mean((1, 2), keepdims=True)) ** 2
    whole = np.maximum(deviation.mean((1, 2)), 1e-12)
    parts = [deviation[:, mask].mean(1) if mask.any() else np.full(len(feature), np.nan) for mask in masks]
    return np.stack(parts, 1) / whole[:, None]


def region_masks(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks (R, height, width), bool, of `REGIONS`, which do not overlap.

    Args:
        points (`np.ndarray` of shape (96, 2)): Landmarks in [-1, 1].
        height, width (`int`): Of the masks.
    """
    # Drawn larger first: features are too small for the outlines of eyes.
    side = 256
    pixels = (points + 1) / 2 * (side - 1)
    parts = [np.concatenate([pixels[EYES], pixels[BROWS]]), pixels[NOSE], pixels[MOUTH]]
    masks = [_hull(part, side, WIDENED) for part in parts]
    face = _hull(np.concatenate([pixels[JAW], pixels[BROWS], pixels[70:]]), side, 0.0)
    small = [cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA) > 0.5 for mask in (*masks, face)]
    taken = np.zeros((height, width), bool)
    result = []
    for mask in small:
        result.append(mask & ~taken)
        taken |= mask
    return np.stack([*result, ~taken])


def _hull(points: np.ndarray, side: int, widened: float) -> np.ndarray:
    mask = np.zeros((side, side), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), (1.0,))
    reach = 2 * round(widened * side) + 1
    return cv2.dilate(mask, np.ones((reach, reach), np.uint8))


__all__ = ["REGIONS", "Transformations", "read_transformations", "region_masks"]
