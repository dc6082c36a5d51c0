"""Body key points by MediaPipe's Pose Landmarker (33 points), an optional dependency."""

from itertools import zip_longest
from pathlib import Path

import numpy as np

from .body_keypoints import BodyKeypoints
from .landmarks_mediapipe import as_mediapipe_image, import_mediapipe, release_at_exit


MODEL_URL = "https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/float16/latest/pose_landmarker_full.task"
# MediaPipe guesses where hidden joints are; below this product of visibility and presence a point counts as missing.
MIN_VISIBILITY = 0.3


class MediaPipeBodyDetector:
    """Key points of up to `max_bodies` persons by MediaPipe Tasks, frame by frame and without state.

    Args:
        model_path (`str` or `Path`): A `pose_landmarker_*.task` file.
        max_bodies (`int`, *optional*, defaults to 4): Most persons returned per frame.
        min_confidence (`float`, *optional*, defaults to 0.4): Detection threshold in [0, 1].
        silhouettes (`bool`, *optional*, defaults to `False`): Also return the bodies' silhouettes.

    Raises:
        ImportError: if `mediapipe` is not installed.
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is no pose model.
    """

    def __init__(
        self, model_path: str | Path, max_bodies: int = 4, min_confidence: float = 0.4, silhouettes: bool = False
    ) -> None:
        path = Path(model_path)
        if not path.is_file():
            raise FileNotFoundError(
                f"MediaPipe model file {str(path)!r} does not exist; its official address is {MODEL_URL}."
            )
        self._mediapipe, vision = import_mediapipe("MediaPipeBodyDetector")
        options = vision.PoseLandmarkerOptions(
            base_options=self._mediapipe.tasks.BaseOptions(model_asset_path=str(path)),
            num_poses=max_bodies,
            min_pose_detection_confidence=min_confidence,
            output_segmentation_masks=silhouettes,
        )
        try:
            self._model = vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{str(path)!r} cannot be loaded as a MediaPipe pose model: {error}") from error
        release_at_exit(self._model)

    def detect(self, frames: np.ndarray) -> list[list[BodyKeypoints]]:
        """See [`BodyDetector.detect`]; layout `"mediapipe33"`, visibility 0 or 1."""
        return [self._detect_one(frame) for frame in frames]

    def _detect_one(self, frame: np.ndarray) -> list[BodyKeypoints]:
        height, width = frame.shape[:2]
        bodies = []
        result = self._model.detect(as_mediapipe_image(self._mediapipe, frame))
        masks = [mask.numpy_view().reshape(height, width).copy() for mask in result.segmentation_masks or ()]
        for found, silhouette in zip_longest(result.pose_landmarks, masks):
            points = np.array([[point.x * width, point.y * height] for point in found], np.float32) - 0.5
            trust = np.array([point.visibility * point.presence for point in found], np.float32)
            seen = (trust > MIN_VISIBILITY).astype(np.float32)
            if seen.any():
                bodies.append(BodyKeypoints(points, "mediapipe33", seen, float(trust.mean()), silhouette))
        return sorted(bodies, key=lambda body: -body.size)
