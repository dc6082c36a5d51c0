"""Smooth noise that is the same for the same seed at any moment, in whatever windows it is asked for."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


BLOCK = 64
# Width of the Gaussian that turns independent knots into a smooth curve, in knots, and where it is cut off.
WIDTH, REACH = 0.6, 3


@lru_cache(maxsize=256)
def _knots(seed: int, scale: int, channels: int, block: int) -> np.ndarray:
    key = (seed, scale, block + 2**31)
    return np.random.default_rng(key).standard_normal((BLOCK, channels)).astype(np.float32)


def smooth_noise(
    seed: int, start: int, count: int, frame_rate: float, seconds: Sequence[float], channels: int
) -> Tensor:
    """Stationary Gaussian noise of unit variance.

    Args:
        seed (`int`): Not negative; another one gives other noise.
        start, count (`int`): First frame, which may be negative, and number of frames.
        frame_rate (`float`): Frames per second.
        seconds (`Sequence[float]`): Time scales: the distances of the independent knots.
        channels (`int`): Channels of each time scale.

    Returns:
        `Tensor` of shape (count, len(seconds) * channels).
    """
    parts = []
    for scale, distance in enumerate(seconds):
        position = (start + np.arange(count)) / (frame_rate * distance)
        nearest = np.floor(position).astype(int)
        numbers = nearest[:, None] + np.arange(1 - REACH, REACH + 1)
        weights = np.exp(-(((position[:, None] - numbers) / WIDTH) ** 2) / 2)
        weights /= np.sqrt(np.square(weights).sum(1, keepdims=True))
        first, last = int(numbers.min()) // BLOCK, int(numbers.max()) // BLOCK
        knots = np.concatenate([_knots(seed, scale, channels, block) for block in range(first, last + 1)])
        parts.append(np.einsum("tk,tkc->tc", weights, knots[numbers - first * BLOCK]))
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))


def uniform_noise(seed: int, start: int, count: int) -> np.ndarray:
    """Independent numbers in [0, 1), one per frame (count,), with the same properties as [`smooth_noise`]."""
    first, last = start // BLOCK, (start + count - 1) // BLOCK
    blocks = [np.random.default_rng((seed, 2**20, block + 2**31)).random(BLOCK) for block in range(first, last + 1)]
    return np.concatenate(blocks)[start - first * BLOCK :][:count]
