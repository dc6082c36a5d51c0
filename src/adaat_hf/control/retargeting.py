"""Give a source face the motion of a driving face: swap of face-model coefficients (paper, section 4.2)."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..expressions import ARKIT_EXPRESSIONS, EXPRESSION_GROUPS
from .coefficients import FaceCoefficients
from .rotation import rotation_matrix, rotation_vector


# Corners of each eye and of the inner lips; upper and lower points; the iris between them; the share of the corners'
# distance that stays between them when they are closed.
LIDS = (
    ((36, 39), ([37, 38], [41, 40]), 68, 0.03),
    ((42, 45), ([43, 44], [47, 46]), 69, 0.03),
    ((60, 64), ([61, 62, 63], [67, 66, 65]), None, 0.0),
)


Control = Literal["both", "expression", "pose"]
Motion = Literal["relative", "absolute"]


@dataclass(frozen=True)
class Strengths:
    """How strongly each group follows the driver: 0 keeps the source's, 1 takes the driver's, more exaggerates.

    Args:
        eyes, brows, mouth, head (`float`, *optional*, defaults to 1): One factor per group.
    """

    eyes: float = 1.0
    brows: float = 1.0
    mouth: float = 1.0
    head: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 3:
                raise ValueError(f"The strength of {name} is {value}, expected a number from 0 to 3.")

    def expression_factors(self) -> Tensor:
        """Factor of each of the 52 expressions."""
        factors = torch.ones(len(ARKIT_EXPRESSIONS))
        for group, members in EXPRESSION_GROUPS.items():
            factors[list(members)] = getattr(self, group)
        return factors


def neutral_frame(driving: FaceCoefficients) -> int:
    """Number of the frame that is closest to a calm face looking ahead; relative motion starts from it."""
    calm = driving.expression.square().sum(1) + driving.rotation.square().sum(1)
    calm[~driving.valid] = torch.inf
    return int(calm.argmin())


def retarget(
    source: FaceCoefficients,
    driving: FaceCoefficients,
    *,
    control: Control = "both",
    motion: Motion = "relative",
    strengths: Strengths | None = None,
    reference: int | FaceCoefficients | None = None,
) -> FaceCoefficients:
    """The source's identity with the driver's expression and head motion.

    Args:
        source ([`FaceCoefficients`]): One frame: the face to animate, in the pixels of the picture to paint.
        driving ([`FaceCoefficients`]): T frames, in pixels of a picture of the same framing.
        control (`str`, *optional*, defaults to `"both"`): `"expression"`, `"pose"` or `"both"`.
        motion (`str`, *optional*, defaults to `"relative"`): `"relative"` adds the driver's change since its reference
            frame to the source's own pose and expression; `"absolute"` takes the driver's values.
        strengths ([`Strengths`], *optional*): Factors per group.
        reference (`int` or [`FaceCoefficients`], *optional*): Number of the driver's reference frame, or such a frame;
            [`neutral_frame`] by default.

    Returns:
        [`FaceCoefficients`]: T frames of the source's face.

    Raises:
        ValueError: if an option is unknown, or `source` is not a single frame.
    """
    if len(source) != 1:
        raise ValueError(f"The source has {len(source)} frames, expected exactly one.")
    if control not in ("both", "expression", "pose"):
        raise ValueError(f"control is {control!r}, expected 'both', 'expression' or 'pose'.")
    if motion not in ("relative", "absolute"):
        raise ValueError(f"motion is {motion!r}, expected 'relative' or 'absolute'.")
    strengths = strengths or Strengths()
    start = reference if isinstance(reference, FaceCoefficients) else _reference_frame(driving, reference)
    frames = len(driving)
    result = replace(
        source,
        expression=source.expression.expand(frames, -1),
        rotation=source.rotation.expand(frames, -1),
        scale=source.scale.expand(frames),
        translation=source.translation.expand(frames, -1),
        valid=driving.valid,
    )
    if control != "pose":
        result = replace(result, expression=_expression(source, driving, start, motion, strengths))
    if control != "expression":
        result = _pose(result, source, driving, start, motion, strengths.head)
    return result


def _reference_frame(driving: FaceCoefficients, number: int | None) -> FaceCoefficients:
    number = neutral_frame(driving) if number is None else number
    if not 0 <= number < len(driving):
        raise ValueError(f"The reference frame is {number}, expected 0 to {len(driving) - 1}.")
    return driving.frames(torch.tensor([number]))


def _expression(
    source: FaceCoefficients, driving: FaceCoefficients, start: FaceCoefficients, motion: Motion, strengths: Strengths
) -> Tensor:
    base = start.expression if motion == "relative" else source.expression
    return (source.expression + strengths.expression_factors() * (driving.expression - base)).clamp(0, 1)


def _pose(
    result: FaceCoefficients,
    source: FaceCoefficients,
    driving: FaceCoefficients,
    start: FaceCoefficients,
    motion: Motion,
    strength: float,
) -> FaceCoefficients:
    """Head rotation, size and place. Both motions are changes since a base, which `strength` scales."""
    base = start if motion == "relative" else source
    here = rotation_matrix(source.rotation)
    change = rotation_matrix(driving.rotation) @ rotation_matrix(base.rotation).transpose(1, 2)
    turned = rotation_matrix(strength * rotation_vector(change)) @ here
    # In relative motion, lengths of the driver's picture become lengths of the source's.
    zoom = source.scale / start.scale if motion == "relative" else torch.ones(1)
    growth = (driving.scale / base.scale) ** strength
    shift = strength * zoom[:, None] * (driving.translation - base.translation)
    return replace(
        result,
        rotation=rotation_vector(turned),
        scale=source.scale * growth,
        translation=source.translation + shift,
    )


def separate_lids(points: Tensor) -> Tensor:
    """Keep lids and lips from passing through each other.

    A driver's blink closes an eye by a fixed way; in an eye that was narrow already, the upper lid would end below the
    lower one, and the picture would be folded. The upper point stops just above the lower one instead, and the iris, which
    a closed eye hides, stays between them.

    Args:
        points (`Tensor` of shape (..., K, 2)): Key points in pixels, in the 68-point order.

    Returns:
        `Tensor` of the same shape.
    """
    result = points.clone()
    for (first, last), (upper, lower), iris, smallest in LIDS:
        along = result[..., last, :] - result[..., first, :]
        width = along.norm(dim=-1)[..., None, None].clamp_min(1e-6)
        down = torch.stack([-along[..., 1], along[..., 0]], -1)[..., None, :] / width
        opening = ((result[..., lower, :] - result[..., upper, :]) * down).sum(-1, keepdim=True)
        result[..., upper, :] -= (smallest * width - opening).clamp_min(0) * down
        if iris is not None and iris < result.shape[-2]:
            top, bottom = (result[..., lid, :].mean(-2, keepdim=True) for lid in (upper, lower))
            middle = result[..., [iris], :]
            depth, opening = (((point - top) * down).sum(-1, keepdim=True) for point in (middle, bottom))
            result[..., [iris], :] = middle + (torch.minimum(depth.clamp_min(0), opening) - depth) * down
    return result
