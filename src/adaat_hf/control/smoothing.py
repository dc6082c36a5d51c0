"""Steady coefficients over time: a One Euro filter, run in both directions where the whole clip is known, so that nothing lags."""

from dataclasses import replace

import torch
from torch import Tensor

from .coefficients import FaceCoefficients


# (cut-off at rest in Hz, its growth with speed): head pose is slow, lids and lips are quick.
POSE = (2.0, 0.6)
EXPRESSION = (4.0, 3.0)
SPEED_CUTOFF = 2.0


class OneEuroFilter:
    """One Euro filter (Casiez et al., 2012) of vectors (D,): slow motion is smoothed, quick motion passes.

    Args:
        cutoff (`Tensor` of shape (D,)): Cut-off at rest, in Hz.
        slope (`Tensor` of shape (D,)): Its growth with speed.
    """

    def __init__(self, cutoff: Tensor, slope: Tensor) -> None:
        self.cutoff, self.slope = cutoff, slope
        self._smooth: Tensor | None = None
        self._speed = torch.zeros_like(cutoff)

    def __call__(self, value: Tensor, fps: float) -> Tensor:
        """The next value, smoothed, 1 / `fps` seconds after the last one."""
        if self._smooth is None:
            self._smooth = value
            return value
        rate = fps / (2 * torch.pi)
        self._speed = self._speed + ((value - self._smooth) * fps - self._speed) / (1 + rate / SPEED_CUTOFF)
        cutoff = self.cutoff + self.slope * self._speed.abs()
        self._smooth = self._smooth + (value - self._smooth) / (1 + rate / cutoff)
        return self._smooth


def _filtered(values: Tensor, fps: float, widths: list[int]) -> Tensor:
    """A sequence (T, D) of expression, rotation and place, forwards."""
    step = _filter(widths)
    return torch.stack([step(value, fps) for value in values])


def _filter(widths: list[int]) -> OneEuroFilter:
    settings = zip(EXPRESSION, POSE, POSE, strict=True)
    return OneEuroFilter(
        *(
            torch.cat([torch.full((width,), value) for width, value in zip(widths, values, strict=True)])
            for values in settings
        )
    )


def _values(coefficients: FaceCoefficients, unit: Tensor) -> tuple[Tensor, list[int]]:
    """What is smoothed, (T, D), with lengths in units of the face, and the widths of its parts."""
    place = torch.cat([coefficients.scale[:, None], coefficients.translation], 1) / unit
    parts = [coefficients.expression, coefficients.rotation, place]
    return torch.cat(parts, 1), [part.shape[1] for part in parts]


def _with_values(coefficients: FaceCoefficients, values: Tensor, widths: list[int], unit: Tensor) -> FaceCoefficients:
    expression, rotation, place = values.split(widths, 1)
    return replace(
        coefficients,
        expression=expression,
        rotation=rotation,
        scale=place[:, 0] * unit,
        translation=place[:, 1:] * unit,
    )


def smooth(coefficients: FaceCoefficients, fps: float) -> FaceCoefficients:
    """Remove jitter from expression and head pose; quick motions such as blinks stay.

    Args:
        coefficients ([`FaceCoefficients`]): A clip.
        fps (`float`): Its frame rate.
    """
    if len(coefficients) < 3:
        return coefficients
    unit = coefficients.scale.median()
    values, widths = _values(coefficients, unit)
    forward = _filtered(values, fps, widths)
    backward = _filtered(values.flip(0), fps, widths).flip(0)
    return _with_values(coefficients, (forward + backward) / 2, widths, unit)


class LiveSmoother:
    """Like [`smooth`] for frames that come one at a time: what comes later is not known, so that slow motion lags a little.

    Args:
        unit (`Tensor`): Scale of the face in pixels, to which places are compared.
    """

    def __init__(self, unit: Tensor) -> None:
        self.unit = unit
        self._filter: OneEuroFilter | None = None

    def __call__(self, face: FaceCoefficients, seconds: float) -> FaceCoefficients:
        """The next frame, smoothed, so many seconds after the last one."""
        values, widths = _values(face, self.unit)
        self._filter = self._filter or _filter(widths)
        return _with_values(face, self._filter(values[0], 1 / max(seconds, 1e-3))[None], widths, self.unit)
