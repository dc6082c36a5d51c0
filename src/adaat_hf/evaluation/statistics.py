"""Means of groups, and how far chance of the groups may have moved them."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import bootstrap

from .results import Mean


RESAMPLES, SEED = 1000, 0


def bootstrap_mean(values: Sequence[float], weights: Sequence[float]) -> Mean:
    """Weighted mean of the means of groups, and its 95% percentile-bootstrap interval over whole groups.

    Args:
        values (`Sequence[float]`): Mean of every group, such as a clip's frames or a rater's ratings.
        weights (`Sequence[float]`): How many are in it.

    Returns:
        [`Mean`]: NaN without any group; without an interval for a single one.
    """
    if not values:
        return Mean(math.nan)
    means, counts = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    mean = float(np.average(means, weights=counts))
    if len(means) < 2:
        return Mean(mean)
    interval = bootstrap(
        (means, counts), _weighted, paired=True, vectorized=True, method="percentile", n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    ).confidence_interval  # fmt: skip
    return Mean(mean, float(interval.low), float(interval.high))


def _weighted(means: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray((means * counts).sum(axis) / counts.sum(axis))


__all__ = ["bootstrap_mean"]
