"""Crops of bodies whose pixels are labelled, to train the network that tells parts."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..models.parts_network import PARTS_STRIDE
from ..processing.landmarks_torch import to_cells
from .body_parts import NOTHING
from .body_scenes import BodyCropDataset, BodyScene
from .scenes import change_colours


# How far key points are off, in shares of the crop's half (the least and the most, at random between them), and how often one is missing.
POINT_ERRORS, POINT_MISSING = (0.003, 0.04), 0.04


class PartCropDataset(BodyCropDataset):
    """Endless crops of bodies with labels.

    Items: `pixel_values` (3, S, S) in [0, 1]; `points` (18, 2) in [-1, 1] and `visibility` (18,), as wrong as detectors are; `parts`
    (S / 2, S / 2): labels of the body's pixels (see [`label_parts`]).

    Args:
        scenes (`Sequence[BodyScene]`): Pictures; those without labels are not used.
        size (`int`), margin (`float`), seed (`int`): See [`BodyCropDataset`].

    Raises:
        ValueError: if no picture has labels.
    """

    rough_share = 0.0

    def __init__(self, scenes: Sequence[BodyScene], size: int, margin: float, seed: int = 0) -> None:
        labelled = [scene for scene in scenes if scene.parts]
        if not labelled:
            raise ValueError(
                f"None of the {len(scenes)} pictures has labels of parts, expected some to learn them from."
            )
        super().__init__(labelled, size, margin, seed)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, 3, number))
        scene, index = self._chosen(random)
        labelled = np.dstack([scene.varied(random), scene.labels(index)])
        place = self._place(labelled, scene, index, True, random)
        crop = change_colours(place.cut(self.size), random)
        points, visibility = place.key_points(self.size)
        cells = self.size // PARTS_STRIDE
        parts = cv2.warpAffine(
            np.ascontiguousarray(place.picture[..., 3]), to_cells(place.matrix), (cells, cells),
            flags=cv2.INTER_NEAREST, borderMode=place.border, borderValue=NOTHING,
        )  # fmt: skip
        wrong = points + random.normal(0, np.exp(random.uniform(*np.log(POINT_ERRORS))), points.shape)
        found = visibility * (random.random(len(visibility)) >= POINT_MISSING)
        return {
            "pixel_values": torch.from_numpy(crop).permute(2, 0, 1).float() / 255,
            "points": torch.from_numpy(wrong.astype(np.float32)),
            "visibility": torch.from_numpy(found.astype(np.float32)),
            "parts": torch.from_numpy(parts).long(),
        }


__all__ = ["PartCropDataset"]
