"""The motion to follow, from whatever a user has: video, pictures, landmark file, motion template."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from ..control.arkit_files import is_performance, read_arkit_csv
from ..control.coefficients import FaceCoefficients
from ..control.fitting import FaceFitter
from ..control.smoothing import smooth
from ..control.template import MotionTemplate
from ..overlap import read_ahead
from ..processing.crop import face_box
from ..processing.face_tracking import FaceTrack, track_face
from ..processing.images import find_images, load_image
from ..processing.landmark_files import read_landmark_file
from ..processing.landmarks import FaceLandmarker
from ..processing.photo import NoFaceError
from ..video import DEFAULT_FPS, VideoReader


DrivingInput = str | Path | MotionTemplate | np.ndarray | Sequence[PIL.Image.Image | np.ndarray]
LANDMARK_SUFFIXES = (".csv", ".npz")
TEMPLATE_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class DrivingMotion:
    """A driver's motion.

    Args:
        coefficients ([`FaceCoefficients`]): T frames, in the pixels of a crop framed like the source's.
        fps (`Fraction`): Frame rate.
        sound_from (`Path`, *optional*): File with the driver's sound.
    """

    coefficients: FaceCoefficients
    fps: Fraction
    sound_from: Path | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the frames in which no face was found."""
        return tuple((~self.coefficients.valid).nonzero().flatten().tolist())


def read_driving(
    driving: DrivingInput,
    landmarker: Callable[[], FaceLandmarker],
    fitter: FaceFitter,
    size: int,
    *,
    face_index: int = 0,
    fps: Fraction | float | None = None,
    smoothing: bool = True,
    progress: Callable[[int], Any] | None = None,
) -> DrivingMotion:
    """Read a motion.

    Args:
        driving: Path of a video, of a folder of pictures, of a landmark file (OpenFace `.csv`, `.npz`), of an ARKit
            performance (Live Link Face `.csv`) or of a motion template (`.safetensors`); a [`MotionTemplate`]; or frames: an array (T, H, W, 3) or a list of pictures.
        landmarker (`Callable`): Returns the landmark detector; called only if one is needed.
        fitter ([`FaceFitter`]): Face-model fitter.
        size (`int`): Side of the crops that the motion is expressed in.
        face_index (`int`, *optional*, defaults to 0): Which person to follow, from the largest.
        fps (`Fraction` or `float`, *optional*): Frame rate; the input's own by default, else 25.
        smoothing (`bool`, *optional*, defaults to `True`): Remove jitter.
        progress (`Callable[[int], Any]`, *optional*): Called with the number of frames read so far.

    Raises:
        FileNotFoundError: if a path does not exist.
        NoFaceError: if no frame shows a face.
        ValueError: if the input is of no known kind or cannot be read.
    """
    if isinstance(driving, (str, Path)) and Path(driving).suffix.lower() == TEMPLATE_SUFFIX:
        driving = MotionTemplate.load(driving)
    if isinstance(driving, (str, Path)) and Path(driving).is_file() and is_performance(driving):
        driving = read_arkit_csv(driving, fitter.model)
    if isinstance(driving, MotionTemplate):
        return _from_template(driving, fitter, size, fps)
    sound = None
    if isinstance(driving, (str, Path)) and Path(driving).suffix.lower() in LANDMARK_SUFFIXES:
        track, own = read_landmark_file(driving)
        rate = fps or own or DEFAULT_FPS
    else:
        frames, rate, sound = open_frames(driving, fps)
        track = track_face(counted(frames, progress), landmarker(), face_index)
    coefficients = fit_track(track, fitter, size)
    rate = Fraction(rate).limit_denominator(100_000)
    return DrivingMotion(smooth(coefficients, float(rate)) if smoothing else coefficients, rate, sound)


def fit_track(track: FaceTrack, fitter: FaceFitter, size: int) -> FaceCoefficients:
    """Fit the face model to landmarks of a clip, in the pixels of its steady crop of side `size`."""
    if not track.found.any():
        raise NoFaceError(f"None of the driver's {len(track.points)} frames shows a face.")
    box = face_box(track.points, track.visibility)
    points = torch.from_numpy(box.points_to_crop(track.points, size))
    return fitter.fit(points, torch.from_numpy(track.visibility))


def _from_template(
    template: MotionTemplate, fitter: FaceFitter, size: int, fps: Fraction | float | None
) -> DrivingMotion:
    layout = fitter.model.config.layout
    if template.layout != layout:
        raise ValueError(f"The motion template is for the layout {template.layout!r}, expected {layout!r}.")
    moved = template.coefficients.in_crop(torch.zeros(2), size / template.size)
    return DrivingMotion(moved, Fraction(fps or template.fps).limit_denominator(100_000))


def open_frames(
    driving: Any, fps: Fraction | float | None
) -> tuple[Iterable[np.ndarray], Fraction | float, Path | None]:
    if isinstance(driving, (str, Path)):
        path = Path(driving)
        if path.is_dir():
            return _folder_frames(path), fps or DEFAULT_FPS, None
        reader = VideoReader(path, fps)
        return read_ahead(reader), reader.fps, path if reader.has_sound else None
    if isinstance(driving, np.ndarray) and driving.ndim != 4:
        raise ValueError(f"The driving array has shape {driving.shape}, expected (T, H, W, 3).")
    if isinstance(driving, (np.ndarray, list, tuple)) and len(driving):
        return read_ahead(load_image(frame) for frame in driving), fps or DEFAULT_FPS, None
    raise ValueError(
        f"The driver is a {type(driving).__name__}, expected a path, a MotionTemplate, or at least one frame."
    )


def _folder_frames(folder: Path) -> Iterable[np.ndarray]:
    files = find_images(folder)
    return read_ahead(load_image(path) for path in files)


def counted(frames: Iterable[np.ndarray], progress: Callable[[int], Any] | None) -> Iterable[np.ndarray]:
    for number, frame in enumerate(frames, 1):
        yield frame
        if progress is not None:
            progress(number)
