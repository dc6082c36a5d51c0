"""The square around a face: one steady box per clip, cutting it out, and pasting the result back softly."""

from dataclasses import dataclass

import cv2
import numpy as np

from .keypoints import EYES


# How the training clips are framed: the landmarks' box is 60 % of the crop's side and sits a little below its middle.
CROP_SCALE = 1.66
CROP_SHIFT = 0.07
# Faces tilted further than this are cut out upright; smaller tilts stay, as they do in the training clips.
MAX_TILT = np.deg2rad(35.0)


@dataclass(frozen=True)
class FaceBox:
    """A square in a picture, possibly turned.

    Args:
        x, y (`float`): Centre, in pixels.
        side (`float`): Length of a side, in pixels.
        angle (`float`, *optional*, defaults to 0): Clockwise turn of the square, in radians.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @property
    def origin(self) -> tuple[float, float]:
        """Top left corner of an upright box."""
        return self.x - self.side / 2, self.y - self.side / 2

    def to_crop(self, size: int) -> np.ndarray:
        """Affine matrix (2, 3) from picture pixels to the pixels of a crop of `size`."""
        zoom = size / self.side
        cosine, sine = zoom * np.cos(self.angle), zoom * np.sin(self.angle)
        linear = np.array([[cosine, sine], [-sine, cosine]])
        middle = (size - 1) / 2 - linear @ [self.x - 0.5, self.y - 0.5]
        return np.c_[linear, middle]

    def points_to_crop(self, points: np.ndarray, size: int) -> np.ndarray:
        """Move points (..., 2) from picture pixels to crop pixels."""
        matrix = self.to_crop(size)
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def points_to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Move points (..., 2) from crop pixels to picture pixels."""
        matrix = cv2.invertAffineTransform(self.to_crop(size))
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def face_box(points: np.ndarray, visibility: np.ndarray | None = None) -> FaceBox:
    """One steady box for all frames of a clip.

    Args:
        points (`np.ndarray` of shape (T, K, 2)): Landmarks in pixels.
        visibility (`np.ndarray` of shape (T, K), *optional*): Points with 0 are ignored.

    Raises:
        ValueError: if no point is visible.
    """
    seen = np.ones(points.shape[:2], bool) if visibility is None else visibility > 0
    frames = [frame[mask] for frame, mask in zip(points, seen, strict=True) if mask.any()]
    if not frames:
        raise ValueError("No landmark is visible, so there is no face to put a box around.")
    angle = _tilt(points, seen)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = [frame @ turn.T for frame in frames]
    low, high = np.array([f.min(0) for f in turned]), np.array([f.max(0) for f in turned])
    side = CROP_SCALE * float(np.median((high - low).max(1)))
    centre = np.median((low + high) / 2, axis=0) - [0, CROP_SHIFT * side]
    x, y = turn.T @ centre
    return FaceBox(float(x) + 0.5, float(y) + 0.5, side, float(angle))


def _tilt(points: np.ndarray, seen: np.ndarray) -> float:
    """Median roll of the line between the eyes, 0 while it is small or the eyes are not visible."""
    if points.shape[1] < EYES.stop:
        return 0.0
    eyes = points[seen[:, EYES].all(1)][:, EYES]
    if not len(eyes):
        return 0.0
    across = np.median(eyes[:, 6:].mean(1) - eyes[:, :6].mean(1), axis=0)
    angle = float(np.arctan2(across[1], across[0]))
    return angle if abs(angle) > MAX_TILT else 0.0


def cut_out(picture: np.ndarray, box: FaceBox, size: int) -> np.ndarray:
    """Crop (size, size, 3) of a picture (H, W, 3), uint8; beyond the picture its border is repeated."""
    matrix = box.to_crop(size)
    shrink = box.side / size
    if shrink > 1.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrink)
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def soft_mask(size: int, margin: float = 0.12) -> np.ndarray:
    """Weights (size, size) of the crop when it is pasted back: 1 inside, falling smoothly to 0 at the border."""
    ramp = np.clip((np.arange(size) + 0.5) / (margin * size), 0, 1)
    edge = np.minimum(ramp, ramp[::-1])
    smooth = edge * edge * (3 - 2 * edge)
    return np.outer(smooth, smooth).astype(np.float32)


def paste_back(picture: np.ndarray, crop: np.ndarray, box: FaceBox) -> np.ndarray:
    """Lay a crop (S, S, 3) into a copy of the picture (H, W, 3) it was cut from; pixels outside stay untouched."""
    size = crop.shape[0]
    matrix = cv2.invertAffineTransform(box.to_crop(size))
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], float) @ matrix[:, :2].T + matrix[:, 2]
    low = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, [picture.shape[1], picture.shape[0]])
    if (low >= high).any():
        return picture.copy()
    matrix[:, 2] -= low
    extent = (int(high[0] - low[0]), int(high[1] - low[1]))
    weights = cv2.warpAffine(soft_mask(size), matrix, extent, flags=cv2.INTER_LINEAR)[..., None]
    laid = cv2.warpAffine(crop, matrix, extent, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    result = picture.copy()
    region = result[low[1] : high[1], low[0] : high[0]]
    region[:] = np.rint(weights * laid + (1 - weights) * region).astype(np.uint8)
    return result
