"""The small visible label in the lower right corner, and how to find it again."""

from functools import lru_cache

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont


# The longest one that takes no more than `WIDEST` of the picture's width is drawn, else the last one.
TEXTS = ("AI-generated", "AI")
WIDEST = 0.45
# Height of the letters in units of the shorter side, and in pixels.
FONT_SHARE, SMALLEST_FONT = 0.03, 9
PLATE_OPACITY, TEXT_OPACITY = 0.45, 0.9
# Correlation of a picture with the label from which on it counts as there.
FOUND = 0.6
# Resized copies: font size of the label that is resized to be looked for, how many sizes, and the smallest.
DRAWN_FONT, SIZES, SMALLEST_FOUND = 48, 40, 6


def draw_label(picture: np.ndarray) -> np.ndarray:
    """A copy of a picture (H, W, 3), RGB, uint8, with the label; a picture too small to hold it stays as it is."""
    height, width = picture.shape[:2]
    plate = _plate(height, width)
    if plate is None:
        return picture
    result = picture.copy()
    corner = _corner(result, plate)
    alpha = plate[..., 3:].astype(np.float32) / 255
    corner[:] = (corner * (1 - alpha) + plate[..., :3] * alpha + 0.5).astype(np.uint8)
    return result


def label_score(picture: np.ndarray) -> float:
    """How well the lower right corner of a picture (H, W, 3) agrees with the label: 1 if it is there, about 0 if not.

    The normalised cross-correlation with the label's letters, the best one over sizes, so that a copy that was compressed or
    resized is still recognised. From `FOUND` on, the label is there.
    """
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    height, width = gray.shape
    own = _plate(height, width)
    best = 0.0 if own is None else _agreement(gray, _letters(own), 1.0)
    if best >= FOUND:
        return best
    shorter = min(height, width)
    letters = _letters(_draw(TEXTS[0], DRAWN_FONT))
    smallest, largest = max(SMALLEST_FOUND, 0.02 * shorter), 0.15 * shorter
    for size in np.geomspace(smallest, largest, SIZES) if smallest < largest else ():
        best = max(best, _agreement(gray, letters, size / DRAWN_FONT))
    return best


def _letters(plate: np.ndarray) -> np.ndarray:
    return (plate[..., 0].astype(np.float32) / 255) * plate[..., 3]


def _agreement(gray: np.ndarray, letters: np.ndarray, scale: float) -> float:
    """Correlation with letters resized by `scale`, near the place where a label of this size would be."""
    if scale != 1:
        letters = cv2.resize(letters, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tall, wide = letters.shape
    # The margin around a label is at most as high as the label.
    region = gray[max(0, gray.shape[0] - 2 * tall) :, max(0, gray.shape[1] - wide - tall) :]
    if region.shape[0] < tall or region.shape[1] < wide or region.std() < 1:
        return 0.0
    found = cv2.matchTemplate(region, letters, cv2.TM_CCOEFF_NORMED)
    return float(found[np.isfinite(found)].max(initial=0.0))


def _margin(height: int, width: int) -> int:
    return max(2, round(0.012 * min(height, width)))


def _corner(picture: np.ndarray, plate: np.ndarray) -> np.ndarray:
    margin = _margin(*picture.shape[:2])
    bottom, right = picture.shape[0] - margin, picture.shape[1] - margin
    return picture[bottom - plate.shape[0] : bottom, right - plate.shape[1] : right]


@lru_cache(maxsize=32)
def _plate(height: int, width: int) -> np.ndarray | None:
    """The label for pictures of this size as RGBA (h, w, 4), uint8."""
    size = max(SMALLEST_FONT, round(FONT_SHARE * min(height, width)))
    plates = [_draw(text, size) for text in TEXTS]
    plate = next((plate for plate in plates if plate.shape[1] <= WIDEST * width), plates[-1])
    margin = _margin(height, width)
    fits = plate.shape[0] + 2 * margin <= height and plate.shape[1] + 2 * margin <= width
    return plate if fits else None


def _draw(text: str, size: int) -> np.ndarray:
    font = PIL.ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    padding = max(2, round(0.3 * size))
    extent = (round(right - left) + 2 * padding, round(bottom - top) + 2 * padding)
    image = PIL.Image.new("RGBA", extent, (0, 0, 0, 0))
    draw = PIL.ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, extent[0] - 1, extent[1] - 1), padding, (0, 0, 0, round(255 * PLATE_OPACITY)))
    draw.text(
        (padding - left, padding - top), text, font=font, fill=(255, 255, 255, round(255 * TEXT_OPACITY))
    )  # fmt: skip
    return np.asarray(image)
