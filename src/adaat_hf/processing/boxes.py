"""Axis-parallel boxes: left, top, right, bottom in pixels."""

import numpy as np


def intersection_over_union(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two boxes (4,) in [0, 1]."""
    shared = _shared_area(first, second)
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return shared / max(areas - shared, 1e-9)


def shared_part(first: np.ndarray, second: np.ndarray) -> float:
    """Part of the smaller of two boxes (4,) that lies inside the other, in [0, 1]."""
    smaller = min(float(np.prod(box[2:] - box[:2])) for box in (first, second))
    return _shared_area(first, second) / max(smaller, 1e-9)


def _shared_area(first: np.ndarray, second: np.ndarray) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    return float(np.prod(np.maximum(high - low, 0)))


def suppress_overlaps(boxes: np.ndarray, scores: np.ndarray, overlap: float = 0.4) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes (`np.ndarray` of shape (N, 4)), scores (`np.ndarray` of shape (N,)): Candidates.
        overlap (`float`, *optional*, defaults to 0.4): Shared part of the smaller box from which the worse one is dropped.

    Returns:
        `list[int]`: Indices that stay, best first.
    """
    kept: list[int] = []
    for index in np.argsort(-scores):
        if all(shared_part(boxes[index], boxes[other]) < overlap for other in kept):
            kept.append(int(index))
    return kept


def windows(height: int, width: int, share: float) -> list[tuple[int, int, int]]:
    """Overlapping squares (left, top, side) that cover a picture; their side is `share` of its longer side."""
    side = max(1, int(share * max(height, width)))
    return [(left, top, side) for top in _starts(height, side) for left in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    if side >= length:
        return [0]
    return np.linspace(0, length - side, 1 + int(np.ceil(1.6 * (length - side) / side))).astype(int).tolist()
