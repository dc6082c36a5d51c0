"""Lay the painted crop of a person back into the photograph that it was cut from."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .person_crop import PersonBox


# How wide the crop fades out at its borders, as a share of its height.
FADE = 0.04


@dataclass(frozen=True)
class PersonCanvas:
    """A photograph and the rectangle in it that is painted anew.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): The photograph, uint8.
        box ([`PersonBox`]): The rectangle.
    """

    picture: np.ndarray
    box: PersonBox

    @cached_property
    def _region(self) -> tuple[slice, slice]:
        """The rows and columns of the photograph that the rectangle touches."""
        height, width = self.picture.shape[:2]
        top, left = max(int(np.floor(self.box.top)), 0), max(int(np.floor(self.box.left)), 0)
        bottom = min(int(np.ceil(self.box.top + self.box.height)), height)
        right = min(int(np.ceil(self.box.left + self.box.width)), width)
        return slice(top, max(bottom, top)), slice(left, max(right, left))

    @cached_property
    def _weights(self) -> np.ndarray:
        """How much of the crop is taken (h, w, 1): all, fading out where the photograph goes on beyond the rectangle."""
        rows, columns = self._region
        fade = FADE * self.box.height
        along = [
            _ramp(rows, self.box.top, self.box.top + self.box.height, self.picture.shape[0], fade),
            _ramp(columns, self.box.left, self.box.left + self.box.width, self.picture.shape[1], fade),
        ]
        return (along[0][:, None] * along[1][None])[..., None]

    def compose(self, crop: np.ndarray) -> np.ndarray:
        """The photograph with a crop (h, w, 3), uint8, of any size laid over the rectangle."""
        result = self.picture.copy()
        rows, columns = self._region
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return result
        matrix = cv2.invertAffineTransform(self.box.to_crop(*crop.shape[:2]))
        matrix[:, 2] -= [columns.start, rows.start]
        extent = (columns.stop - columns.start, rows.stop - rows.start)
        laid = cv2.warpAffine(crop, matrix, extent, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        region = result[rows, columns]
        region[:] = np.rint(self._weights * laid + (1 - self._weights) * region).astype(np.uint8)
        return result


def _ramp(where: slice, start: float, end: float, size: int, fade: float) -> np.ndarray:
    """From 0 at the rectangle's sides to 1 inside it; a side at the photograph's border does not fade."""
    position = np.arange(where.start, where.stop) + 0.5
    rising = np.ones(len(position)) if start <= 0.5 else (position - start) / fade
    falling = np.ones(len(position)) if end >= size - 0.5 else (end - position) / fade
    return np.clip(np.minimum(rising, falling), 0, 1)
