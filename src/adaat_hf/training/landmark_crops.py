"""Crops of faces with their landmarks, to train the landmark network."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..processing.keypoints import FACE96
from .packs import PackedClip
from .scenes import Scene, change_colours, random_frame


NEGATIVES = 0.12


class LandmarkDataset(Dataset):
    """Endless face crops.

    Items: `pixel_values` (3, S, S) in [0, 1]; `points` (96, 2) in [-1, 1]; `presence` (): 1 for a face, 0 for a crop
    without one, whose points mean nothing.

    Args:
        clips (`list[PackedClip]`): Clips to draw from.
        weights (`np.ndarray`): Their probabilities.
        scenes (`Sequence[Scene]`): Where crops without a face come from.
        size (`int`): Side S of the crops.
        margin (`float`): Side of a crop in units of the landmarks' box.
    """

    def __init__(
        self,
        clips: list[PackedClip],
        weights: np.ndarray,
        scenes: Sequence[Scene],
        size: int,
        margin: float,
        seed: int = 0,
    ) -> None:
        self.clips, self.scenes, self.size, self.margin, self.seed = clips, scenes, size, margin, seed
        self._cumulative = np.cumsum(weights)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, 2, number))
        if random.random() < NEGATIVES:
            crop, points, presence = self._without_face(random), np.zeros((FACE96.count, 2), np.float32), 0.0
        else:
            crop, points = self._with_face(random)
            presence = 1.0
        if random.random() < 0.35:
            share = random.uniform(0.25, 0.9)
            small = cv2.resize(crop, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
            crop = cv2.resize(small, (self.size, self.size))
        crop = change_colours(crop, random)
        return {
            "pixel_values": torch.from_numpy(crop).permute(2, 0, 1).float() / 255,
            "points": torch.from_numpy(points.astype(np.float32)),
            "presence": torch.tensor(presence),
        }

    def _with_face(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        index = int(np.searchsorted(self._cumulative, random.random() * self._cumulative[-1]))
        frame, points = random_frame(self.clips[index], random)
        if random.random() < 0.5:
            frame, points = np.ascontiguousarray(frame[:, ::-1]), FACE96.flip(points, frame.shape[1])
        low, high = points.min(0), points.max(0)
        box = float((high - low).max())
        side = self.margin * box * random.uniform(0.82, 1.3)
        centre = (low + high) / 2 + random.normal(0, 0.06, 2) * box
        angle = np.deg2rad(np.clip(random.normal(0, 18), -50, 50))
        zoom = self.size / side
        linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = (self.size - 1) / 2 - linear @ centre
        mode = cv2.BORDER_REPLICATE if random.random() < 0.5 else cv2.BORDER_CONSTANT
        crop = cv2.warpAffine(
            frame, np.c_[linear, shift], (self.size, self.size), flags=cv2.INTER_LINEAR, borderMode=mode
        )
        if random.random() < 0.25:
            self._cover(crop, random)
        moved = points @ linear.T + shift
        return crop, moved / (self.size - 1) * 2 - 1

    def _cover(self, crop: np.ndarray, random: np.random.Generator) -> None:
        """Hide a part of the face behind a plain rectangle."""
        extent = (random.uniform(0.1, 0.35, 2) * self.size).astype(int)
        corner = (random.uniform(0, 1, 2) * (self.size - extent)).astype(int)
        crop[corner[1] : corner[1] + extent[1], corner[0] : corner[0] + extent[0]] = random.integers(0, 255, 3)

    def _without_face(self, random: np.random.Generator) -> np.ndarray:
        scene = self.scenes[int(random.integers(len(self.scenes)))]
        picture = scene.decode()
        height, width = picture.shape[:2]
        for _ in range(10):
            side = int(np.exp(random.uniform(np.log(24), np.log(min(height, width)))))
            left, top = int(random.integers(width - side + 1)), int(random.integers(height - side + 1))
            window = np.array([left, top, left + side, top + side])
            if not any((np.minimum(window[2:], b[2:]) > np.maximum(window[:2], b[:2])).all() for b in scene.boxes):
                return cv2.resize(picture[top : top + side, left : left + side], (self.size, self.size))
        return random.integers(0, 255, (self.size, self.size, 3)).astype(np.uint8)
