"""Face landmarks by MediaPipe's official Face Landmarker (478 points), an optional dependency."""

import atexit
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.constants import HF_HOME

from .landmarks import MESH478, FaceLandmarks


MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
FILE_NAME = "face_landmarker.task"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def fetch_model(where: str) -> Path:
    """Find the model file, over the network only if `where` asks for it.

    Args:
        where (`str`): `"official"` (downloaded once from its official address into the Hugging Face cache),
            `"hub:<org>/<name>"` (`face_landmarker.task` of a repository on the Hub), or a path.

    Raises:
        ValueError: if the download fails or is not the pinned official model.
    """
    try:
        if where.startswith("hub:"):
            return Path(hf_hub_download(where.removeprefix("hub:"), FILE_NAME))
        if where != "official":
            return Path(where)
        path = Path(HF_HOME) / "adaat_hf" / FILE_NAME
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(MODEL_URL, str(path), hash_prefix=MODEL_SHA256, progress=False)
        return path
    except (OSError, RuntimeError) as error:
        raise ValueError(f"The MediaPipe model cannot be had from {where!r}: {error}") from error


def import_mediapipe(user: str) -> tuple[Any, Any]:
    """The modules `mediapipe` and `mediapipe.tasks.python.vision`, with an error that names who needs them."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        import mediapipe
        from mediapipe.tasks.python import vision
    except ImportError as error:
        raise ImportError(f"{user} needs the package `mediapipe`: pip install 'adaat-hf[mediapipe]'.") from error
    return mediapipe, vision


def release_at_exit(model: Any) -> None:
    """MediaPipe's finaliser fails with a traceback once the interpreter is shutting down; the process ends anyway."""
    atexit.register(setattr, model, "_handle", None)


def as_mediapipe_image(mediapipe: Any, frame: np.ndarray) -> Any:
    """Wrap a frame (H, W, 3), RGB, uint8."""
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))


class MediaPipeLandmarker:
    """Landmarks of up to `max_faces` faces by MediaPipe Tasks, frame by frame and without state.

    Args:
        model_path (`str` or `Path`): A `face_landmarker.task` file whose sha256 is the official one.
        max_faces (`int`, *optional*, defaults to 1): Most faces returned per frame.
        min_confidence (`float`, *optional*, defaults to 0.5): Detection threshold in [0, 1].

    Raises:
        ImportError: if `mediapipe` is not installed.
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is not the pinned official model.
    """

    def __init__(self, model_path: str | Path, max_faces: int = 1, min_confidence: float = 0.5) -> None:
        path = Path(model_path)
        if not path.is_file():
            raise FileNotFoundError(
                f"MediaPipe model file {str(path)!r} does not exist; its official address is {MODEL_URL}."
            )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != MODEL_SHA256:
            raise ValueError(
                f"{str(path)!r} has sha256 {digest}, expected {MODEL_SHA256} (the official Face Landmarker)."
            )
        mediapipe, vision = import_mediapipe("MediaPipeLandmarker")
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(path)),
            num_faces=max_faces,
            min_face_detection_confidence=min_confidence,
        )
        self._mediapipe = mediapipe
        self._model = vision.FaceLandmarker.create_from_options(options)
        release_at_exit(self._model)

    def detect(self, frames: np.ndarray) -> list[list[FaceLandmarks]]:
        """See [`FaceLandmarker.detect`]; layout `"mesh478"`."""
        return [self._detect_one(frame) for frame in frames]

    def _detect_one(self, frame: np.ndarray) -> list[FaceLandmarks]:
        height, width = frame.shape[:2]
        faces = []
        for found in self._model.detect(as_mediapipe_image(self._mediapipe, frame)).face_landmarks:
            points = np.array([[point.x * width, point.y * height] for point in found], np.float32) - 0.5
            faces.append(FaceLandmarks(points, MESH478, np.ones(len(points), np.float32)))
        return sorted(faces, key=lambda face: -face.size)
