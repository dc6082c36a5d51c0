"""Pairs of frames of one clip: a source and a driving picture with their key points."""

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms.v2 import functional as T

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..processing.keypoints import FACE96, LOWER_LIDS, UPPER_LIDS
from .augmentation import FACE_PLACEMENT, augment
from .packs import PackedClip, to_tensor


# Driving frames among which the most different one is looked for.
CANDIDATES = 8
COEFFICIENTS = ("identity", "offset", "expression", "rotation", "scale", "translation", "valid")


def select_clips(
    clips: list[PackedClip],
    exclude: list[str],
    keep: Mapping[str, list[str]],
    sampling: Mapping[str, Mapping[str, float]],
) -> tuple[list[PackedClip], np.ndarray]:
    """Choose the training clips and their relative frequencies.

    Args:
        clips (`list[PackedClip]`): Candidates.
        exclude (`list[str]`): A clip whose key contains one of these is dropped.
        keep (`Mapping`): For a fact, the values that are allowed.
        sampling (`Mapping`): For a fact, the weight of each value; others weigh 1. Weights of several facts multiply,
            and the square root of a clip's length counts too.

    Raises:
        ValueError: if nothing is left.
    """
    chosen = [
        clip
        for clip in clips
        if not any(part in clip.key for part in exclude)
        and all(clip.facts.get(name) in values for name, values in keep.items())
    ]
    if not chosen:
        raise ValueError(f"None of the {len(clips)} clips passes exclude={exclude} and keep={dict(keep)}.")
    weights = np.array(
        [
            np.sqrt(clip.facts["frames"])
            * math.prod(values.get(str(clip.facts.get(name)), 1.0) for name, values in sampling.items())
            for clip in chosen
        ]
    )
    return chosen, weights / weights.sum()


class PairDataset(Dataset):
    """Endless pairs; item number n is always the same pair for the same seed, so that a run can be resumed exactly.

    Items are dictionaries: `source`, `driving` (3, S, S) in [0, 1]; `source_keypoints`, `driving_keypoints` (K, 2) in
    [-1, 1]; `source_visibility`, `driving_visibility` (K,).

    Args:
        clips (`list[PackedClip]`): Clips to draw from.
        weights (`np.ndarray`): Their probabilities.
        resolution (`int`): Side of the pictures.
        num_keypoints (`int`): Leading key points of the 96-point layout that are returned.
        face_model (`AdaATFaceModel`, *optional*): Needed for `fitted_keypoints`.
        seed, augment, hard_pairs, fitted_keypoints: see [`TrainingArguments`].
    """

    def __init__(
        self,
        clips: list[PackedClip],
        weights: np.ndarray,
        resolution: int,
        num_keypoints: int,
        face_model: AdaATFaceModel | None = None,
        *,
        seed: int = 0,
        augment: bool = True,
        hard_pairs: float = 0.5,
        fitted_keypoints: float = 0.0,
    ) -> None:
        self.clips, self.resolution, self.num_keypoints = clips, resolution, num_keypoints
        self.face_model = face_model if fitted_keypoints else None
        self.seed, self.augment, self.hard_pairs, self.fitted = seed, augment, hard_pairs, fitted_keypoints
        self._cumulative = np.cumsum(weights)
        self._tensors = lru_cache(maxsize=len(clips))(self._load_tensors)

    def _load_tensors(self, number: int) -> dict[str, Tensor]:
        return self.clips[number].tensors()

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, number))
        index = int(np.searchsorted(self._cumulative, random.random() * self._cumulative[-1]))
        tensors = self._tensors(index)
        first, second = self._choose_frames(tensors, random)
        pictures = torch.stack([to_tensor(frame) for frame in self.clips[index].frames([first, second])])
        points = tensors["points"][[first, second]].clone()
        if self.face_model is not None and random.random() < self.fitted:
            points[1] = self._fitted(tensors, second)
        side = pictures.shape[-1]
        points = points / (side - 1) * 2 - 1
        visibility = tensors["visibility"][[first, second]].clone()
        if self.augment:
            pictures, points, visibility = augment(pictures, points, visibility, FACE96.mirror, FACE_PLACEMENT, random)
        if side != self.resolution:
            pictures = T.resize(pictures, [self.resolution, self.resolution], antialias=True).clamp(0, 1)
        points, visibility = points[:, : self.num_keypoints], visibility[:, : self.num_keypoints]
        return {
            "source": pictures[0],
            "driving": pictures[1],
            "source_keypoints": points[0],
            "driving_keypoints": points[1],
            "source_visibility": visibility[0],
            "driving_visibility": visibility[1],
        }

    def _choose_frames(self, tensors: dict[str, Tensor], random: np.random.Generator) -> tuple[int, int]:
        usable = tensors["visibility"].any(1).nonzero().flatten().numpy()
        first = int(random.choice(usable))
        candidates = random.choice(usable, CANDIDATES)
        if random.random() >= self.hard_pairs:
            return first, int(candidates[0])
        start, ends = tensors["points"][first], tensors["points"][candidates]
        if random.random() < 0.5:
            distance = (ends - start).norm(dim=-1).mean(1)
        else:
            distance = (_openings(ends) - _openings(start)).abs().amax(1)
        return first, int(candidates[int(distance.argmax())])

    def _fitted(self, tensors: dict[str, Tensor], frame: int) -> Tensor:
        assert self.face_model is not None
        whole = FaceCoefficients(**{name: tensors[name] for name in COEFFICIENTS})
        return whole.frames(torch.tensor([frame])).project(self.face_model)[0]


def _openings(points: Tensor) -> Tensor:
    """How far eyes and mouth are open, (..., 8), in the unit of points (..., 96, 2)."""
    return (points[..., UPPER_LIDS, :] - points[..., LOWER_LIDS, :]).norm(dim=-1)


class RangeSampler(Sampler[int]):
    """Item numbers from `start` to `stop`, every `step`-th: what one process of a (resumed) run sees."""

    def __init__(self, start: int, stop: int, offset: int = 0, step: int = 1) -> None:
        self.numbers = range(start + offset, stop, step)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def fixed_pairs(
    clips: list[PackedClip], resolution: int, num_keypoints: int, per_clip: int = 1
) -> Iterator[dict[str, Any]]:
    """Validation pairs: frame 0 as the source and frames spread over the rest of the clip as driving pictures."""
    for clip in clips:
        tensors = clip.tensors()
        usable = tensors["visibility"].any(1)
        count = len(usable)
        numbers = [n for n in np.linspace(count // 4, count - 1, 4).astype(int)[-per_clip:] if usable[n]]
        if not usable[0] or not numbers:
            continue
        pictures = [to_tensor(frame) for frame in clip.frames([0, *numbers])]
        side = pictures[0].shape[-1]
        for number, picture in zip(numbers, pictures[1:], strict=True):
            pair = torch.stack([pictures[0], picture])
            if side != resolution:
                pair = T.resize(pair, [resolution, resolution], antialias=True).clamp(0, 1)
            points = tensors["points"][[0, int(number)], :num_keypoints] / (side - 1) * 2 - 1
            visibility = tensors["visibility"][[0, int(number)], :num_keypoints]
            yield {
                "key": clip.key,
                "frame": int(number),
                "source": pair[0],
                "driving": pair[1],
                "source_keypoints": points[0],
                "driving_keypoints": points[1],
                "source_visibility": visibility[0],
                "driving_visibility": visibility[1],
            }
