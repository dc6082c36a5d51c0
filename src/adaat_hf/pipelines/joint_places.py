"""Joints of a photographed person, moved along their limbs to where the fitted body has them."""

from dataclasses import replace

import numpy as np

from ..processing.body_keypoints import ARM_AND_LEG_BONES, HIPS, NECK, SHOULDERS
from .cut_off import HEAD
from .persons import SourcePerson


# What the trunk carries at its upper and lower end.
UPPER, LOWER = [*SHOULDERS, NECK, *HEAD.end], list(HIPS)
# Lengths are changed by this share at most, and those of limbs that look shorter than this share of the trunk not at all: a limb
# that points to the camera is fitted worse than it is found.
LARGEST_CHANGE = 0.15
SHORTEST = 0.2


def settle_joints(person: SourcePerson, expected: np.ndarray) -> SourcePerson:
    """Give limbs in a photograph the lengths that the fitted body has there.

    Detectors place an elbow too high or too low, and the fit only follows them roughly. The moved body has the fit's lengths, so
    that every limb of the photograph would be stretched by that difference, whatever the motion. Directions stay as found.

    Args:
        person ([`SourcePerson`]): A photograph and the points that it shows.
        expected (`np.ndarray` of shape (18, 2)): The points of the body that was fitted to it, in its pixels.

    Returns:
        [`SourcePerson`]: the same with the points in other places.
    """
    found, shown = person.pose.points, person.pose.visibility > 0
    points = found.copy()
    here, there = _trunk(found), _trunk(expected)
    unit = _length(there)
    if shown[list(SHOULDERS + HIPS)].all():
        longer = _rescaled(here, there, unit) - here
        points[UPPER] += longer / 2
        points[LOWER] -= longer / 2
    for start, end in ARM_AND_LEG_BONES:
        limb = found[end] - found[start]
        if shown[start] and shown[end]:
            limb = _rescaled(limb, expected[end] - expected[start], unit)
        points[end] = points[start] + limb
    return replace(person, pose=replace(person.pose, points=points))


def _trunk(points: np.ndarray) -> np.ndarray:
    """From the middle of the hips to that of the shoulders (2,)."""
    return points[list(SHOULDERS)].mean(0) - points[list(HIPS)].mean(0)


def _length(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))


def _rescaled(found: np.ndarray, wanted: np.ndarray, unit: float) -> np.ndarray:
    """A vector (2,) with the length of another one, as far as that may be trusted."""
    if min(_length(found), _length(wanted)) < SHORTEST * unit:
        return found
    return found * np.clip(_length(wanted) / _length(found), 1 - LARGEST_CHANGE, 1 + LARGEST_CHANGE)


__all__ = ["settle_joints"]
