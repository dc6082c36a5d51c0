"""Follow one subject, a face or a body, through the frames of a clip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from .landmarks import Landmarks


Found = TypeVar("Found", bound=Landmarks)


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
        detector ([`FaceLandmarker`] or [`BodyDetector`]): Finds all subjects in a batch. One that also has `detect_near`
            and `sure` looks for the followed subject where it was last, and searches only the frames where it is not surely there.
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
        for chosen in follow_on(np.stack(batch), detector, tracker):
            both = (np.zeros((count, 2)), np.zeros(count)) if chosen is None else as_points(chosen)
            points.append(both[0])
            visibility.append(both[1])
    track = Track(
        np.array(points, np.float32).reshape(-1, count, 2), np.array(visibility, np.float32).reshape(-1, count)
    )
    return track, size


def follow_on(frames: np.ndarray, detector: Any, tracker: Tracker[Found]) -> list[Found | None]:
    """The followed subject in every one of the next frames (N, H, W, 3), where it is: near its last place, where it is surely there, or
    else what a search finds, or else what is there after all."""
    near: list[Found | None] = [None] * len(frames)
    if tracker.last is not None and hasattr(detector, "detect_near"):
        near = detector.detect_near(frames, tracker.last)
    unsure = [number for number, found in enumerate(near) if found is None or found.score < detector.sure]
    searched = dict(zip(unsure, detector.detect(frames[unsure]) if unsure else (), strict=True))
    followed = []
    for number, found in enumerate(near):
        chosen = tracker.choose(searched.get(number, [found]))
        if chosen is None and found is not None:
            chosen = tracker.choose([found])
        followed.append(chosen)
    return followed


def batched(items: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
