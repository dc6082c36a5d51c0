"""Follow one subject, a face or a body, through the frames of a clip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np


Found = TypeVar("Found")


@dataclass(frozen=True)
class Track:
    """The key points of one subject in every frame of a clip.

    Args:
        points (`np.ndarray` of shape (T, K, 2)): Pixels; zeros where the subject was not found.
        visibility (`np.ndarray` of shape (T, K)): 0 for missing points and in frames without the subject.
    """

    points: np.ndarray
    visibility: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Whether the subject was found, per frame (T,), bool."""
        return np.asarray(self.visibility.any(1))


def follow(
    frames: Iterable[np.ndarray],
    detect: Callable[[np.ndarray], list[list[Found]]],
    choose: Callable[[list[Found]], Found | None],
    as_points: Callable[[Found], tuple[np.ndarray, np.ndarray]],
    count: int,
    batch_size: int,
) -> tuple[Track, tuple[int, int] | None]:
    """Detect in all frames and keep the chosen subject.

    Args:
        frames (`Iterable[np.ndarray]`): Pictures (H, W, 3), taken in batches, so that a long clip needs little memory.
        detect (`Callable`): Finds all subjects in a batch (B, H, W, 3).
        choose (`Callable`): Picks the followed one among those of the next frame.
        as_points (`Callable`): Its points (K, 2) and their visibility (K,).
        count (`int`): K.
        batch_size (`int`): Frames per batch.

    Returns:
        `tuple[Track, tuple[int, int] | None]`: the track, and height and width of the frames if there are any.
    """
    points, visibility, size = [], [], None
    for batch in batched(frames, batch_size):
        size = (batch[0].shape[0], batch[0].shape[1])
        for candidates in detect(np.stack(batch)):
            chosen = choose(candidates)
            both = (np.zeros((count, 2)), np.zeros(count)) if chosen is None else as_points(chosen)
            points.append(both[0])
            visibility.append(both[1])
    track = Track(
        np.array(points, np.float32).reshape(-1, count, 2), np.array(visibility, np.float32).reshape(-1, count)
    )
    return track, size


def batched(items: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
