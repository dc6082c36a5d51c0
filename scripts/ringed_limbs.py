"""Find limbs in painted pictures without a detector: rendered bodies wear two rings on every limb, and two on the trunk."""

import colorsys

import cv2
import numpy as np

from adaat_hf.control.body_joints import LIMB_BONES


# The line from hips to shoulders, as middles of joints, and the bones of anny whose vertices belong to it; for limbs the lines are
# in `LIMB_BONES`.
TRUNK_LINE, TRUNK_BONES = ((1, 2), (16, 17)), ("root", "pelvis", "spine", "clavicle", "breast")
BONES = {"thigh": "upperleg", "shin": "lowerleg", "upper_arm": "upperarm", "forearm": "lowerarm"}
# Where rings lie along the lines, from 0 to 1: far enough from the joints, where skin bends and limbs hide one another.
RINGS = (0.15, 0.35), (0.65, 0.85)
# Hues in degrees. Both rings of a limb are alike; the trunk's, which arms may cut into pieces, are not.
HUES = {
    "left_upper_arm": 0, "left_forearm": 180, "right_upper_arm": 36, "right_forearm": 216,
    "left_thigh": 72, "left_shin": 252, "right_thigh": 108, "right_shin": 288,
}  # fmt: skip
TRUNK_HUES = 144, 324
BRIGHTNESS, REST = 0.85, 110.0
# Bones that keep their colours, up to this saturation: skin does, but hair may be of a ring's colour.
BARE, PALE = ("head", "neck", "eye", "wrist", "metacarpal", "finger"), 0.4
# A pixel belongs to a ring with this saturation at least and this many degrees from its hue at most.
SATURATED, NEAR = 0.5, 16.0
LEAST_PIXELS = 8
# Limbs count in frames in which they look at least this long, as a share of this percentile of all frames: in others they point
# to the camera or are hidden.
SHOWN, LONGEST = 0.7, 90


def ring_limbs(bones: np.ndarray, vertices: np.ndarray, joints: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours (V, 3) of a body in rings, grey between them; head and hands are as in `colours` (V, 3) but pale.

    Args:
        bones (`np.ndarray` of shape (V,)): Name of the bone that each vertex moves with most.
        vertices (`np.ndarray` of shape (V, 3)), joints (`np.ndarray` of shape (J, 3)): At rest.
    """
    brightest = colours.max(1, keepdims=True)
    saturation = 1 - colours.min(1, keepdims=True) / brightest
    pale = brightest - (brightest - colours) * (PALE / saturation.clip(PALE))
    result = np.where(np.char.startswith(bones[:, None], BARE).any(1)[:, None], pale, REST)
    parts = [(TRUNK_LINE, TRUNK_HUES, np.char.startswith(bones[:, None], TRUNK_BONES).any(1))]
    for name, (start, end) in LIMB_BONES.items():
        side, part = name.split("_", 1)
        of_limb = np.char.startswith(bones, BONES[part]) & np.char.endswith(bones, f".{side[0].upper()}")
        parts.append((((start,), (end,)), (HUES[name],) * 2, of_limb))
    for line, hues, of_part in parts:
        start, end = (joints[list(numbers)].mean(0) for numbers in line)
        along = (vertices - start) @ (end - start) / ((end - start) @ (end - start))
        for (low, high), hue in zip(RINGS, hues, strict=True):
            ring = of_part & (along > low) & (along < high)
            result[ring] = np.array(colorsys.hsv_to_rgb(hue / 360, 1, BRIGHTNESS)) * 255
    return result


def ring_distances(picture: np.ndarray) -> np.ndarray:
    """Distance of both rings on every limb and on the trunk (9,), in pixels, in the order of `LIMB_BONES`, the trunk's last. NaN
    where one is not seen.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): RGB, uint8.
    """
    hue = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)[..., 0] * (360 / 256)
    brightest, darkest = picture.max(-1).astype(int), picture.min(-1).astype(int)
    saturated = brightest - darkest > SATURATED * brightest.clip(30)

    def of_hue(wanted: float) -> np.ndarray:
        return saturated & (np.abs((hue - wanted + 180) % 360 - 180) < NEAR)

    rings = [_largest_pieces(of_hue(HUES[name]), 2) for name in LIMB_BONES]
    rings.append(np.concatenate([_largest_pieces(of_hue(wanted), 1) for wanted in TRUNK_HUES]))
    return np.array([np.linalg.norm(ends[1] - ends[0]) for ends in rings])


def _largest_pieces(mask: np.ndarray, count: int) -> np.ndarray:
    """Middles (count, 2) of the largest connected pieces of a mask (H, W), NaN where there are fewer."""
    _, _, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    sizes = stats[1:, cv2.CC_STAT_AREA]
    largest = [number for number in np.argsort(-sizes)[:count] if sizes[number] >= LEAST_PIXELS]
    found = np.full((count, 2), np.nan)
    found[: len(largest)] = middles[1:][largest]
    return found


def limb_changes(film: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How long the limbs (8,) are in a film, in units of the trunk and as a share of what they are in another film of the same
    motion (both (T, H, W, 3)): medians of the frames that show a limb in `truth`. NaN where none do.
    """
    lengths, true = (np.stack([ring_distances(frame) for frame in frames]) for frames in (film, truth))
    changes = np.array([_median(part) for part in np.where(seen_long(true), lengths / true, np.nan).T])
    return changes[:-1] / changes[-1]


def seen_long(lengths: np.ndarray) -> np.ndarray:
    """Where limbs look long enough to count, of their lengths (T, L) in the frames of a film; NaN where one is not seen."""
    return lengths > SHOWN * np.nanpercentile(lengths, LONGEST, axis=0)


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
