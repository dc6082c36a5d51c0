"""Find limbs in painted pictures without a detector: rendered bodies wear every limb in a colour of its own."""

import colorsys

import cv2
import numpy as np

from adaat_hf.control.body_joints import LIMB_BONES


# Hues of the limbs in degrees; those of limbs that meet are opposite, so that blurred borders between them are grey.
HUES = {
    "left_upper_arm": 0, "left_forearm": 180, "right_upper_arm": 45, "right_forearm": 225,
    "left_thigh": 90, "left_shin": 270, "right_thigh": 135, "right_shin": 315,
}  # fmt: skip
BRIGHTNESS, REST = 0.85, 110.0
# Bones of anny whose vertices belong to a limb, and those that keep their colours, up to this saturation: skin does, but hair may be
# of a limb's colour.
BONES = {"thigh": "upperleg", "shin": "lowerleg", "upper_arm": "upperarm", "forearm": "lowerarm"}
BARE, PALE = ("head", "neck", "eye", "wrist", "metacarpal", "finger"), 0.4
# A pixel belongs to a limb with this saturation at least and this many degrees from its hue at most.
SATURATED, NEAR = 0.5, 22.5
LEAST_PIXELS = 25
# Limbs count in frames in which they look at least this long, as a share of this percentile of all frames: in others they point
# to the camera or are hidden.
SHOWN, LONGEST = 0.7, 90
THIGHS, UPPER_ARMS = (
    [number for number, name in enumerate(LIMB_BONES) if part in name] for part in ("thigh", "upper_arm")
)
UPPER = THIGHS + UPPER_ARMS


def colour_limbs(bones: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours (V, 3) of a body whose limbs are coloured, trunk and feet grey, head and hands as in `colours` (V, 3) but pale.

    Args:
        bones (`np.ndarray` of shape (V,)): Name of the bone that each vertex moves with most.
    """
    brightest = colours.max(1, keepdims=True)
    saturation = 1 - colours.min(1, keepdims=True) / brightest
    pale = brightest - (brightest - colours) * (PALE / saturation.clip(PALE))
    result = np.where(np.char.startswith(bones[:, None], BARE).any(1)[:, None], pale, REST)
    for name in LIMB_BONES:
        side, part = name.split("_", 1)
        of_limb = np.char.startswith(bones, BONES[part]) & np.char.endswith(bones, f".{side[0].upper()}")
        result[of_limb] = np.array(colorsys.hsv_to_rgb(HUES[name] / 360, 1, BRIGHTNESS)) * 255
    return result


def limb_ends(picture: np.ndarray) -> np.ndarray:
    """Both ends (8, 2, 2) of every limb, as (x, y) in pixels, in the order of `LIMB_BONES`: the upper end first. NaN where a limb
    is not seen.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): RGB, uint8.
    """
    hue = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)[..., 0] * (360 / 256)
    brightest, darkest = picture.max(-1).astype(int), picture.min(-1).astype(int)
    saturated = brightest - darkest > SATURATED * brightest.clip(30)
    ends = np.full((len(LIMB_BONES), 2, 2), np.nan)
    for number, name in enumerate(LIMB_BONES):
        near = np.abs((hue - HUES[name] + 180) % 360 - 180) < NEAR
        places = _largest_piece(saturated & near)
        if len(places) >= LEAST_PIXELS:
            ends[number] = _ends_of(places)
    return _upper_first(ends)


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """Places (N, 2) of the largest connected piece of a mask (H, W)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if len(stats) < 2:
        return np.empty((0, 2))
    return np.argwhere(labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())[:, ::-1].astype(float)


def _ends_of(places: np.ndarray) -> np.ndarray:
    """Ends (2, 2) of an elongated piece along its longer axis."""
    middle = places.mean(0)
    _, axes = np.linalg.eigh(np.cov((places - middle).T))
    along = axes[:, -1]
    return middle + np.percentile((places - middle) @ along, [2, 98])[:, None] * along


def _upper_first(ends: np.ndarray) -> np.ndarray:
    """Ends (8, 2, 2) in order: a thigh's or an upper arm's upper one is farther from the limb below it."""
    bones = list(LIMB_BONES.values())
    for upper in UPPER:
        below = next(number for number, (start, _) in enumerate(bones) if start == bones[upper][1])
        for limb, other in ((upper, below), (below, upper)):
            away = np.linalg.norm(ends[limb] - ends[other].mean(0), axis=1)
            if (away[0] < away[1]) == (limb == upper):
                ends[limb] = ends[limb][::-1]
    return ends


def limb_changes(film: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How long the limbs (8,) are in a film, in units of the trunk and as a share of what they are in another film of the same
    motion (both (T, H, W, 3)): medians of the frames that show a limb in `truth`. NaN where none do.
    """
    found, wanted = (np.stack([limb_ends(frame) for frame in frames]) for frames in (film, truth))
    lengths, true = (np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=-1) for ends in (found, wanted))
    shown = true > SHOWN * np.nanpercentile(true, LONGEST, axis=0)
    whole = shown[:, UPPER].all(1)
    scale = _median(_trunk(found[whole]) / _trunk(wanted[whole]))
    ratio = np.where(shown, lengths / true, np.nan)
    return np.array([_median(limb) for limb in ratio.T]) / scale


def _trunk(ends: np.ndarray) -> np.ndarray:
    """Distances (T,) from between the shoulders to between the hips, by the limbs' ends (T, 8, 2, 2)."""
    return np.linalg.norm(ends[:, UPPER_ARMS, 0].mean(1) - ends[:, THIGHS, 0].mean(1), axis=-1)


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
