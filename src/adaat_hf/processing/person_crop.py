"""The upright rectangle around a person, cut out at the network's size."""

from dataclasses import dataclass

import cv2
import numpy as np


# Room around the key points' box: beside, above (hair) and below (shoes) it, as shares of the box's width and height.
ROOM_BESIDE, ROOM_ABOVE, ROOM_BELOW = 0.12, 0.13, 0.07


@dataclass(frozen=True)
class PersonBox:
    """An upright rectangle in a picture.

    Args:
        left, top (`float`): Corner, in pixels; the picture's own corner is (0, 0).
        width, height (`float`): Extent, in pixels.
    """

    left: float
    top: float
    width: float
    height: float

    def to_crop(self, height: int, width: int) -> np.ndarray:
        """Affine matrix (2, 3) from the centres of the picture's pixels to those of a crop of that size."""
        zoom = np.array([width / self.width, height / self.height])
        shift = zoom * (0.5 - np.array([self.left, self.top])) - 0.5
        return np.c_[np.diag(zoom), shift]

    def points_to_crop(self, points: np.ndarray, height: int, width: int) -> np.ndarray:
        """Move points (..., 2) from picture pixels to crop pixels."""
        matrix = self.to_crop(height, width)
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def holding(self, points: np.ndarray) -> "PersonBox":
        """The smallest rectangle of the same proportions that holds this one and points (N, 2)."""
        corner, end = np.array([self.left, self.top]), np.array([self.left + self.width, self.top + self.height])
        low, high = np.minimum(points.min(0) + 0.5, corner), np.maximum(points.max(0) + 0.5, end)
        aspect = self.width / self.height
        height = float(max(high[1] - low[1], (high[0] - low[0]) / aspect))
        left, top = (low + high) / 2 - [height * aspect / 2, height / 2]
        return PersonBox(float(left), float(top), height * aspect, height)

    def outside(self, height: int, width: int) -> float:
        """Share of the rectangle that lies beyond a picture of that size."""
        inside_x = min(self.left + self.width, width) - max(self.left, 0)
        inside_y = min(self.top + self.height, height) - max(self.top, 0)
        return 1 - max(inside_x, 0) * max(inside_y, 0) / (self.width * self.height)


def person_box(points: np.ndarray, visibility: np.ndarray, aspect: float) -> PersonBox:
    """A rectangle with room around a person.

    Args:
        points (`np.ndarray` of shape (..., K, 2)): Key points in pixels, of one pose or of several.
        visibility (`np.ndarray` of shape (..., K)): Points with 0 are ignored.
        aspect (`float`): Width of the rectangle in units of its height.

    Raises:
        ValueError: if no point is visible.
    """
    seen = points[visibility > 0]
    if not len(seen):
        raise ValueError("No key point is visible, so there is no person to put a box around.")
    low, high = seen.min(0) + 0.5, seen.max(0) + 0.5
    width, height = np.maximum(high - low, 1.0)
    low = low - [ROOM_BESIDE * width, ROOM_ABOVE * height]
    high = high + [ROOM_BESIDE * width, ROOM_BELOW * height]
    centre, (width, height) = (low + high) / 2, high - low
    height = max(height, width / aspect)
    width = height * aspect
    return PersonBox(float(centre[0] - width / 2), float(centre[1] - height / 2), float(width), float(height))


def natural_aspect(points: np.ndarray, visibility: np.ndarray) -> float:
    """Width in units of height of the tightest [`person_box`] around poses."""
    narrow, wide = (person_box(points, visibility, aspect) for aspect in (1e-3, 1e3))
    return narrow.width / wide.height


def shift_inside(box: PersonBox, height: int, width: int, shown: np.ndarray | None = None) -> PersonBox:
    """Move a box into a picture of that size as far as it fits; a larger one is centred.

    Args:
        box ([`PersonBox`]): The box to move.
        height, width (`int`): Size of the picture.
        shown (`np.ndarray` of shape (N, 2), *optional*): Points in the box that must stay in it, also those beyond the
            picture.
    """
    left = min(max(box.left, 0), width - box.width) if box.width <= width else (width - box.width) / 2
    top = min(max(box.top, 0), height - box.height) if box.height <= height else (height - box.height) / 2
    if shown is not None:
        low, high = shown.min(0), shown.max(0)
        left = min(max(left, float(high[0]) + 1 - box.width), float(low[0]))
        top = min(max(top, float(high[1]) + 1 - box.height), float(low[1]))
    return PersonBox(left, top, box.width, box.height)


def fit_inside(box: PersonBox, height: int, width: int, most: float) -> PersonBox:
    """Shrink a box around its centre, and move it, until at most the share `most` of it lies beyond a picture of that size: of
    somebody who is cut off by the picture a part is shown, not a repeated border."""
    x, y = box.left + box.width / 2, box.top + box.height / 2
    for scale in np.linspace(1, 0.1, 91):
        across, down = box.width * scale, box.height * scale
        fitted = shift_inside(PersonBox(x - across / 2, y - down / 2, across, down), height, width)
        if fitted.outside(height, width) <= most:
            break
    return fitted


def inside_picture(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Whether points (..., 2) in pixels lie in a picture, (...), bool."""
    return np.all((points > -0.5) & (points < [width - 0.5, height - 0.5]), axis=-1)


def cut_person(picture: np.ndarray, box: PersonBox, height: int, width: int) -> np.ndarray:
    """Crop (height, width, 3) of a picture (H, W, 3), uint8; beyond the picture its border is repeated."""
    shrink = box.height / height
    if shrink > 1.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrink)
    matrix = box.to_crop(height, width)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
