"""Which clips are drawn how often, and endless items of them, read at random."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .items import first_sound_item, has_second_source
from .packs import Clip, PackedClip
from .pair_maker import PairMaker


# Clips whose landmarks (some 100 kB each) stay in memory.
CACHED_CLIPS = 512


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


class RangeSampler(Sampler[int]):
    """Item numbers from `start` to `stop`, every `step`-th: what one process of a (resumed) run sees."""

    def __init__(self, start: int, stop: int, offset: int = 0, step: int = 1) -> None:
        self.numbers = range(start + offset, stop, step)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)
