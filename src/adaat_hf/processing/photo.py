"""Find the faces of a photograph: also small ones, and in pictures that lie on their side."""

from dataclasses import replace

import cv2
import numpy as np

from .boxes import suppress_overlaps, windows
from .landmarks import FaceLandmarker, FaceLandmarks


WINDOW_SHARES = (0.5, 0.3)
WINDOW_PIXELS = 384
# A turned picture must show a face this much more prominently than the picture as it is.
SIDEWAYS_MARGIN = 1.3
# Below this size a face has too few pixels to be animated.
MIN_FACE_PIXELS = 24


class NoFaceError(ValueError):
    """No face was found where one is needed."""


def find_faces(picture: np.ndarray, landmarker: FaceLandmarker) -> list[FaceLandmarks]:
    """All faces of a photograph, the largest first.

    The picture is searched as it is and turned by 90, 180 and 270 degrees, since detectors see a smaller, wrong face in one
    that lies on its side; if nothing is found, in overlapping enlarged windows.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): RGB, uint8.
        landmarker (`FaceLandmarker`): The detector.
    """
    faces = {turns: _detect_turned(picture, turns, landmarker) for turns in range(4)}
    best = max(faces, key=lambda turns: _prominence(faces[turns]) / (SIDEWAYS_MARGIN if turns else 1))
    found = _usable(faces[best]) or _usable(find_small_faces(picture, landmarker))
    return sorted(found or faces[best], key=lambda face: -face.size)


def _detect_turned(picture: np.ndarray, turns: int, landmarker: FaceLandmarker) -> list[FaceLandmarks]:
    turned = np.ascontiguousarray(np.rot90(picture, turns))
    faces = landmarker.detect(turned[None])[0]
    return [_turned_back(face, turns, picture.shape) for face in faces] if turns else faces


def _prominence(faces: list[FaceLandmarks]) -> float:
    return max((face.size * face.score for face in faces), default=0.0)


def _usable(faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
    return [face for face in faces if face.size >= MIN_FACE_PIXELS]


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
