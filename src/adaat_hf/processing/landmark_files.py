"""Landmarks of a clip from files: OpenFace csv and npz."""

import csv
import io
from fractions import Fraction
from pathlib import Path

import numpy as np

from .face_tracking import FaceTrack
from .keypoints import FACE96, IBUG68, IBUG70
from .landmarks import MESH478, FaceLandmarks
from .plain_arrays import read_plain_arrays, read_text


LAYOUT_BY_COUNT = {IBUG68.count: IBUG68.name, IBUG70.count: IBUG70.name, FACE96.count: FACE96.name, 478: MESH478}
MIN_CONFIDENCE = 0.5


def read_landmark_file(path: str | Path) -> tuple[FaceTrack, Fraction | None]:
    """Read landmarks of a clip.

    Args:
        path (`str` or `Path`): An OpenFace csv (columns `x_0`..`x_67`, `y_0`..`y_67`; the first face is used; rows with
            `success` 0 or low `confidence` count as frames without a face), or an npz with `points` (T, K, 2) in pixels,
            K being 68, 70, 96 or 478, and optionally `visibility` (T, K) and `fps`.

    Returns:
        `tuple[FaceTrack, Fraction | None]`: the landmarks and, where the file tells, the frame rate.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file has another form, or no usable landmarks.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Landmark file {str(path)!r} does not exist.")
    if path.suffix.lower() == ".csv":
        points, visibility, fps = _read_openface(path)
    elif path.suffix.lower() == ".npz":
        points, visibility, fps = _read_npz(path)
    else:
        raise ValueError(f"{str(path)!r} is no landmark file, expected a .csv (OpenFace) or a .npz.")
    if not (visibility > 0).any():
        raise ValueError(f"{str(path)!r} has no frame with a face.")
    if not np.isfinite(points[visibility > 0]).all():
        raise ValueError(f"{str(path)!r} has a visible landmark whose coordinates are not finite.")
    layout = LAYOUT_BY_COUNT[points.shape[1]]
    frames = [FaceLandmarks(p, layout, v).as_face96() for p, v in zip(points, visibility, strict=True)]
    return FaceTrack(np.array([p for p, _ in frames]), np.array([v for _, v in frames])), fps


def _read_openface(path: Path) -> tuple[np.ndarray, np.ndarray, Fraction | None]:
    with io.StringIO(read_text(path, ValueError), newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        names = {name.strip() for name in reader.fieldnames or ()}
        wanted = [f"{axis}_{n}" for n in range(68) for axis in "xy"]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise ValueError(
                f"{str(path)!r} is no OpenFace landmark csv: it lacks the columns {missing[:3]} and others."
            )
        rows = [{(k or "").strip(): v for k, v in row.items()} for row in reader]
    first = [row for row in rows if int(float(row.get("face_id") or 0)) == int(float(rows[0].get("face_id") or 0))]
    try:
        points = np.array([[float(row[name]) for name in wanted] for row in first], np.float32).reshape(-1, 68, 2)
        trusted = [
            float(row.get("success") or 1) > 0 and float(row.get("confidence") or 1) >= MIN_CONFIDENCE for row in first
        ]
        times = np.array([float(row.get("timestamp") or "nan") for row in first])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} has a row with a missing or damaged number: {error}.") from error
    visibility = np.repeat(np.array(trusted, np.float32)[:, None], 68, 1)
    steps = np.diff(times)
    known = len(steps) > 0 and bool(np.isfinite(steps).all()) and float(np.median(steps)) > 0
    return points, visibility, Fraction(1 / float(np.median(steps))).limit_denominator(1001) if known else None


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray, Fraction | None]:
    content = read_plain_arrays(path, ValueError)
    if "points" not in content:
        raise ValueError(f"{str(path)!r} holds {sorted(content)}, expected an array 'points' of shape (T, K, 2).")
    points = content["points"].astype(np.float32)
    if points.ndim != 3 or points.shape[2] != 2 or points.shape[1] not in LAYOUT_BY_COUNT or not len(points):
        raise ValueError(
            f"'points' in {str(path)!r} has shape {points.shape}, expected (T, K, 2) with K in {sorted(LAYOUT_BY_COUNT)}."
        )
    visibility = content.get("visibility", np.ones(points.shape[:2])).astype(np.float32)
    if visibility.shape != points.shape[:2]:
        raise ValueError(f"'visibility' in {str(path)!r} has shape {visibility.shape}, expected {points.shape[:2]}.")
    fps = Fraction(float(content["fps"])).limit_denominator(1001) if "fps" in content else None
    return points, visibility, fps
