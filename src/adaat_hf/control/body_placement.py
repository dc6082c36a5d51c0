"""Bring the pose of one body to the size and place of another."""

import numpy as np
import torch

from ..models.limbs import body_size
from ..processing.body_keypoints import HIPS, NECK
from ..processing.pose_files import BodyPose, PoseError


ANKLES = (10, 13)
LARGEST_ZOOM = 50.0


def place_pose(pose: BodyPose, body: BodyPose) -> np.ndarray:
    """Scale and move a pose so that it suits a body: as large, on the same ground, at the same place.

    The ground is the lower ankle where both show one; otherwise hips or neck are laid upon each other.

    Args:
        pose ([`BodyPose`]): The pose to move, in pixels of its own picture.
        body ([`BodyPose`]): The body whose picture it is moved into.

    Returns:
        `np.ndarray` of shape (18, 2): points in pixels of the body's picture.

    Raises:
        PoseError: if the two cannot be compared.
    """
    zoom = _size(body) / _size(pose)
    if not 1 / LARGEST_ZOOM < zoom < LARGEST_ZOOM:
        raise PoseError(f"The pose would have to be scaled by {zoom:.3g} to fit the body, which is out of bounds.")
    anchors = _shared_anchors(pose, body)
    here, there = (np.array([_anchor(one, members) for members in anchors]) for one in (body, pose))
    # The first anchor says where the body is from left to right, the last one where the ground is.
    shift = np.array([here[0, 0] - zoom * there[0, 0], here[-1, 1] - zoom * there[-1, 1]])
    return (pose.points * zoom + shift).astype(np.float32)


def _size(pose: BodyPose) -> float:
    size = float(body_size(torch.from_numpy(pose.points)[None], torch.from_numpy(pose.visibility)[None])[0])
    if size <= 0:
        raise PoseError("The pose shows no limb from end to end, so its size is not known; fit='picture' needs none.")
    return size


def _shared_anchors(pose: BodyPose, body: BodyPose) -> list[tuple[int, ...]]:
    candidates: list[tuple[int, ...]] = [HIPS, (NECK,)]
    shared = [members for members in candidates if _seen(pose, members) and _seen(body, members)][:1]
    if not shared:
        common = tuple(np.nonzero((pose.visibility > 0) & (body.visibility > 0))[0].tolist())
        if not common:
            raise PoseError("The pose and the body have no visible point in common.")
        shared = [common]
    if _seen(pose, ANKLES) and _seen(body, ANKLES):
        shared.append(ANKLES)
    return shared


def _seen(pose: BodyPose, members: tuple[int, ...]) -> bool:
    return bool((pose.visibility[list(members)] > 0).any())


def _anchor(pose: BodyPose, members: tuple[int, ...]) -> np.ndarray:
    index = [number for number in members if pose.visibility[number] > 0]
    points = pose.points[index]
    return points[points[:, 1].argmax()] if members == ANKLES else points.mean(0)
