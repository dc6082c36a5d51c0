"""The poses of a clip from files of key points: one array for all frames, a list, or OpenPose's folder of files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .body_keypoints import BODY18
from .body_tracking import BodyTrack
from .plain_arrays import read_plain_arrays, read_text
from .pose_files import MIN_POINTS, BodyPose, PoseError, as_pose, check_point_order, read_pose_file


@dataclass(frozen=True)
class PoseSequence:
    """Key points of a clip.

    Args:
        track ([`BodyTrack`]): The points of every frame.
        fps (`float`, *optional*): Frame rate, where the file tells it.
    """

    track: BodyTrack
    fps: float | None = None


def read_pose_sequence(path: str | Path, person: int = 0) -> PoseSequence:
    """Read the poses of all frames.

    Args:
        path (`str` or `Path`): An npz or npy with `points` (T, K, 2 or 3) and, optionally, `visibility` (T, K), `fps` and
            `size` (height and width); a json with one pose per frame (see [`read_pose_file`]); or a folder with one json of
            OpenPose per frame, in the order of their names. Frames without a usable pose are missing; NaN is a missing point.
        person (`int`, *optional*, defaults to 0): Which of OpenPose's persons.

    Raises:
        FileNotFoundError: if the path does not exist.
        PoseError: if the file has another form, the wrong number of points, or no frame with a pose.
    """
    path = Path(path)
    if path.is_dir():
        found = [_openpose_frame(file, person) for file in sorted(path.glob("*.json"))]
        return PoseSequence(_as_track(found, path))
    if path.suffix.lower() == ".json":
        return PoseSequence(_as_track(read_pose_file(path), path))
    return _from_arrays(path)


def is_pose_folder(path: str | Path) -> bool:
    """Whether a folder holds json files of poses."""
    return Path(path).is_dir() and next(Path(path).glob("*.json"), None) is not None


def poses_to_track(points: np.ndarray, visibility: np.ndarray | None = None) -> BodyTrack:
    """Poses (T, K, 2 or 3) of a known layout as a track; see [`as_pose`] for what counts as missing.

    Raises:
        PoseError: if K is no known layout, or no frame has a pose.
    """
    seen = [None] * len(points) if visibility is None else list(visibility)
    frames = [_lenient(frame, shown) for frame, shown in zip(points, seen, strict=True)]
    return _as_track(frames, "the array")


def _from_arrays(path: Path) -> PoseSequence:
    if not path.is_file():
        raise FileNotFoundError(f"Pose file {str(path)!r} does not exist.")
    arrays = read_plain_arrays(path, PoseError)
    points = arrays.get("points")
    if points is None or points.ndim != 3 or points.shape[2] not in (2, 3):
        shown = sorted(arrays) if points is None else f"'points' of shape {points.shape}"
        raise PoseError(f"{str(path)!r} holds {shown}, expected 'points' of shape (T, K, 2) or (T, K, 3).")
    visibility = arrays.get("visibility")
    if visibility is not None and visibility.shape != points.shape[:2]:
        raise PoseError(f"'visibility' in {str(path)!r} has shape {visibility.shape}, expected {points.shape[:2]}.")
    track = poses_to_track(points, visibility)
    size = arrays.get("size")
    extent = None if size is None else (int(size[0]), int(size[1]))
    fps = float(arrays["fps"]) if "fps" in arrays else None
    return PoseSequence(BodyTrack(track.points, track.visibility, extent), fps)


def _lenient(points: Any, visibility: Any) -> BodyPose | None:
    """A pose, or `None` where a frame shows too little."""
    pose = as_pose(points, visibility, check_order=False)
    return pose if (pose.visibility > 0).sum() >= MIN_POINTS else None


def _openpose_frame(file: Path, person: int) -> BodyPose | None:
    try:
        people = json.loads(read_text(file, PoseError))["people"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise PoseError(f"{str(file)!r} is no file of OpenPose: {error!r}.") from error
    if person >= len(people):
        return None
    values = np.asarray(people[person].get("pose_keypoints_2d", []), np.float64).reshape(-1, 3)
    return _lenient(values, None)


def _as_track(poses: Sequence[BodyPose | None], where: Any) -> BodyTrack:
    found = [pose for pose in poses if pose is not None]
    if not found:
        raise PoseError(
            f"None of the {len(poses)} frames of {str(where)!r} has a pose of at least {MIN_POINTS} points."
        )
    fullest = max(found, key=lambda pose: int((pose.visibility > 0).sum()))
    check_point_order(fullest.points, fullest.visibility)
    empty = BodyPose(np.zeros((BODY18.count, 2), np.float32), np.zeros(BODY18.count, np.float32))
    frames = [empty if pose is None else pose for pose in poses]
    return BodyTrack(
        np.stack([pose.points for pose in frames]), np.stack([pose.visibility for pose in frames]), found[0].size
    )
