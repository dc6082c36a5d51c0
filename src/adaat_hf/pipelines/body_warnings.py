"""What is odd about the bodies that were fitted to photographs and driver, reported before anything is painted."""

import logging

import torch
from torch import Tensor

from ..control.body_coefficients import BodyCoefficients
from ..control.body_joints import SMPL24_NAMES
from ..control.body_model import world_rotations
from ..control.rotation import rotation_matrix


# Bodies whose pelvises or chests look in directions that differ by more than these degrees show one another's hidden side.
OTHER_SIDE = (75.0, 60.0)
PELVIS_AND_CHEST = [SMPL24_NAMES.index("pelvis"), SMPL24_NAMES.index("spine3")]
# What is odd about the driver in more than this share of the frames is reported.
MOSTLY = 0.6
# So few of the driver's frames whose key points form no body are bridged without a word.
SELDOM = 0.05

logger = logging.getLogger(__name__)


def warn_if_upside_down(driving: BodyCoefficients) -> None:
    """Log a warning if the driver stands on the head in most frames."""
    up = rotation_matrix(driving.pose[driving.valid][:, 0])[:, 1, 1]
    if float((up < -0.5).float().mean()) > MOSTLY:
        logger.warning(
            "The driver is upside down in most frames, and so will be the result: turn the video if it was filmed that way."
        )


def warn_if_no_body_drives(misfit: Tensor, largest: float) -> None:
    """Log a warning if too many of the driver's frames have key points that form no body: `misfit` (T,) of [`BodyFitter.misfit`] beyond
    `largest`, for which see [`BodyFitSettings`]."""
    wrong = float((misfit > largest).float().mean())
    if wrong > SELDOM:
        logger.warning(
            f"In {wrong:.0%} of the driver's frames the key points do not form a body, so what moves there is a guess: detectors err where"
            " people are cut off by the picture, upside down or blurred. Use another part of the video, or another detector."
        )


def warn_if_no_body_is_shown(misfit: Tensor, largest: float) -> None:
    """Log a warning for every source picture whose key points form no body; `misfit` (N,) and `largest` as for
    [`warn_if_no_body_drives`]."""
    for number in (misfit > largest).nonzero().flatten().tolist():
        logger.warning(
            f"The key points in source picture {number + 1} of {len(misfit)} do not form a body, so the result will be torn: detectors"
            " err where people bend over or are hidden. Use a picture of the whole person, upright, or another detector."
        )


def warn_if_seen_from_another_side(sources: BodyCoefficients, driving: BodyCoefficients) -> None:
    """Log a warning if most driving frames show a side of the body that none of the photographs (a frame each) shows, as of somebody
    who is turned away or bent over."""
    here, there = _fronts(sources), _fronts(driving.frames(driving.valid))
    apart = torch.rad2deg(torch.arccos((there[:, None] * here).sum(-1).clamp(-1, 1)))
    hidden = (apart > apart.new_tensor(OTHER_SIDE)).any(-1).all(1)
    if float(hidden.float().mean()) > MOSTLY:
        degrees = float(apart.amax(-1).amin(1).median())
        logger.warning(
            f"Most of the driver's frames show the body from another side than the photograph does ({degrees:.0f} degrees"
            " apart), and what it does not show cannot be painted: use, or add, a photograph from the driver's side."
        )


def _fronts(body: BodyCoefficients) -> Tensor:
    """Directions (T, 2, 3) in which pelvis and chest look."""
    return world_rotations(rotation_matrix(body.pose))[:, PELVIS_AND_CHEST, :, 2]


__all__ = [
    "warn_if_no_body_drives",
    "warn_if_no_body_is_shown",
    "warn_if_seen_from_another_side",
    "warn_if_upside_down",
]
