"""Facial performances from ARKit apps (Live Link Face csv): 52 expressions and head rotation per frame."""

import csv
import io
from pathlib import Path

import numpy as np
import torch

from ..expressions import ARKIT_EXPRESSIONS
from ..processing.plain_arrays import read_text
from .coefficients import FaceCoefficients
from .face_model import AdaATFaceModel
from .template import MotionTemplate


DEFAULT_FPS = 60.0
SIZE = 256
HEAD = ("headpitch", "headyaw", "headroll")


def is_performance(path: str | Path) -> bool:
    """Whether a file is a csv with the columns of ARKit's expressions."""
    if Path(path).suffix.lower() != ".csv":
        return False
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        return "jawopen" in _names(next(csv.reader(file), []))


def read_arkit_csv(path: str | Path, face_model: AdaATFaceModel, fps: float | None = None) -> MotionTemplate:
    """Read a performance.

    Columns are found by their names, in any order and case: the 52 expressions (missing ones count as 0), and `HeadYaw`,
    `HeadPitch`, `HeadRoll` in radians as Live Link Face writes them.

    Args:
        path (`str` or `Path`): The csv file.
        face_model ([`AdaATFaceModel`]): Of the pipeline.
        fps (`float`, *optional*): Frame rate; by default what the time codes tell, else 60.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such csv, has no rows, or a value is missing or not finite.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"ARKit csv {str(path)!r} does not exist.")
    lines = io.StringIO(read_text(Path(path), ValueError, "replace"), newline="")
    rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    names = _names(rows[0]) if rows else []
    if "jawopen" not in names:
        raise ValueError(f"{str(path)!r} is no ARKit csv: it has no column 'jawOpen' among {names[:5]}.")
    if len(rows) < 2:
        raise ValueError(f"{str(path)!r} has no frames.")
    expression = np.zeros((len(rows) - 1, len(ARKIT_EXPRESSIONS)), np.float32)
    for column, name in enumerate(ARKIT_EXPRESSIONS):
        if name.lower() in names:
            expression[:, column] = _column(rows, names, name.lower(), path)
    pitch, yaw, roll = (
        _column(rows, names, name, path) if name in names else np.zeros(len(expression), np.float32) for name in HEAD
    )
    # ARKit's axes are x right, y up, z towards the viewer; those of the face model x right, y down, z away.
    rotation = np.stack([pitch, -yaw, -roll], 1)
    frames = len(expression)
    face = FaceCoefficients(
        identity=torch.zeros(face_model.config.num_identity),
        offset=torch.zeros(len(face_model.mean), 3),
        expression=torch.from_numpy(expression).clamp(0, 1),
        rotation=torch.from_numpy(rotation),
        scale=torch.full((frames,), 0.36 * SIZE),
        translation=torch.full((frames, 2), SIZE / 2.0),
        valid=torch.ones(frames, dtype=torch.bool),
    )
    return MotionTemplate(face, fps or _rate(rows, names), SIZE, face_model.config.layout)


def _names(header: list[str]) -> list[str]:
    return [name.strip().lstrip("\ufeff").lower() for name in header]


def _column(rows: list[list[str]], names: list[str], name: str, path: str | Path) -> np.ndarray:
    at = names.index(name)
    try:
        values = np.array([float(row[at]) for row in rows[1:]], np.float32)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{str(path)!r} has a missing or damaged number in the column {name!r}: {error}.") from error
    if not np.isfinite(values).all():
        raise ValueError(f"{str(path)!r} has a value in the column {name!r} that is not finite.")
    return values


def _rate(rows: list[list[str]], names: list[str]) -> float:
    """Frames per second from time codes HH:MM:SS:FF.fff: the frames counted between two turns of the second."""
    if "timecode" not in names:
        return DEFAULT_FPS
    seconds: dict[str, int] = {}
    for row in rows[1:]:
        second = row[names.index("timecode")].rpartition(":")[0]
        seconds[second] = seconds.get(second, 0) + 1
    whole = list(seconds.values())[1:-1]
    return float(max(whole)) if whole and max(whole) > 1 else DEFAULT_FPS
