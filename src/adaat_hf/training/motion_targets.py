"""What the motion model learns from a clip: how its face differs from the same face at rest, and when it blinks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..control.smoothing import smooth
from ..expressions import ARKIT_EXPRESSIONS
from ..processing.keypoints import LOWER_LIDS, UPPER_LIDS


INNER_LIPS = slice(4, 7)
# The mouth is at rest in this share of a clip's frames: those in which it is least open.
REST_SHARE = 0.15
BLINKS = tuple(ARKIT_EXPRESSIONS.index(f"eyeBlink{side}") for side in ("Left", "Right"))
# A blink: the lids close by this much within the time, and lie this far around its lowest point.
BLINK_DEPTH, BLINK_SECONDS = 0.25, 0.2


@dataclass(frozen=True)
class MotionTargets:
    """Motion of a clip of T frames.

    Args:
        expression (`Tensor` of shape (T, 52)): Change of expression since rest.
        pose (`Tensor` of shape (T, 6)): Change of head pose since the clip's middle pose; see [`AdaATMotionOutput`].
        opening (`Tensor` of shape (T,)): By how much the inner lips are farther apart than at rest, in units of the outer eye
            corners' distance.
        blinking (`Tensor` of shape (T,), bool): Frames that belong to a blink.
        blinks (`Tensor` of shape (N,)): Frames in which a blink begins.
        valid (`Tensor` of shape (T,), bool): Frames in which the face was seen.
        rest (`Tensor` of shape (52,)): The expression at rest.
    """

    expression: Tensor
    pose: Tensor
    opening: Tensor
    blinking: Tensor
    blinks: Tensor
    valid: Tensor
    rest: Tensor

    def __len__(self) -> int:
        return len(self.valid)


def motion_targets(face: FaceCoefficients, fps: float, model: AdaATFaceModel) -> MotionTargets:
    """Describe the motion of a clip.

    Args:
        face ([`FaceCoefficients`]): As fitted.
        fps (`float`): Frame rate.
        model ([`AdaATFaceModel`]): The face model.
    """
    face = smooth(face, fps)
    opening = lip_opening(frontal_points(face, model))
    resting = _rest_frames(opening, face.valid)
    rest = face.expression[resting].mean(0)
    opening = opening - opening[resting].mean()
    translation = face.translation / face.scale.median()
    pose = torch.cat([face.rotation, face.scale.log()[:, None], translation], 1)
    pose = pose - pose[face.valid].median(0).values
    blinking, blinks = find_blinks(face.expression[:, BLINKS].mean(1), fps)
    return MotionTargets(face.expression - rest, pose, opening, blinking, blinks, face.valid, rest)


def frontal_points(face: FaceCoefficients, model: AdaATFaceModel) -> Tensor:
    """Points (T, K, 3) of the unrotated head in model units."""
    frames = len(face)
    return model.shape(face.identity.expand(frames, -1), face.expression, face.offset.expand(frames, -1, -1))


def lip_opening(points: Tensor) -> Tensor:
    """Mean vertical distance of the inner lips of points (..., K, 2 or 3), in the points' unit; closed is about 0."""
    inner = slice(INNER_LIPS.start, INNER_LIPS.stop)
    return (points[..., LOWER_LIDS[inner], 1] - points[..., UPPER_LIDS[inner], 1]).mean(-1)


def _rest_frames(opening: Tensor, valid: Tensor) -> Tensor:
    ranked = torch.where(valid, opening, torch.inf).argsort()
    return ranked[: max(1, round(REST_SHARE * int(valid.sum())))]


def find_blinks(lids: Tensor, fps: float) -> tuple[Tensor, Tensor]:
    """Find blinks in how far the lids are closed, (T,) in [0, 1].

    Returns:
        `tuple[Tensor, Tensor]`: frames that belong to a blink (T,), bool, and the frames in which one begins.
    """
    values = lids.numpy()
    reach = max(1, round(BLINK_SECONDS * fps))
    blinking = np.zeros(len(values), bool)
    starts = []
    for peak in range(1, len(values) - 1):
        around = values[max(0, peak - reach) : peak + reach + 1]
        before, after = values[max(0, peak - reach) : peak + 1], values[peak : peak + reach + 1]
        depth = min(values[peak] - before.min(), values[peak] - after.min())
        if values[peak] == around.max() and depth > BLINK_DEPTH and not blinking[peak]:
            first = max(0, peak - reach + int(np.argmin(before)) if peak >= reach else int(np.argmin(before)))
            blinking[max(0, peak - reach) : peak + reach + 1] = True
            starts.append(first)
    return torch.from_numpy(blinking), torch.tensor(starts, dtype=torch.long)
