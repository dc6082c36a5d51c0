"""The persons of person image generation: found in photographs, their poses read from whatever is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from ..control.body_placement import place_pose
from ..processing.body_keypoints import LAYOUT_BY_COUNT, BodyDetector, BodyKeypoints
from ..processing.images import ImageInput, limit_size, load_image
from ..processing.person_crop import PersonBox, inside_picture, person_box, shift_inside
from ..processing.pose_files import POSE_SUFFIXES, BodyPose, PoseError, as_pose, read_pose_file


PoseInput = ImageInput | BodyPose | BodyKeypoints | Sequence[Any]
FITS = ("person", "picture")
# A picture whose sides have the wanted ratio up to this is taken as framed already.
FRAMED_TOLERANCE = 0.02
# What a head needs above its highest key point, as a share of the points' height.
ROOM_FOR_HAIR = 0.09


class NoPersonError(ValueError):
    """No person was found where one is needed."""


@dataclass(frozen=True)
class SourcePerson:
    """A photograph and the pose of the person in it.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): uint8.
        pose ([`BodyPose`]): In its pixels.
        parts (`np.ndarray` of shape (H, W, 3), *optional*): How likely each pixel is each of `PARTS`, times 255, uint8.
    """

    picture: np.ndarray
    pose: BodyPose
    parts: np.ndarray | None = None

    def frame(self, poses: Sequence[np.ndarray], seen: Sequence[np.ndarray], aspect: float, crop: bool) -> PersonBox:
        """The part of the photograph that shows the person and has room for poses (18, 2) in its pixels.

        Points that the photograph does not show, such as feet beyond its border, are given no room.
        """
        height, width = self.picture.shape[:2]
        if not crop:
            return PersonBox(0, 0, width, height)
        shown = self.pose.visibility > 0
        points, visibility = np.stack([self.pose.points, *poses]), np.stack([shown, *(s * shown for s in seen)])
        room = np.array([0, ROOM_FOR_HAIR]) * np.ptp(points[visibility > 0][:, 1])
        needed = np.concatenate([points[visibility > 0], points[visibility > 0] - room])
        return shift_inside(person_box(points, visibility, aspect), height, width, needed)


def read_source_person(
    image: ImageInput,
    detector: BodyDetector | None,
    choice: int | str = "largest",
    pose: PoseInput | None = None,
    max_size: int | None = None,
) -> SourcePerson:
    """Read a photograph and find the person.

    Args:
        image: See [`load_image`].
        detector ([`BodyDetector`], *optional*): Needed unless `pose` is given.
        choice (`int` or `str`, *optional*, defaults to `"largest"`): `"largest"`, or a number counted from the largest.
        pose (*optional*): The person's pose in pixels of the photograph, instead of detecting it.
        max_size (`int`, *optional*): A larger photograph is reduced to this longer side.

    Raises:
        NoPersonError: if no person is found, or the chosen one does not exist.
        PoseError: if the given pose has no point inside the photograph.
    """
    whole = load_image(image)
    picture = limit_size(whole, max_size)
    height, width = picture.shape[:2]
    if pose is None:
        found = _detect(picture, detector, choice, "source picture")
    else:
        (found,) = read_poses(pose, None)
        # Points without a picture of their own are pixels of the photograph as it was given.
        found = BodyPose(found.points, found.visibility, found.size or whole.shape[:2])
    points = _rescaled(found, height, width)
    shown = found.visibility * inside_picture(points, height, width)
    if not shown.any():
        raise PoseError(f"None of the source's points lies inside the {width}x{height} picture.")
    return SourcePerson(picture, BodyPose(points, shown, (height, width)))


def read_poses(pose: PoseInput, detector: BodyDetector | None, choice: int | str | None = None) -> list[BodyPose]:
    """Read target poses.

    Args:
        pose: A photograph (file, PIL or array), a pose file (see [`read_pose_file`]), a list of points (see [`as_pose`]), an
            array (K, 2 or 3) or (N, K, 2 or 3) of points, a [`BodyPose`], [`BodyKeypoints`], or a list of such inputs.
        detector ([`BodyDetector`], *optional*): Needed for photographs.
        choice (`int` or `str`, *optional*): Which person: `"largest"` or a number. By default a photograph's largest one,
            and all of a file.

    Raises:
        NoPersonError: if a photograph shows no person, or the chosen one does not exist.
        PoseError: if points cannot be used.
    """
    if isinstance(pose, BodyPose):
        return [pose]
    if isinstance(pose, BodyKeypoints):
        points, visibility = pose.as_body18()
        return [BodyPose(points, visibility)]
    if isinstance(pose, (str, Path)) and Path(pose).suffix.lower() in POSE_SUFFIXES:
        found = read_pose_file(pose)
        return found if choice is None else [_choose(found, choice, str(pose))]
    if isinstance(pose, (list, tuple)):
        if _is_points(pose):
            return [as_pose(pose)]
        return [one for item in pose for one in read_poses(item, detector, choice)]
    if isinstance(pose, (np.ndarray, torch.Tensor)) and pose.shape[-1] in (2, 3) and pose.ndim in (2, 3):
        array = np.asarray(pose)
        if array.ndim == 2:
            return [as_pose(array)]
        if array.shape[2] == 2 or (array.dtype != np.uint8 and array.shape[1] in LAYOUT_BY_COUNT):
            return [as_pose(points) for points in array]
    if not isinstance(pose, (str, Path, PIL.Image.Image, np.ndarray, torch.Tensor)):
        raise PoseError(f"The pose is a {type(pose).__name__}, expected a picture, a pose file or a list of points.")
    return [_detect(load_image(pose), detector, "largest" if choice is None else choice, "pose picture")]


def _is_points(values: Sequence[Any]) -> bool:
    """Whether a list holds points, as opposed to poses."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, dict):
        return "x" in first
    if isinstance(first, np.ndarray):
        return first.ndim == 1
    return isinstance(first, (list, tuple)) and all(
        value is None or isinstance(value, (int, float)) for value in first
    )


def place_poses(poses: Sequence[BodyPose], person: SourcePerson, fit: str) -> list[np.ndarray]:
    """Target poses (18, 2) in pixels of the source photograph.

    Args:
        poses (`Sequence[BodyPose]`): Poses in pixels of their own pictures.
        person ([`SourcePerson`]): The source.
        fit (`str`): `"person"` scales and moves them to the person's size and place; `"picture"` keeps them where they
            are, in proportion to the pictures' sizes where a pose knows its own.

    Raises:
        PoseError: if no point of a pose lies inside the picture.
    """
    if fit == "person":
        return [place_pose(pose, person.pose) for pose in poses]
    height, width = person.picture.shape[:2]
    placed = [_rescaled(pose, height, width) for pose in poses]
    for pose, points in zip(poses, placed, strict=True):
        if not (inside_picture(points, height, width) * pose.visibility).any():
            raise PoseError(
                f"No point of the pose lies inside the {width}x{height} picture; does it belong to a picture of another"
                " size? fit='person' brings it to the person."
            )
    return placed


def _rescaled(pose: BodyPose, height: int, width: int) -> np.ndarray:
    """Points in pixels of a picture of that size."""
    if pose.size is None:
        return pose.points
    zoom = np.array([width / pose.size[1], height / pose.size[0]])
    return ((pose.points + 0.5) * zoom - 0.5).astype(np.float32)


def _detect(picture: np.ndarray, detector: BodyDetector | None, choice: int | str, what: str) -> BodyPose:
    if detector is None:
        raise ValueError("A body detector is needed to find the pose in a picture.")
    bodies = detector.detect(picture[None])[0]
    if not bodies:
        raise NoPersonError(f"No person was found in the {what}; a clear view of one is needed.")
    points, visibility = _choose(bodies, choice, f"the {what}").as_body18()
    return BodyPose(points, visibility, picture.shape[:2])


def _choose(found: Sequence[Any], choice: int | str, where: str) -> Any:
    if choice == "largest":
        return found[0]
    if isinstance(choice, (bool, str)) or choice < 0:
        raise ValueError(f"The choice of a person is {choice!r}, expected 'largest' or a number from 0.")
    if choice >= len(found):
        raise NoPersonError(f"Person number {choice} was asked for, but {where} has {len(found)} (from 0).")
    return found[choice]


def is_framed(picture: np.ndarray, aspect: float) -> bool:
    """Whether a picture's width is `aspect` times its height, nearly."""
    return abs(picture.shape[1] / picture.shape[0] / aspect - 1) < FRAMED_TOLERANCE


def one_for_each(source_pose: PoseInput | None, count: int) -> list[Any]:
    """A given pose, or `None`, for each of `count` source pictures."""
    if source_pose is None:
        return [None] * count
    if count == 1:
        return [source_pose]
    if not isinstance(source_pose, (list, tuple)) or len(source_pose) != count:
        raise ValueError(f"There are {count} source pictures, so source_pose must be a list of {count} poses.")
    return list(source_pose)
