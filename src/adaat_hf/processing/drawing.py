"""Draw body poses, in the usual colours of OpenPose."""

import colorsys

import cv2
import numpy as np

from .body_keypoints import BODY18_BONES


def draw_pose(points: np.ndarray, visibility: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Draw the bones and joints of a pose over a copy of a picture.

    Args:
        points (`np.ndarray` of shape (18, 2)): Pixels.
        visibility (`np.ndarray` of shape (18,)): Points with 0, and their bones, are left out.
        picture (`np.ndarray` of shape (H, W, 3)): uint8.
    """
    drawn = picture.copy()
    thickness = max(1, round(picture.shape[0] / 90))
    for number, (first, second) in enumerate(BODY18_BONES):
        if visibility[first] > 0 and visibility[second] > 0:
            start, end = _pixel(points[first]), _pixel(points[second])
            cv2.line(drawn, start, end, _colour(number, len(BODY18_BONES)), thickness, cv2.LINE_AA)
    for number, (point, seen) in enumerate(zip(points, visibility, strict=True)):
        if seen > 0:
            cv2.circle(drawn, _pixel(point), thickness + 1, _colour(number, len(points)), -1, cv2.LINE_AA)
    return drawn


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _colour(number: int, count: int) -> tuple[int, int, int]:
    red, green, blue = (int(255 * value) for value in colorsys.hsv_to_rgb(number / count, 1, 1))
    return red, green, blue
