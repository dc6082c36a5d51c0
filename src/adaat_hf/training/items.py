"""Training items of both tasks: their form, second sources, and what is done about damaged files."""

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import numpy as np
from torch import Tensor


Item = TypeVar("Item")
TRIES = 20
logger = logging.getLogger(__name__)


class DamagedItemError(ValueError):
    """A picture or clip of the training data cannot be read; the message names it."""


def as_item(pictures: Tensor, points: Tensor, visibility: Tensor) -> dict[str, Tensor]:
    """Target first, then the sources, to the generator's inputs; a single source has no dimension of its own.

    Args:
        pictures (`Tensor` of shape (1 + S, 3, H, W)): In [0, 1].
        points (`Tensor` of shape (1 + S, K, 2)), visibility (`Tensor` of shape (1 + S, K)): Key points in [-1, 1].
    """
    single = len(pictures) == 2
    return {
        "source": pictures[1] if single else pictures[1:],
        "driving": pictures[0],
        "source_keypoints": points[1] if single else points[1:],
        "driving_keypoints": points[0],
        "source_visibility": visibility[1] if single else visibility[1:],
        "driving_visibility": visibility[0],
    }


def has_second_source(seed: int, number: int, batch_size: int, share: float) -> bool:
    """Whether item `number` has two sources; consecutive items of a batch (over all processes) are alike in this."""
    return bool(np.random.default_rng((seed, 3, number // batch_size)).random() < share)


def first_sound_item(make: Callable[[np.random.Generator], Item], *seed: int) -> Item:
    """An item drawn at random, another one in its place if its files are damaged, so that one bad file does not end a run of
    days; what is drawn depends on the seed alone.

    Args:
        make (`Callable`): Draws an item; raises [`DamagedItemError`] for a damaged one.
        seed (`int`): Numbers that make the random numbers of this item.

    Raises:
        DamagedItemError: if many draws in a row are damaged.
    """
    for attempt in range(TRIES):
        try:
            return make(np.random.default_rng(seed if attempt == 0 else (*seed, 9, attempt)))
        except DamagedItemError as error:
            warn_once(f"Training data is left out: {error}")
            last = error
    raise DamagedItemError(f"{TRIES} draws in a row met damaged training data, at last: {last}") from last


@cache
def warn_once(text: str) -> None:
    """Log a warning, the first time only."""
    logger.warning(text)
