"""Follow one subject, a face or a body, through the frames of a clip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, Protocol, TypeVar

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


class Tracker(Protocol, Generic[Found]):
    """Picks the same subject in successive frames."""

    @property
    def last(self) -> Found | None:
        """Where the subject was last; `None` before it was seen."""

    def choose(self, found: list[Found]) -> Found | None:
        """The followed subject among those of the next frame, or `None`."""


def follow(
    frames: Iterable[np.ndarray],
    detector: Any,
    tracker: Tracker[Found],
    as_points: Callable[[Found], tuple[np.ndarray, np.ndarray]],
    count: int,
    batch_size: int,
) -> tuple[Track, tuple[int, int] | None]:
    """Detect in all frames and keep the chosen subject.

    Args:
        frames (`Iterable[np.ndarray]`): Pictures (H, W, 3), taken in batches, so that a long clip needs little memory.
        detector ([`FaceLandmarker`] or [`BodyDetector`]): Finds all subjects in a batch. One that also has `detect_near` looks
            for the followed subject where it was last, and searches only the frames where it is not there.
        tracker ([`Tracker`]): Picks the followed one.
        as_points (`Callable`): Its points (K, 2) and their visibility (K,).
        count (`int`): K.
        batch_size (`int`): Frames per batch.

    Returns:
        `tuple[Track, tuple[int, int] | None]`: the track, and height and width of the frames if there are any.
    """
    points, visibility, size = [], [], None
    upcoming = iter(frames)
    # Whom to follow shows in the first frame, so that the others need no search.
    for batch in chain(batched(islice(upcoming, 1), 1), batched(upcoming, batch_size)):
        size = (batch[0].shape[0], batch[0].shape[1])
        for candidates in candidates_near(np.stack(batch), detector, tracker.last):
            chosen = tracker.choose(candidates)
            both = (np.zeros((count, 2)), np.zeros(count)) if chosen is None else as_points(chosen)
            points.append(both[0])
            visibility.append(both[1])
    track = Track(
        np.array(points, np.float32).reshape(-1, count, 2), np.array(visibility, np.float32).reshape(-1, count)
    )
    return track, size


def candidates_near(frames: np.ndarray, detector: Any, last: Found | None) -> list[list[Found]]:
    """The subjects of every frame; the followed one alone where it is found near its last place."""
    near = [None] * len(frames)
    if last is not None and hasattr(detector, "detect_near"):
        near = detector.detect_near(frames, last)
    lost = [number for number, found in enumerate(near) if found is None]
    searched = iter(detector.detect(frames[lost]) if lost else ())
    return [next(searched) if found is None else [found] for found in near]


def batched(items: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
