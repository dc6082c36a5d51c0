"""Give the body of one picture the motion of another: its proportions stay, the driver's joint rotations are taken over."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from ..models.limbs import BEHIND
from ..processing.body_keypoints import ARM_AND_LEG_BONES, HIPS, NECK
from .body_coefficients import FLIP, BodyCoefficients
from .body_joints import HEAD, SHOULDERS, SMPL24_NAMES, to_body18
from .body_model import AdaATBodyModel, pose_points
from .rotation import rotation_matrix, rotation_vector


Placement = Literal["relative", "absolute"]
PLACEMENTS = ("relative", "absolute")
Rest = Literal["feet", "shoulders", "pelvis"]
ANKLES = (SMPL24_NAMES.index("left_ankle"), SMPL24_NAMES.index("right_ankle"))
PELVIS, SPINE = SMPL24_NAMES.index("pelvis"), SMPL24_NAMES.index("spine1")
LEGS = (1, 2, 4, 5, 7, 8, 10, 11)
# How sharply the lower foot is told from the other one, in units of a metre.
FOOT_SHARPNESS = 0.04
# Nose and eyes are seen from this side of the head only: the cosine, to the camera, of the direction that they look in.
FACE_SEEN = -0.15
ARMS = [(start, end) for start, end in ARM_AND_LEG_BONES if end < HIPS[0]]
# An arm whose middle is this far behind the trunk's axis is behind the body, in lengths of the trunk, and how gradually it gets there.
FAR_BEHIND, GRADUALLY = 0.16, 0.02


def retarget_body(
    model: AdaATBodyModel,
    source: BodyCoefficients,
    driving: BodyCoefficients,
    *,
    placement: Placement = "relative",
    swap: bool = True,
    reference: int | None = None,
    zoom: float = 1.0,
    shift: Tensor | None = None,
) -> BodyCoefficients:
    """The source's body in the driver's motion.

    Args:
        model ([`AdaATBodyModel`]): The body model.
        source ([`BodyCoefficients`]): One frame, in pixels of the source picture.
        driving ([`BodyCoefficients`]): T frames, in pixels of the driver's picture.
        placement (`str`, *optional*, defaults to `"relative"`): `"relative"` starts where the source stands, as large as it
            is there, and moves as the driver does from its `reference` frame on; without legs, it
            neither rises nor shrinks. `"absolute"` puts the feet (without legs, the shoulders) where the driver's are, as large
            as the driver.
        swap (`bool`, *optional*, defaults to `True`): Keep the source's proportions; otherwise it gets the driver's.
        reference (`int`, *optional*): Driver's frame that relative motion starts from; its first valid one by default.
        zoom (`float`, *optional*, defaults to 1.0), shift (`Tensor` of shape (2,), *optional*): For `"absolute"`, from pixels
            of the driver's picture to those of the source's.

    Returns:
        [`BodyCoefficients`]: T frames in pixels of the source picture. Joints that the driver does not show, such as legs
        beyond its border, are turned as in the source; if it shows no legs, the trunk turns above the source's hips, as how deep
        legs reach is hardly told by one picture, and would show if they turned too.

    Raises:
        ValueError: if `reference` is no frame of the driver.
    """
    start = _reference(driving, reference)
    own_legs = bool(source.known[list(LEGS[:4])].all())
    # How the trunk turns, drivers show in any case.
    pose = torch.where(driving.known[:, None], driving.pose, source.pose)
    if own_legs and not driving.known[list(LEGS)].any():
        pose = _with_still_hips(pose, source.pose)
    moved = replace(
        driving,
        shape=source.shape if swap else driving.shape,
        bone_scale=source.bone_scale if swap else driving.bone_scale,
        pose=pose,
        known=driving.known | source.known,
    )
    own, theirs = moved.points(model), driving.points(model)
    legs = own_legs and bool(driving.known[list(LEGS[:4])].all())
    cut = not source.known[list(LEGS)].any()
    rest: Rest = "feet" if legs else "shoulders" if cut else "pelvis"
    size = stature(model, moved) / stature(model, driving)
    if placement == "absolute":
        scale = zoom * driving.scale / size
        offset = torch.zeros(2) if shift is None else shift
        ground = zoom * (driving.translation + _support(theirs, driving.scale, rest)) + offset
    else:
        growth = driving.scale / driving.scale[start]
        if cut:
            growth = growth.clamp_min(1.0)
        own_size = stature(model, source) / stature(model, moved)
        scale = source.scale * own_size * growth
        # A step of the driver's is as long for the source as its body is large.
        step = source.scale * own_size * size / driving.scale[start]
        place = driving.translation + _support(theirs, driving.scale, rest)
        here = source.translation + _support(source.points(model), source.scale, rest)
        ground = here + step * (place - place[start])
    translation = ground - _support(own, scale, rest)
    if placement == "relative" and cut:
        # Nothing is there to show below the border that cuts.
        translation[:, 1] = translation[:, 1].maximum(source.translation[:, 1])
    return replace(moved, scale=scale, translation=translation)


def _with_still_hips(pose: Tensor, source: Tensor) -> Tensor:
    """Poses (T, 24, 3) whose trunk turns above hips that stay as in the source's pose (1, 24, 3)."""
    hips = rotation_matrix(source[:, PELVIS])
    spine = hips.mT @ rotation_matrix(pose[:, PELVIS]) @ rotation_matrix(pose[:, SPINE])
    result = pose.clone()
    result[:, PELVIS], result[:, SPINE] = source[:, PELVIS], rotation_vector(spine)
    return result


def _reference(driving: BodyCoefficients, reference: int | None) -> int:
    if reference is None:
        return int(driving.valid.nonzero()[0])
    if not 0 <= reference < len(driving):
        raise ValueError(f"reference is {reference}, but the driver has {len(driving)} frames (from 0).")
    return reference


def stature(model: AdaATBodyModel, body: BodyCoefficients) -> float:
    """Length of trunk and legs in metres, which tells how large a body looks."""
    rest = model.rest(body.shape, body.bone_scale)
    trunk = (rest[9] - rest[0]).norm() + (rest[12] - rest[9]).norm()
    legs = sum((rest[end] - rest[start]).norm() for start, end in ((1, 4), (4, 7), (2, 5), (5, 8)))
    return float(trunk + legs / 2)


def _support(points: Tensor, scale: Tensor, rest: Rest) -> Tensor:
    """Where a body (T, 29, 3) is held, seen from its pelvis, in pixels (T, 2): below it at the height of the lower foot, between
    the shoulders, or the pelvis itself."""
    result = torch.zeros(len(points), 2)
    if rest == "feet":
        down = -points[:, ANKLES, 1]
        lowest = FOOT_SHARPNESS * torch.logsumexp(down / FOOT_SHARPNESS, 1)
        result[:, 1] = scale * lowest
    elif rest == "shoulders":
        result = scale[:, None] * points[:, SHOULDERS, :2].mean(1) * points.new_tensor(FLIP)
    return result


def visible_points(model: AdaATBodyModel, body: BodyCoefficients) -> Tensor:
    """Which of the 18 key points can be seen: all but nose and eyes of a face that is turned away; both ears tell where the head is.
    Where an upper arm or a forearm lies behind the trunk, the point that it ends in gets `BEHIND`.

    Args:
        model ([`AdaATBodyModel`]): The body model.
        body ([`BodyCoefficients`]): T frames.

    Returns:
        `Tensor` of shape (T, 18): in [0, 1].
    """
    local = rotation_matrix(body.pose)
    points, turned = pose_points(model.rest(body.shape, body.bone_scale)[None], local)
    head = turned[:, HEAD]
    ahead, left = head[:, 2, 2], head[:, 2, 0]
    body18 = to_body18(points)
    seen = torch.ones_like(body18[..., 0])
    for number, towards in ((0, ahead), (14, ahead - 0.4 * left), (15, ahead + 0.4 * left)):
        seen[:, number] = (towards > FACE_SEEN).float()
    for start, end in ARMS:
        middle = (body18[:, start] + body18[:, end]) / 2
        seen[:, end] = 1 - (1 - BEHIND) * _behind_trunk(middle, body18)
    return seen


def _behind_trunk(places: Tensor, body18: Tensor) -> Tensor:
    """How far places (T, 3) are behind the trunk of bodies (T, 18, 3), in [0, 1]; z points to the camera."""
    hips = body18[:, HIPS].mean(1)
    trunk = body18[:, NECK] - hips
    squared = trunk.square().sum(-1)
    along = ((places - hips) * trunk).sum(-1).div(squared).clamp(0, 1)
    depth = (hips + along[:, None] * trunk - places)[:, 2] / squared.sqrt()
    return torch.sigmoid((depth - FAR_BEHIND) / GRADUALLY)


__all__ = ["PLACEMENTS", "Placement", "retarget_body", "stature", "visible_points"]
