"""Pairs of frames of one clip: a source and a driving picture with their key points."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from .items import DamagedItemError, as_item, first_sound_item, has_second_source, warn_once
from .packs import Clip, PackedClip, to_tensor


# Driving frames among which the most different one is looked for.
CANDIDATES = 8
# Clips whose landmarks (some 100 kB each) stay in memory.
CACHED_CLIPS = 512
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
    chosen = [clip for clip in clips if is_selected(clip, exclude, keep)]
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


def is_selected(clip: Clip, exclude: list[str], keep: Mapping[str, list[str]]) -> bool:
    """Whether a clip passes `exclude` and `keep`; see [`select_clips`]."""
    named = any(part in clip.key for part in exclude)
    return not named and all(clip.facts.get(name) in values for name, values in keep.items())


class PairMaker:
    """Draws training items from clips.

    Items are dictionaries: `source` (3, S, S), or (2, 3, S, S) with a second source, and `driving` (3, S, S) in [0, 1];
    `source_keypoints`, `driving_keypoints` (K, 2) in [-1, 1] and `source_visibility`, `driving_visibility` (K,), the
    source's with a leading 2 where it has two pictures.

    Args:
        resolution (`int`): Side of the pictures.
        num_keypoints (`int`): Leading key points of the 96-point layout that are returned.
        face_model (`AdaATFaceModel`, *optional*): Needed for `fitted_keypoints`.
        augment, hard_pairs, fitted_keypoints: see [`TrainingArguments`].
    """

    def __init__(
        self,
        resolution: int,
        num_keypoints: int,
        face_model: AdaATFaceModel | None = None,
        *,
        augment: bool = True,
        hard_pairs: float = 0.5,
        fitted_keypoints: float = 0.0,
    ) -> None:
        self.resolution, self.num_keypoints = resolution, num_keypoints
        self.face_model = face_model if fitted_keypoints else None
        self.augment, self.hard_pairs, self.fitted = augment, hard_pairs, fitted_keypoints

    def item(
        self, clip: Clip, tensors: dict[str, Tensor], second_source: bool, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Frames of a clip, whose `tensors` were read, as one item."""
        source, driving = self._choose_frames(tensors, random)
        chosen = [driving, source]
        if second_source:
            chosen.append(int(random.choice(_usable(tensors))))
        pictures = torch.stack([to_tensor(frame) for frame in clip.frames(chosen)])
        points = tensors["points"][chosen].clone()
        if self.face_model is not None and random.random() < self.fitted:
            points[0] = self._fitted(tensors, driving)
        side = pictures.shape[-1]
        points = points / (side - 1) * 2 - 1
        visibility = tensors["visibility"][chosen].clone()
        if self.augment:
            pictures, points, visibility = augment(pictures, points, visibility, FACE96.mirror, FACE_PLACEMENT, random)
        if side != self.resolution:
            pictures = T.resize(pictures, [self.resolution, self.resolution], antialias=True).clamp(0, 1)
        return as_item(pictures, points[:, : self.num_keypoints], visibility[:, : self.num_keypoints])

    def _choose_frames(self, tensors: dict[str, Tensor], random: np.random.Generator) -> tuple[int, int]:
        usable = _usable(tensors)
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


class PairDataset(Dataset):
    """Endless items; number n is always the same for the same seed, so that a run can be resumed exactly.

    Args:
        clips (`list[Clip]`): Clips to draw from; read from the disk item by item.
        weights (`np.ndarray`): Their probabilities.
        maker ([`PairMaker`]): Makes items of them.
        seed (`int`): Start of the random numbers.
        second_source (`float`): Share of batches whose items have a second source, another frame of the clip.
        batch_size (`int`): Consecutive items that must be alike in this.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        weights: np.ndarray,
        maker: PairMaker,
        *,
        seed: int = 0,
        second_source: float = 0.0,
        batch_size: int = 1,
    ) -> None:
        self.clips, self.maker, self.seed = clips, maker, seed
        self.second_source, self.batch_size = second_source, batch_size
        self._cumulative = np.cumsum(weights)
        self._tensors = lru_cache(maxsize=CACHED_CLIPS)(self._load_tensors)

    def _load_tensors(self, number: int) -> dict[str, Tensor]:
        return self.clips[number].tensors()

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        two = has_second_source(self.seed, number, self.batch_size, self.second_source)
        return first_sound_item(lambda random: self._draw(random, two), self.seed, number)

    def _draw(self, random: np.random.Generator, second_source: bool) -> dict[str, Tensor]:
        index = int(np.searchsorted(self._cumulative, random.random() * self._cumulative[-1]))
        return self.maker.item(self.clips[index], self._tensors(index), second_source, random)


def _usable(tensors: dict[str, Tensor]) -> np.ndarray:
    """Numbers of the frames with a face."""
    return tensors["visibility"].any(1).nonzero().flatten().numpy()


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
    clips: Iterable[Clip], resolution: int, num_keypoints: int, per_clip: int = 1
) -> Iterator[dict[str, Any]]:
    """Validation pairs: frame 0 as the source and frames spread over the rest of the clip as driving pictures."""
    for clip in clips:
        try:
            yield from _fixed_pairs_of(clip, resolution, num_keypoints, per_clip)
        except DamagedItemError as error:
            warn_once(f"Validation data is left out: {error}")


def _fixed_pairs_of(clip: Clip, resolution: int, num_keypoints: int, per_clip: int) -> Iterator[dict[str, Any]]:
    tensors = clip.tensors()
    usable = tensors["visibility"].any(1)
    count = len(usable)
    numbers = [n for n in np.linspace(count // 4, count - 1, 4).astype(int)[-per_clip:] if usable[n]]
    if not usable[0] or not numbers:
        return
    pictures = [to_tensor(frame) for frame in clip.frames([0, *numbers])]
    side = pictures[0].shape[-1]
    for number, picture in zip(numbers, pictures[1:], strict=True):
        pair = torch.stack([pictures[0], picture])
        if side != resolution:
            pair = T.resize(pair, [resolution, resolution], antialias=True).clamp(0, 1)
        points = tensors["points"][[0, int(number)], :num_keypoints] / (side - 1) * 2 - 1
        visibility = tensors["visibility"][[0, int(number)], :num_keypoints]
        item = as_item(pair.flip(0), points.flip(0), visibility.flip(0))
        yield {**item, "key": clip.key, "frame": int(number)}
