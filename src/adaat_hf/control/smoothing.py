"""Steady coefficients over time: a One Euro filter run in both directions, so that nothing lags."""

from dataclasses import replace

import torch
from torch import Tensor

from .coefficients import FaceCoefficients


# (cut-off at rest in Hz, its growth with speed): head pose is slow, lids and lips are quick.
POSE = (2.0, 0.6)
EXPRESSION = (4.0, 3.0)
SPEED_CUTOFF = 2.0


def _one_euro(values: Tensor, fps: float, cutoff: Tensor, slope: Tensor) -> Tensor:
    """One Euro filter (Casiez et al., 2012) of a sequence (T, D); `cutoff` and `slope` are (D,)."""
    rate = fps / (2 * torch.pi)
    speed_weight = 1 / (1 + rate / SPEED_CUTOFF)
    smooth, speed = values[0], torch.zeros_like(values[0])
    result = [smooth]
    for value in values[1:]:
        speed = speed + speed_weight * ((value - smooth) * fps - speed)
        smooth = smooth + (value - smooth) / (1 + rate / (cutoff + slope * speed.abs()))
        result.append(smooth)
    return torch.stack(result)


def smooth(coefficients: FaceCoefficients, fps: float) -> FaceCoefficients:
    """Remove jitter from expression and head pose; quick motions such as blinks stay.

    Args:
        coefficients ([`FaceCoefficients`]): A clip.
        fps (`float`): Its frame rate.
    """
    if len(coefficients) < 3:
        return coefficients
    unit = coefficients.scale.median()
    place = torch.cat([coefficients.scale[:, None], coefficients.translation], 1) / unit
    parts = [coefficients.expression, coefficients.rotation, place]
    widths = [part.shape[1] for part in parts]
    cutoff, slope = (
        torch.cat([torch.full((width,), value) for width, value in zip(widths, values, strict=True)])
        for values in zip(EXPRESSION, POSE, POSE, strict=True)
    )
    values = torch.cat(parts, 1)
    forward = _one_euro(values, fps, cutoff, slope)
    backward = _one_euro(values.flip(0), fps, cutoff, slope).flip(0)
    expression, rotation, place = ((forward + backward) / 2).split(widths, 1)
    return replace(
        coefficients,
        expression=expression,
        rotation=rotation,
        scale=place[:, 0] * unit,
        translation=place[:, 1:] * unit,
    )
