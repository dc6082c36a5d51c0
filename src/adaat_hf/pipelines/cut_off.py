"""People whom their photograph cuts off: limbs that leave it are continued, so that what it shows of them moves."""

from dataclasses import replace

import cv2
import numpy as np

from ..models.limbs import BODY18_LIMBS
from ..processing.body_keypoints import SHOULDERS
from ..processing.person_crop import inside_picture
from .persons import SourcePerson


# Shoulders and head cannot move without the trunk below them, whatever hides the hips.
TRUNK, HEAD = BODY18_LIMBS[:2]
# A head with its hair reaches this far from the face's middle, up and to the sides, in units of the way from shoulders to face.
HAIR_ABOVE, HAIR_BESIDE = 1.0, 0.6
# Where hair mostly ends, in the same units, and the least that a head that is cut gets, in units of what is seen of it above
# the face's middle.
HAIR_USUAL, LEAST_ADDED = 0.8, 0.05
# Colours from this many half widths of the head on are taken for what is beside it.
BESIDE = 1.3


def continue_limbs(person: SourcePerson, expected: np.ndarray) -> SourcePerson:
    """Give limbs of which the photograph shows one end the other one too, where it lies beyond the border, or where hand or
    foot do: detectors lose a wrist whose hand is cut off.

    Args:
        person ([`SourcePerson`]): A photograph and the points that it shows.
        expected (`np.ndarray` of shape (18, 2)): All points of the body that was fitted to it, in its pixels.

    Returns:
        [`SourcePerson`]: the same with more points.
    """
    points, visibility = person.pose.points.copy(), person.pose.visibility.copy()
    shown = visibility > 0
    for limb in BODY18_LIMBS:
        for near, far in ((limb.start, limb.end), (limb.end, limb.start)):
            known = [number for number in near if shown[number]]
            if not known or shown[list(far)].any():
                continue
            # The fit does not meet the seen end exactly.
            end = points[known].mean(0)
            offset = end - expected[known].mean(0)
            beyond = limb.beyond if far == limb.end and limb is not HEAD else 0.0
            for number in far:
                place = expected[number] + offset
                tip = place + beyond * (place - end)
                if limb is TRUNK or not inside_picture(tip, *person.picture.shape[:2]):
                    points[number], visibility[number] = place, 1.0
    return replace(person, pose=replace(person.pose, points=points, visibility=visibility))


def continue_all(people: list[SourcePerson], expected: np.ndarray) -> list[SourcePerson]:
    """[`continue_limbs`] of several photographs, with the points (S, 18, 2) of the bodies that were fitted to them."""
    return [continue_limbs(person, points) for person, points in zip(people, expected, strict=True)]


def head_extent(points: np.ndarray, seen: np.ndarray) -> np.ndarray | None:
    """Middle of the face, and ends of the hair above, left and right of it (4, 2), of a pose (18, 2); `None` without a head."""
    shoulders, face = (points[list(n)][seen[list(n)] > 0] for n in (SHOULDERS, HEAD.end))
    if not len(shoulders) or not len(face):
        return None
    middle, up = face.mean(0), face.mean(0) - shoulders.mean(0)
    side = HAIR_BESIDE * np.array([-up[1], up[0]])
    return np.stack([middle, middle + HAIR_ABOVE * up, middle - side, middle + side])


def round_head(crop: np.ndarray, border: int, points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Close a head that the photograph's upper border cuts: above the border, the hair gets narrower as a dome does.

    Args:
        crop (`np.ndarray` of shape (H, W, 3)): The photograph from row `border` on, its first row repeated above.
        border (`int`): That row; up to 0 where the photograph goes on above the crop, which then cuts nothing off.
        points (`np.ndarray` of shape (18, 2)), seen (`np.ndarray` of shape (18,)): The pose, in its pixels.
    """
    head = head_extent(points, seen)
    if border <= 0 or head is None or head[1, 1] >= border:
        return crop
    (middle, level), (_, top), (left, _), (right, _) = head
    # An ellipse around the face's middle.
    seen_above = max(float(level) - border, 1.0)
    semi_axis = max(HAIR_USUAL / HAIR_ABOVE * (level - top), (1 + LEAST_ADDED) * seen_above)
    rows = np.arange(border, dtype=np.float32)[:, None]
    narrow = np.sqrt(np.clip(1 - ((level - rows) / semi_axis) ** 2, 1e-6, 1) / (1 - (seen_above / semi_axis) ** 2))
    x = np.arange(crop.shape[1], dtype=np.float32)[None] - np.float32(middle)
    beside = BESIDE * abs(right - left) / 2
    away = np.maximum(np.abs(x), 0.5)
    reach = np.minimum(away / narrow.clip(max=1), np.maximum(away, beside)) * np.where(x < 0, -1, 1)
    columns = (middle + reach).astype(np.float32)
    closed = cv2.remap(crop, columns, np.full_like(columns, border), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.concatenate([closed, crop[border:]])


__all__ = ["continue_all", "continue_limbs", "head_extent", "round_head"]
