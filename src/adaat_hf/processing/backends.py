"""Choose a landmark detector by a short text."""

from pathlib import Path

import torch

from ..bundled import bundled_path
from ..models.modeling_landmarker import AdaATLandmarker
from .bodies_mediapipe import MediaPipeBodyDetector
from .body_keypoints import BodyDetector
from .landmarks import FaceLandmarker
from .landmarks_mediapipe import MediaPipeLandmarker, fetch_model
from .landmarks_torch import TorchLandmarker


def open_landmarker(name: str) -> FaceLandmarker:
    """Open a detector.

    Args:
        name (`str`): `"mediapipe:<path of face_landmarker.task>"`, `"mediapipe:official"` or `"mediapipe:hub:<org>/<name>"`
            (see [`fetch_model`]), or the folder of an [`AdaATLandmarker`] (such as
            `"bundled/face"`).

    Raises:
        ValueError: if the text names no detector.
    """
    kind, _, argument = name.partition(":")
    if kind == "mediapipe" and argument:
        return MediaPipeLandmarker(fetch_model(argument))
    folder = bundled_path(name) or Path(name)
    if (folder / "landmarker" / "config.json").is_file():
        return TorchLandmarker(AdaATLandmarker.from_pretrained(folder, subfolder="landmarker", dtype=torch.float32))
    if (folder / "config.json").is_file():
        return TorchLandmarker(AdaATLandmarker.from_pretrained(folder, dtype=torch.float32))
    raise ValueError(f"There is no landmark detector {name!r}, expected 'mediapipe:<path>' or a landmarker's folder.")


def open_body_detector(name: str) -> BodyDetector:
    """Open a detector of body key points.

    Args:
        name (`str`): `"mediapipe:<path of a pose_landmarker.task>"`.

    Raises:
        ValueError: if the text names no detector.
    """
    kind, _, argument = name.partition(":")
    if kind == "mediapipe" and argument:
        return MediaPipeBodyDetector(argument)
    raise ValueError(f"There is no body detector {name!r}, expected 'mediapipe:<path>'.")
