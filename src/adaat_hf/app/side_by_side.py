"""Source, driver and result beside each other in one video."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ..video import VideoReader, write_video


HEIGHT, CAPTION = 360, 30


def write_side_by_side(
    output: Path, source: np.ndarray, result: Path, fps: Fraction, driver: Path | None = None
) -> Path:
    """Write the comparison, marked as synthetic, with the result's sound.

    Args:
        output (`Path`): The mp4 to write.
        source (`np.ndarray` of shape (H, W, 3)): The photograph, uint8.
        result (`Path`): The animated video.
        fps (`Fraction`): Its frame rate.
        driver (`Path`, *optional*): The driving video; without one there is no such panel.
    """
    return write_video(_compared(source, result, fps, driver), output, fps, result, mark=True)


def _compared(source: np.ndarray, result: Path, fps: Fraction, driver: Path | None) -> Iterator[np.ndarray]:
    still = held = _panel(source)
    guide = iter(VideoReader(driver, fps)) if driver is not None else None
    names = ["source", "driver", "result"] if guide is not None else ["source", "result"]
    for frame in VideoReader(result):
        panels = [still]
        if guide is not None:
            held = _panel(next(guide, None), held)
            panels.append(held)
        yield _captioned([*panels, _panel(frame)], names)


def _panel(picture: np.ndarray | None, otherwise: np.ndarray | None = None) -> np.ndarray:
    if picture is None:
        assert otherwise is not None
        return otherwise
    width = max(1, round(picture.shape[1] * HEIGHT / picture.shape[0]))
    return cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA)


def _captioned(panels: list[np.ndarray], names: list[str]) -> np.ndarray:
    """Panels in a row over a strip with their names; the strip has room for the label of synthetic media."""
    row = np.hstack(panels)
    strip = PIL.Image.new("RGB", (row.shape[1], CAPTION), "black")
    draw, font = PIL.ImageDraw.Draw(strip), PIL.ImageFont.load_default(16)
    left = 0
    for panel, name in zip(panels, names, strict=True):
        draw.text((left + 8, CAPTION // 2), name, font=font, fill="white", anchor="lm")
        left += panel.shape[1]
    return np.vstack([row, np.asarray(strip)])
