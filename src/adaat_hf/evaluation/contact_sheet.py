"""Many frames of a clip in one picture."""

from collections.abc import Iterable

import cv2
import numpy as np


def contact_sheet(
    frames: Iterable[np.ndarray], count: int, columns: int = 6, rows: int = 4, width: int = 240
) -> np.ndarray:
    """Lay frames that are spread evenly over a clip into a grid.

    Args:
        frames (`Iterable[np.ndarray]`): Frames (H, W, 3), RGB, uint8.
        count (`int`): How many there are.
        columns, rows (`int`, *optional*): Size of the grid; a short clip leaves cells black.
        width (`int`, *optional*, defaults to 240): Width of a frame in the grid, in pixels.

    Returns:
        `np.ndarray` of shape (rows * h, columns * width, 3), uint8.
    """
    wanted = np.unique(np.linspace(0, count - 1, min(count, columns * rows)).round().astype(int))
    chosen = set(wanted.tolist())
    cells = [fit_width(frame, width) for number, frame in enumerate(frames) if number in chosen]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)])


def fit_width(frame: np.ndarray, width: int) -> np.ndarray:
    """A picture (H, W, 3) at a width in pixels."""
    height = round(frame.shape[0] * width / frame.shape[1])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
