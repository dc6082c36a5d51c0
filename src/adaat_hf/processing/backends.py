"""Choose a landmark detector by a short text."""

from pathlib import Path

import torch

from ..bundled import bundled_path
from ..models.modeling_landmarker import AdaATLandmarker
from .bodies_mediapipe import MediaPipeBodyDetector
from .bodies_vitpose import VitPoseBodyDetector
from .body_keypoints import BodyDetector
from .landmarks import FaceLandmarker
from .landmarks_mediapipe import MediaPipeLandmarker, fetch_model
from .landmarks_torch import TorchBodyDetector, TorchLandmarker


def open_landmarker(name: str) -> FaceLandmarker:
    """Open a detector of face landmarks.

    Args:
        name (`str`): `"mediapipe:<path of face_landmarker.task>"`, `"mediapipe:official"` or `"mediapipe:hub:<org>/<name>"`
            (see [`fetch_model`]), or the folder of an [`AdaATLandmarker`] (such as `"bundled/face"`).

    Raises:
        ValueError: if the text names no detector.
    """
    kind, _, argument = name.partition(":")
    if kind == "mediapipe" and argument:
        return MediaPipeLandmarker(fetch_model(argument))
    return TorchLandmarker(_load_landmarker(name, "landmarker"))


def open_body_detector(name: str) -> BodyDetector:
    """Open a detector of body key points.

    Args:
        name (`str`): `"mediapipe:<path of a pose_landmarker.task>"`; `"vitpose"` or `"vitpose:<model>"` (see
            [`VitPoseBodyDetector`]); or the folder of an [`AdaATLandmarker`] for bodies (such as `"bundled/person"`).

    Raises:
        ValueError: if the text names no detector.
    """
    kind, _, argument = name.partition(":")
    if kind == "mediapipe" and argument:
        return MediaPipeBodyDetector(argument)
    if kind == "vitpose":
        return VitPoseBodyDetector.from_pretrained(*([argument] if argument else []))
    return TorchBodyDetector(_load_landmarker(name, "body_landmarker"))


def _load_landmarker(name: str, subfolder: str) -> AdaATLandmarker:
    folder = bundled_path(name) or Path(name)
    for place in (folder / subfolder, folder):
        if (place / "config.json").is_file():
            return AdaATLandmarker.from_pretrained(place, dtype=torch.float32)
    raise ValueError(f"There is no landmark detector {name!r}, expected 'mediapipe:<path>' or a landmarker's folder.")
