"""Losses of the motion model."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..control.face_model import AdaATFaceModel
from ..expressions import EXPRESSION_GROUPS
from ..models.modeling_motion import UPPER_FACE, AdaATMotionOutput
from ..processing.keypoints import JAW, MOUTH
from .motion_targets import lip_opening


# Up to this opening since rest (in units of the outer eye corners' distance) lips count as closed.
CLOSED = 0.015
# Typical sizes of the motions, so that no component of the energy score drowns another.
POSE_UNIT = (0.03, 0.04, 0.03, 0.01, 0.03, 0.03)
UPPER_FACE_UNIT = 0.1


class MotionLosses:
    """Losses of a batch of [`MotionDataset`].

    Args:
        face_model ([`AdaATFaceModel`]): Says how expressions move landmarks.
        device (`torch.device`): Of the batches.
    """

    def __init__(self, face_model: AdaATFaceModel, device: torch.device) -> None:
        self.mouth = list(EXPRESSION_GROUPS["mouth"])
        basis = face_model.expression_basis.float()[self.mouth].to(device)
        # The outer lips count once, the inner ones twice; the jaw's rim is little more than a guess of the landmarker.
        weight = torch.zeros(basis.shape[1])
        weight[MOUTH] = 1.0
        weight[60:68] = 2.0
        weight[JAW] = 0.2
        self.weight = (weight / weight.sum()).to(device)[:, None]
        self.basis = basis
        self.pose_unit = torch.tensor(POSE_UNIT, device=device)

    def __call__(
        self, first: AdaATMotionOutput, second: AdaATMotionOutput, batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Losses by name.

        Args:
            first, second ([`AdaATMotionOutput`]): Predictions for the same sound with different noise.
            batch (`dict[str, Tensor]`): See [`MotionDataset`].
        """
        upper = [output.expression[..., list(UPPER_FACE)] / UPPER_FACE_UNIT for output in (first, second)]
        pose = [output.pose / self.pose_unit for output in (first, second)]
        lids = batch["expression"][..., list(UPPER_FACE)] / UPPER_FACE_UNIT
        return {
            **self._mouth_losses(first.expression[..., self.mouth], batch),
            "upper_face": energy_score(upper[0], upper[1], lids, batch["steady"]),
            "pose": energy_score(pose[0], pose[1], batch["pose"] / self.pose_unit, batch["weight"]),
            "blinks": self._blink_loss(first.blinks, batch),
        }

    def _mouth_losses(self, predicted: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        target, weight = batch["expression"][..., self.mouth], batch["weight"]
        error = predicted - target
        landmarks = torch.einsum("bte,ekd->btkd", error, self.basis)
        # What is constant over a clip is a matter of how the face was fitted: it counts less.
        mean = (landmarks * weight[..., None, None]).sum(1, keepdim=True) / weight.sum(1).clamp_min(1)[
            :, None, None, None
        ]
        steps = weight[:, 1:] * weight[:, :-1]
        closed = weight * (batch["opening"] < CLOSED)
        gap = lip_opening(self._points(predicted))
        return {
            "coefficients": _mean(error.abs().mean(-1), weight),
            "landmarks": _mean(self._size(landmarks - 0.7 * mean), weight),
            "velocity": _mean(self._size(landmarks[:, 1:] - landmarks[:, :-1]), steps),
            "amplitude": self._size(
                _deviation(self._points(predicted), weight) - _deviation(self._points(target), weight)
            ).mean(),
            "closure": _mean((gap - lip_opening(self._points(target))).clamp_min(0), closed),
        }

    def _points(self, expression: Tensor) -> Tensor:
        return torch.einsum("bte,ekd->btkd", expression, self.basis)

    def _size(self, movement: Tensor) -> Tensor:
        return (movement.abs() * self.weight).sum((-2, -1))

    @staticmethod
    def _blink_loss(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(
            logits[:, : batch["blinks"].shape[1]], batch["blinks"], reduction="none"
        )
        return _mean(loss, batch["blink_weight"])


def energy_score(
    first: Tensor, second: Tensor, target: Tensor, weight: Tensor, windows: Sequence[int] = (1, 8, 25)
) -> Tensor:
    """Energy score of two draws from a predicted distribution of sequences (Gneiting & Raftery, 2007).

    It is smallest when draws and truth have the same distribution, so a network that receives noise learns to use it.
    Scored are positions and speeds, over stretches of several lengths.

    Args:
        first, second, target (`Tensor` of shape (B, N, D)): Two draws and the truth.
        weight (`Tensor` of shape (B, N)): 0 for frames without truth.
        windows (`Sequence[int]`): Lengths in frames.
    """
    total = first.new_zeros(())
    for order in (0, 1):
        for window in windows:
            if window > first.shape[1]:
                continue
            mask = weight
            near, far, apart = first - target, second - target, first - second
            if order:
                near, far, apart = (value[:, 1:] - value[:, :-1] for value in (near, far, apart))
                mask = weight[:, 1:] * weight[:, :-1]
            lengths = [_norm(value, mask, window) for value in (near, far, apart)]
            share = mask.unfold(1, window, window).mean(-1)
            score = 0.5 * (lengths[0] + lengths[1]) - 0.5 * lengths[2]
            total = total + _mean(score, share) / (len(windows) * 2) * (4.0 if order else 1.0)
    return total


def _norm(difference: Tensor, mask: Tensor, window: int) -> Tensor:
    """Root mean square over stretches of `window` frames; (B, N // window)."""
    squares = (difference.square().mean(-1) * mask).unfold(1, window, window).mean(-1)
    return (squares + 1e-6).sqrt()


def _deviation(points: Tensor, weight: Tensor) -> Tensor:
    """Standard deviation over time of points (B, N, K, 3); (B, K, 3)."""
    share = (weight / weight.sum(1, keepdim=True).clamp_min(1e-6))[..., None, None]
    mean = (points * share).sum(1, keepdim=True)
    return (((points - mean).square() * share).sum(1) + 1e-8).sqrt()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)
