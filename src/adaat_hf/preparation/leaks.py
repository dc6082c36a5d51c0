"""What several splits of a data set share, so that a test on one of them is none."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .shards import Receipt


# Of 256 bits; pictures of the same moment that were encoded twice differ by a handful.
ALIKE_BITS = 10
# What may be called by one name in several splits, and whether that spoils a comparison: iPER is split by clothes, so that its
# splits share persons (a subject is a person in the same clothes).
NAMED = {"person": False, "subject": True, "video": True}


@dataclass(frozen=True)
class Leak:
    """Something that is in several splits.

    Args:
        what (`str`): Its kind.
        names (`list[str]`): Names of what is shared.
        splits (`tuple[str, ...]`): Where.
        serious (`bool`): Whether it spoils a comparison.
    """

    what: str
    names: list[str]
    splits: tuple[str, ...]
    serious: bool

    def __str__(self) -> str:
        word = "leak" if self.serious else "note"
        shown = ", ".join(self.names[:3]) + (", ..." if len(self.names) > 3 else "")
        return f"{word}: {' and '.join(self.splits)} share {len(self.names)} {self.what}: {shown}"


def find_leaks(shards: Iterable[tuple[Receipt, dict[str, str], dict[str, int]]]) -> list[Leak]:
    """Persons, videos, clips and pictures that are in several splits.

    Args:
        shards (`Iterable`): Of every shard its receipt, its broken clips, and the fingerprints of the others.
    """
    places: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in (*NAMED, "clip content")}
    prints: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for receipt, broken, fingerprints in shards:
        for key, clip in receipt.clips.items():
            if key in broken:
                continue
            for name in NAMED:
                if clip.get(name):
                    places[name][clip[name]].add(receipt.split)
            places["clip content"][clip["sha256"]].add(receipt.split)
        prints[receipt.split] += fingerprints.items()
    leaks = []
    for name, found in places.items():
        shared = sorted(item for item, splits in found.items() if len(splits) > 1)
        if shared:
            splits = tuple(sorted(set().union(*(found[item] for item in shared))))
            leaks.append(Leak(f"{name}s", shared, splits, NAMED.get(name, True)))
    return leaks + _alike(prints)


def _alike(prints: dict[str, list[tuple[str, int]]]) -> list[Leak]:
    """Clips of the smaller splits whose middle frame looks like one of the largest."""
    if len(prints) < 2:
        return []
    largest = max(prints, key=lambda split: len(prints[split]))
    bits = _as_bits([value for _, value in prints[largest]])
    leaks = []
    for split, items in sorted(prints.items()):
        if split != largest and items:
            near = [
                f"{key} ~ {prints[largest][int(apart.argmin())][0]}"
                for key, apart in ((key, (bits != _as_bits([value])).sum(1)) for key, value in items)
                if apart.min() <= ALIKE_BITS
            ]
            if near:
                leaks.append(Leak("pictures that look alike", near, (largest, split), False))
    return leaks


def _as_bits(values: list[int]) -> np.ndarray:
    content = b"".join(value.to_bytes(32, "big") for value in values)
    return np.unpackbits(np.frombuffer(content, np.uint8).reshape(len(values), 32), axis=1)
