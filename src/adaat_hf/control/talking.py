"""Motion of a talking face as changes of the face at rest: blinks, head motion of a clip, and how the lips come to rest."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..expressions import ARKIT_EXPRESSIONS
from ..processing.keypoints import LOWER_LIDS, UPPER_LIDS
from .coefficients import FaceCoefficients
from .face_model import AdaATFaceModel
from .retargeting import neutral_frame
from .rotation import rotation_matrix, rotation_vector


BLINKS = [ARKIT_EXPRESSIONS.index(f"eyeBlink{side}") for side in ("Left", "Right")]
# A blink's seconds: lids fall, stay down, and rise more slowly (Caffier et al., 2003, figure 1).
BLINK_CLOSING, BLINK_CLOSED, BLINK_OPENING = 0.08, 0.05, 0.17
BLINK_SECONDS = BLINK_CLOSING + BLINK_CLOSED + BLINK_OPENING
# Expressions that part the lips. A photographed smile keeps its corners while these leave the mouth to the speech.
PARTING = tuple(
    ARKIT_EXPRESSIONS.index(name)
    for name in ("jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
                 "mouthUpperUpRight", "mouthShrugUpper", "mouthShrugLower")
)  # fmt: skip
INNER_LIPS = slice(4, 7)
# Landmarks of closed lips lie this far apart, in units of the outer eye corners' distance.
CLOSED_LIPS = 0.02


@dataclass(frozen=True)
class MotionChange:
    """Motion of N frames as changes of a face at rest.

    Args:
        expression (`Tensor` of shape (N, 52)): Change of the ARKit-named expressions, blinks included.
        pose (`Tensor` of shape (N, 6)): Rotation vector in radians, logarithm of the size, and translation in units of the
            face model.
    """

    expression: Tensor
    pose: Tensor

    def coefficients(self, model: AdaATFaceModel) -> FaceCoefficients:
        """As a driver whose face at rest is [`resting_face`]."""
        frames = len(self.pose)
        return FaceCoefficients(
            identity=torch.zeros(model.config.num_identity),
            offset=torch.zeros(len(model.mean), 3),
            expression=self.expression,
            rotation=self.pose[:, :3],
            scale=self.pose[:, 3].exp(),
            translation=self.pose[:, 4:],
            valid=torch.ones(frames, dtype=torch.bool),
        )


def resting_face(model: AdaATFaceModel) -> FaceCoefficients:
    """One frame without any change; the reference that goes with [`MotionChange.coefficients`]."""
    return MotionChange(torch.zeros(1, len(ARKIT_EXPRESSIONS)), torch.zeros(1, 6)).coefficients(model)


def blink_amount(times: Tensor, begins: list[float]) -> Tensor:
    """How far the lids are closed, in [0, 1], at times (N,) in seconds, when blinks begin at given seconds."""
    amount = torch.zeros_like(times)
    for begin in begins:
        since = times - begin
        closing = (since / BLINK_CLOSING).clamp(0, 1)
        opening = ((BLINK_SECONDS - since) / BLINK_OPENING).clamp(0, 1)
        amount = torch.maximum(amount, _smooth(closing) * _smooth(opening))
    return amount


def _smooth(share: Tensor) -> Tensor:
    return (1 - torch.cos(math.pi * share)) / 2


def head_motion_of(driver: FaceCoefficients) -> Tensor:
    """A driver's head motion (T, 6) since its calmest frame; see [`MotionChange`]."""
    start = driver.frames(torch.tensor([neutral_frame(driver)]))
    turned = rotation_matrix(driver.rotation) @ rotation_matrix(start.rotation).transpose(1, 2)
    size = (driver.scale / start.scale).log()[:, None]
    return torch.cat([rotation_vector(turned), size, (driver.translation - start.translation) / start.scale], 1)


def back_and_forth(values: Tensor, positions: Tensor) -> Tensor:
    """Values (T, D) at positions (N,) in frames; beyond the end they run backwards, then forwards again."""
    last = len(values) - 1
    if last == 0:
        return values.expand(len(positions), -1)
    folded = positions % (2 * last)
    folded = torch.where(folded > last, 2 * last - folded, folded)
    before = folded.floor().long().clamp(max=last - 1)
    return torch.lerp(values[before], values[before + 1], (folded - before).to(values.dtype)[:, None])


def close_lips(face: FaceCoefficients, model: AdaATFaceModel) -> FaceCoefficients:
    """The same face with its lips together, so that speech starts from a closed mouth.

    Expressions that part the lips are taken back; what then remains between the inner lips is particular to this face and
    is taken up by both lips.

    Args:
        face ([`FaceCoefficients`]): One frame.
        model ([`AdaATFaceModel`]): The face model.
    """
    expression = face.expression.clone()
    expression[:, list(PARTING)] = 0
    points = model.shape(face.identity[None], expression, face.offset[None])[0]
    gap = (points[LOWER_LIDS[INNER_LIPS], 1] - points[UPPER_LIDS[INNER_LIPS], 1] - CLOSED_LIPS).clamp_min(0)
    offset = face.offset.clone()
    # The lower lip is the one that moves, and takes the outer lips along.
    offset[UPPER_LIDS[INNER_LIPS], 1] += 0.3 * gap
    offset[LOWER_LIDS[INNER_LIPS], 1] -= 0.7 * gap
    offset[[50, 51, 52], 1] += 0.3 * gap.mean()
    offset[[56, 57, 58], 1] -= 0.7 * gap.mean()
    return replace(face, expression=expression, offset=offset)
