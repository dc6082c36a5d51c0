"""Body poses from files and from plain lists of points, in the layouts of OpenPose, COCO and MediaPipe."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .body_keypoints import BODY18, BODY18_BONES, LAYOUT_BY_COUNT, BodyKeypoints
from .plain_arrays import read_plain_arrays, read_text


POSE_SUFFIXES = (".json", ".npz", ".npy")
# The bones of real poses are at most 2.3 times as long as the shortest tree through the points (1108 photographs of
# exercises); those of points in a random order are longer than this in four of five cases.
MAX_DETOUR = 2.6
MIN_POINTS = 3


class PoseError(ValueError):
    """A pose cannot be used; the message says why."""


@dataclass(frozen=True)
class BodyPose:
    """The pose of one body.

    Args:
        points (`np.ndarray` of shape (18, 2)): Pixels (x, y) in the OpenPose order; the centre of the top left pixel is
            (0, 0).
        visibility (`np.ndarray` of shape (18,)): 0 for a missing point.
        size (`tuple[int, int]`, *optional*): Height and width of the picture that the pixels refer to, where known.
    """

    points: np.ndarray
    visibility: np.ndarray
    size: tuple[int, int] | None = None


def read_pose_file(path: str | Path) -> list[BodyPose]:
    """Read the poses of a file.

    Args:
        path (`str` or `Path`): A json of OpenPose (`people`, with `canvas_width` and `canvas_height` if there), of COCO
            (`annotations` or `keypoints`), a list of points, or a list of such lists; or an npz (`points`, `visibility`,
            `size` as height and width) or npy. See [`as_pose`] for the points.

    Raises:
        FileNotFoundError: if there is no such file.
        PoseError: if it has another form, or no usable pose.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Pose file {str(path)!r} does not exist.")
    suffix = path.suffix.lower()
    arrays = read_plain_arrays(path, PoseError) if suffix in (".npz", ".npy") else None
    try:
        if suffix == ".json":
            poses = _from_json(json.loads(read_text(path, PoseError)))
        elif arrays is not None:
            poses = _from_arrays(arrays)
        else:
            raise PoseError(f"it is no pose file, expected one of {POSE_SUFFIXES}")
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PoseError(f"{str(path)!r} is no json: {error}.") from error
    except PoseError as error:
        raise PoseError(f"{str(path)!r}: {error}") from error
    if not poses:
        raise PoseError(f"{str(path)!r} holds no person.")
    return poses


def as_pose(
    points: Any,
    visibility: Any = None,
    size: tuple[int, int] | None = None,
    layout: str | None = None,
    check_order: bool = True,
) -> BodyPose:
    """Make a pose of a list of points.

    Args:
        points: K points: `[x, y]`, `[x, y, visibility]`, `{"x": .., "y": .., "visibility": ..}` or `None`, in pixels;
            integers are fine. Points with a coordinate of -1 or NaN, `None`, and visibility 0 are missing; other points
            beyond the picture are kept. Coordinates within [0, 1] are shares of the picture, which then needs `size`. K tells the layout: 18 (OpenPose's
            COCO model), 17 (COCO), 25 (OpenPose's BODY_25) or 33 (MediaPipe).
        visibility (*optional*): K values.
        size (`tuple[int, int]`, *optional*): Height and width of the picture that the points refer to.
        layout (`str`, *optional*): Name of the layout that is expected; by default whatever K tells.
        check_order (`bool`, *optional*, defaults to `True`): Refuse points whose order makes no sense and lists with fewer
            than three points.

    Raises:
        PoseError: if the number of points is none of these, too few are there, or they are in a wrong order.
    """
    values, seen = _split(points, visibility)
    name = layout or LAYOUT_BY_COUNT.get(len(values))
    if name is None or LAYOUT_BY_COUNT.get(len(values)) != name:
        known = ", ".join(f"{count} ({name})" for count, name in sorted(LAYOUT_BY_COUNT.items()))
        raise PoseError(f"There are {len(values)} points, expected {known}.")
    values = _in_pixels(values, seen, size)
    body, seen = BodyKeypoints(values, name, seen).as_body18()
    if check_order:
        if (count := int((seen > 0).sum())) < MIN_POINTS:
            raise PoseError(f"{count} of {BODY18.count} points are there, at least {MIN_POINTS} are needed.")
        check_point_order(body, seen)
    return BodyPose(body, seen, size)


def _split(points: Any, visibility: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (K, 2), always floating, and visibility (K,); what is missing is 0."""
    if isinstance(points, (np.ndarray, torch.Tensor)):
        points = points.tolist()
    if not isinstance(points, Sequence) or isinstance(points, str):
        raise PoseError(f"The points are a {type(points).__name__}, expected a list of [x, y].")
    rows = [_row(point) for point in points]
    values = np.array(rows, np.float64).reshape(-1, 3)
    if visibility is not None:
        given = np.asarray(visibility, np.float64).reshape(-1)
        if len(given) != len(values):
            raise PoseError(f"There are {len(given)} visibilities for {len(values)} points.")
        values[:, 2] = np.minimum(values[:, 2], given)
    values = np.nan_to_num(values, nan=-1.0, posinf=-1.0, neginf=-1.0)
    # OpenPose writes a missing point as three zeros, DeepFashion's lists as -1.
    there = (values[:, 2] > 0) & (values[:, :2] != -1).all(1)
    return np.where(there[:, None], values[:, :2], 0).astype(np.float32), there.astype(np.float32)


def _row(point: Any) -> tuple[float, float, float]:
    if point is None:
        return -1.0, -1.0, 0.0
    if isinstance(point, dict):
        point = [point.get("x"), point.get("y"), point.get("visibility", 1.0)]
    try:
        numbers = [math.nan if value is None else float(value) for value in point]
    except (TypeError, ValueError) as error:
        raise PoseError(f"{point!r} is no point, expected [x, y] or [x, y, visibility].") from error
    if len(numbers) not in (2, 3):
        raise PoseError(f"{point!r} has {len(numbers)} numbers, expected [x, y] or [x, y, visibility].")
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 1.0


def _in_pixels(values: np.ndarray, seen: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    there = values[seen > 0]
    if not len(there) or there.max() > 1 or there.min() < 0:
        return values
    if size is None:
        raise PoseError(
            "All coordinates are within [0, 1], so they are shares of a picture whose size must be given (height, width)."
        )
    return values * np.array([size[1], size[0]], np.float32) - 0.5


def check_point_order(points: np.ndarray, seen: np.ndarray) -> None:
    """A wrong order makes bones run back and forth through the whole body."""
    there = points[seen > 0]
    shortest = _shortest_tree(there)
    if shortest < 1e-6:
        raise PoseError("All points are at the same place.")
    bones = sum(float(np.linalg.norm(points[a] - points[b])) for a, b in BODY18_BONES if seen[a] and seen[b])
    if bones > MAX_DETOUR * shortest:
        raise PoseError(
            f"The bones are {bones / shortest:.1f} times as long as the shortest way through the points, expected at most"
            f" {MAX_DETOUR}: the points seem not to be in the order nose, neck, right shoulder, right elbow, ... of OpenPose."
        )


def _shortest_tree(points: np.ndarray) -> float:
    """Length of the minimum spanning tree of points (N, 2) (Prim)."""
    distance = np.linalg.norm(points - points[0], axis=1)
    left = np.ones(len(points), bool)
    left[0], total = False, 0.0
    for _ in range(len(points) - 1):
        nearest = int(np.where(left, distance, np.inf).argmin())
        total += float(distance[nearest])
        left[nearest] = False
        distance = np.minimum(distance, np.linalg.norm(points - points[nearest], axis=1))
    return total


def _from_json(content: Any) -> list[BodyPose]:
    if isinstance(content, list):
        if not content:
            return []
        first = next((item for item in content if item is not None), None)
        if isinstance(first, dict) and ("people" in first or "keypoints" in first):
            return [pose for item in content for pose in _from_json(item)]
        several = isinstance(first, list) and first and isinstance(first[0], (list, dict, type(None)))
        return [as_pose(item) for item in content] if several else [as_pose(content)]
    if not isinstance(content, dict):
        raise PoseError(f"it holds a {type(content).__name__}, expected an object or a list.")
    if "people" in content:
        size = _size(content.get("canvas_height"), content.get("canvas_width"))
        return [_from_openpose(person, size) for person in content["people"]]
    if "annotations" in content:
        sizes = {i.get("id"): _size(i.get("height"), i.get("width")) for i in content.get("images", [])}
        found = [a for a in content["annotations"] if "keypoints" in a]
        return [as_pose(_triples(a["keypoints"]), size=sizes.get(a.get("image_id"))) for a in found]
    if "keypoints" in content:
        size = content.get("size")
        return [
            as_pose(
                _triples(content["keypoints"]), content.get("visibility"), _size(*size) if size else None,
                content.get("layout"),
            )
        ]  # fmt: skip
    raise PoseError(f"it has the keys {sorted(content)[:5]}, expected 'people', 'annotations' or 'keypoints'.")


def _from_openpose(person: dict[str, Any], size: tuple[int, int] | None) -> BodyPose:
    if "pose_keypoints_2d" not in person:
        raise PoseError(f"a person has the keys {sorted(person)[:5]}, expected 'pose_keypoints_2d'.")
    return as_pose(_triples(person["pose_keypoints_2d"]), size=size)


def _triples(values: Any) -> Any:
    """A flat list x, y, v, x, y, v, ... as points; other lists as they are."""
    if not isinstance(values, list) or not values or isinstance(values[0], (list, dict, type(None))):
        return values
    if len(values) % 3:
        raise PoseError(f"there are {len(values)} numbers, expected x, y and visibility for each point.")
    return [values[start : start + 3] for start in range(0, len(values), 3)]


def _size(height: Any, width: Any) -> tuple[int, int] | None:
    return (int(height), int(width)) if height and width else None


def _from_arrays(content: dict[str, np.ndarray]) -> list[BodyPose]:
    if "points" not in content:
        raise PoseError(f"it holds {sorted(content)}, expected an array 'points'.")
    points = content["points"]
    if points.ndim not in (2, 3) or points.shape[-1] not in (2, 3):
        raise PoseError(f"'points' has shape {points.shape}, expected (K, 2), (K, 3) or (N, K, 2 or 3).")
    points = points[None] if points.ndim == 2 else points
    visibility = content.get("visibility")
    seen = [None] * len(points) if visibility is None else np.asarray(visibility).reshape(len(points), -1)
    size = _size(*np.asarray(content["size"]).tolist()) if "size" in content else None
    return [as_pose(p, v, size) for p, v in zip(points, seen, strict=True)]
