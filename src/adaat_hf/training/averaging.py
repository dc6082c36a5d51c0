"""Exponential moving average of a model's weights."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def _update(decay: float, averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
    weight = 1 - min(decay, float((1 + count) / (10 + count)))
    for average, value in zip(averaged, current, strict=True):
        if average.is_floating_point():
            average.lerp_(value, weight)
        else:
            average.copy_(value)


def averaged_model(model: nn.Module, decay: float, device: torch.device) -> AveragedModel:
    """Average parameters and batch-norm statistics; the decay grows from 0, so early weights are forgotten quickly."""
    return AveragedModel(model, device=device, multi_avg_fn=partial(_update, decay), use_buffers=True)
