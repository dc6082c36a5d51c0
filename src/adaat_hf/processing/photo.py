"""Find the faces of a photograph: also small ones, and in pictures that lie on their side."""

from dataclasses import replace

import cv2
import numpy as np

from .boxes import suppress_overlaps, windows
from .landmarks import FaceLandmarker, FaceLandmarks


WINDOW_SHARES = (0.5, 0.3)
WINDOW_PIXELS = 384


class NoFaceError(ValueError):
    """No face was found where one is needed."""


def find_faces(picture: np.ndarray, landmarker: FaceLandmarker) -> list[FaceLandmarks]:
    """All faces of a photograph, the largest first.

    The picture is searched as it is; if nothing is found, in overlapping enlarged windows, and turned by 90, 180 and 270
    degrees.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): RGB, uint8.
        landmarker (`FaceLandmarker`): The detector.
    """
    faces = landmarker.detect(picture[None])[0] or find_small_faces(picture, landmarker)
    for turns in (1, 3, 2):
        if faces:
            break
        turned = np.ascontiguousarray(np.rot90(picture, turns))
        faces = [_turned_back(face, turns, picture.shape) for face in landmarker.detect(turned[None])[0]]
    return sorted(faces, key=lambda face: -face.size)


def find_small_faces(picture: np.ndarray, landmarker: FaceLandmarker) -> list[FaceLandmarks]:
    """Faces found in overlapping enlarged windows of a picture (H, W, 3)."""
    found: list[FaceLandmarks] = []
    height, width = picture.shape[:2]
    for share in WINDOW_SHARES:
        for left, top, side in windows(height, width, share):
            window = picture[top : top + side, left : left + side]
            zoom = WINDOW_PIXELS / max(window.shape[:2])
            way = cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA
            scaled = cv2.resize(window, None, fx=zoom, fy=zoom, interpolation=way)
            for face in landmarker.detect(scaled[None])[0]:
                moved = (face.points / zoom + [left, top]).astype(np.float32)
                found.append(replace(face, points=moved))
    if not found:
        return []
    kept = suppress_overlaps(np.array([face.box for face in found]), np.array([face.score for face in found]))
    return [found[index] for index in kept]


def _turned_back(face: FaceLandmarks, turns: int, shape: tuple[int, ...]) -> FaceLandmarks:
    """Points of a face found after `np.rot90(picture, turns)`, in the picture of `shape`."""
    height, width = shape[:2]
    x, y = face.points.T
    places = {1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}[turns]
    return replace(face, points=np.stack(places, -1).astype(np.float32))
