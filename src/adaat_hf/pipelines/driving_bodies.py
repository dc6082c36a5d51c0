"""The motion of a body to follow, from whatever a user has: video, pictures, key-point file, SMPL sequence, template."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from ..control.body_coefficients import BodyCoefficients
from ..control.body_fitting import BodyFitter
from ..control.body_template import BodyMotionTemplate
from ..control.smpl_files import SMPLMotion, is_smpl_motion, read_smpl_motion
from ..processing.body_keypoints import LAYOUT_BY_COUNT, BodyDetector
from ..processing.body_tracking import BodyTrack, track_body
from ..processing.pose_files import POSE_SUFFIXES
from ..processing.pose_sequences import is_pose_folder, poses_to_track, read_pose_sequence
from ..video import DEFAULT_FPS
from .body_warnings import warn_if_no_body_drives, warn_if_upside_down
from .driving import TEMPLATE_SUFFIX, counted, open_frames
from .persons import NoPersonError


BodyDrivingInput = str | Path | BodyMotionTemplate | SMPLMotion | np.ndarray | Sequence[PIL.Image.Image | np.ndarray]
LARGEST_RATE = 60


@dataclass(frozen=True)
class DrivingBody:
    """A driver's motion.

    Args:
        coefficients ([`BodyCoefficients`]): T frames, in the pixels of the driver's picture.
        fps (`Fraction`): Frame rate.
        size (`tuple[int, int]`, *optional*): Height and width of the driver's picture, where there is one.
        sound_from (`Path`, *optional*): File with the driver's sound.
    """

    coefficients: BodyCoefficients
    fps: Fraction
    size: tuple[int, int] | None = None
    sound_from: Path | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the frames in which nobody was found."""
        return tuple((~self.coefficients.valid).nonzero().flatten().tolist())


def read_body_motion(
    driving: BodyDrivingInput,
    detector: Callable[[], BodyDetector],
    fitter: BodyFitter,
    *,
    person: int = 0,
    fps: Fraction | float | None = None,
    progress: Callable[[int], Any] | None = None,
) -> DrivingBody:
    """Read a motion.

    Args:
        driving: Path of a video, of a folder of pictures, of key points (`.json`, `.npz`, `.npy`, or OpenPose's folder; see
            [`read_pose_sequence`]), of an SMPL sequence (`.npz`; see [`read_smpl_motion`]) or of a motion template
            (`.safetensors`); a [`BodyMotionTemplate`] or [`SMPLMotion`]; key points (T, K, 2 or 3) in pixels; or frames: an
            array (T, H, W, 3) or a list of pictures.
        detector (`Callable`): Returns the body detector; called only if one is needed.
        fitter ([`BodyFitter`]): Body-model fitter.
        person (`int`, *optional*, defaults to 0): Whom to follow, from the largest.
        fps (`Fraction` or `float`, *optional*): Frame rate; the input's own by default, else 25.
        progress (`Callable[[int], Any]`, *optional*): Called with the number of frames read so far.

    Raises:
        FileNotFoundError: if a path does not exist.
        NoPersonError: if no frame shows a person.
        ValueError: if the input is of no known kind or cannot be read.
    """
    if isinstance(driving, (str, Path)):
        if Path(driving).suffix.lower() == TEMPLATE_SUFFIX:
            driving = BodyMotionTemplate.load(driving)
        elif is_smpl_motion(driving):
            driving = read_smpl_motion(driving)
    if isinstance(driving, BodyMotionTemplate):
        return _resampled(_from_template(driving, fitter), driving.fps, fps)
    if isinstance(driving, SMPLMotion):
        motion = driving.coefficients(fitter.model)
        return _resampled(DrivingBody(motion, DEFAULT_FPS, driving.size), driving.fps, fps)
    track, own, rate, sound = _read_track(driving, detector, person, fps, progress)
    if not track.found.any():
        raise NoPersonError(f"None of the driver's {len(track.points)} frames shows a person.")
    points, seen = torch.from_numpy(track.points), torch.from_numpy(track.visibility)
    try:
        found = fitter.fit(points, seen, float(own or rate))
    except ValueError as error:
        raise NoPersonError(f"The driver cannot be used: {error}") from error
    warn_if_upside_down(found)
    warn_if_no_body_drives(fitter.misfit(found, points, seen), fitter.settings.misfit)
    return _resampled(DrivingBody(found, Fraction(rate), track.size, sound), own, fps)


def _read_track(
    driving: Any,
    detector: Callable[[], BodyDetector],
    person: int,
    fps: Fraction | float | None,
    progress: Callable[[int], Any] | None,
) -> tuple[BodyTrack, float | None, Fraction | float, Path | None]:
    """Key points, their own frame rate where they have one that differs from the output's, the rate, and the sound."""
    if isinstance(driving, (str, Path)):
        if is_pose_folder(driving) or Path(driving).suffix.lower() in POSE_SUFFIXES:
            sequence = read_pose_sequence(driving, person)
            return sequence.track, sequence.fps, sequence.fps or fps or DEFAULT_FPS, None
    if isinstance(driving, np.ndarray) and driving.ndim == 3 and driving.shape[1] in LAYOUT_BY_COUNT:
        return poses_to_track(driving), None, fps or DEFAULT_FPS, None
    frames, rate, sound = open_frames(driving, fps)
    return track_body(counted(frames, progress), detector(), person), None, rate, sound


def _from_template(template: BodyMotionTemplate, fitter: BodyFitter) -> DrivingBody:
    count = fitter.model.config.num_shape
    if len(template.coefficients.shape) != count:
        raise ValueError(
            f"The motion template has {len(template.coefficients.shape)} shape components, but this body model has {count}."
        )
    return DrivingBody(template.coefficients, DEFAULT_FPS, template.size)


def _resampled(motion: DrivingBody, own: float | None, fps: Fraction | float | None) -> DrivingBody:
    """The motion at the wanted rate; a file's own rate of more than 60 frames per second becomes 30."""
    if own is None:
        rate = Fraction(fps or motion.fps).limit_denominator(100_000)
        return DrivingBody(motion.coefficients, rate, motion.size, motion.sound_from)
    wanted = Fraction(fps or (own if own <= LARGEST_RATE else LARGEST_RATE // 2)).limit_denominator(100_000)
    count = max(1, round(len(motion.coefficients) * float(wanted) / own))
    index = (torch.arange(count) * own / float(wanted)).round().long().clamp_max(len(motion.coefficients) - 1)
    return DrivingBody(motion.coefficients.frames(index), wanted, motion.size, motion.sound_from)


__all__ = ["BodyDrivingInput", "DrivingBody", "read_body_motion"]
