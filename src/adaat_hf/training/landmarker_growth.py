"""Give a trained landmarker crops of twice the resolution: one finer level before those that it has."""

from pathlib import Path

import torch
from torch import nn

from ..models.blocks import BatchNorm
from ..models.configuration_landmarker import AdaATLandmarkerConfig
from ..models.modeling_landmarker import AdaATLandmarker, LandmarkNetwork


# Standard deviation of the pixels of crops, in [-1, 1].
PIXEL_SPREAD = 0.55


def load_for_training(folder: str | Path, config: AdaATLandmarkerConfig) -> AdaATLandmarker:
    """A landmarker to train on, in 32 bits.

    Args:
        folder (`str` or `Path`): A landmarker whose configuration is `config`, or that with half the `crop_size` and without
            the first of the `channels`: it is grown, so that it finds what it found before, and sees twice as finely.
        config ([`AdaATLandmarkerConfig`]): The configuration wanted.

    Raises:
        `ValueError`: The landmarker of the folder is another one.
    """
    own = AdaATLandmarkerConfig.from_pretrained(folder)
    if own.crop_size == config.crop_size:
        return AdaATLandmarker.from_pretrained(folder, config=config, dtype=torch.float32)
    if 2 * own.crop_size != config.crop_size or list(own.channels) != list(config.channels[1:]):
        raise ValueError(
            f"The landmarker in {folder} has crop_size {own.crop_size} and channels {list(own.channels)}; expected "
            f"{config.crop_size} and {list(config.channels)}, or {config.crop_size // 2} and {list(config.channels[1:])}."
        )
    small = AdaATLandmarker.from_pretrained(folder, dtype=torch.float32)
    grown = AdaATLandmarker(config)
    grown.detector.load_state_dict(small.detector.state_dict())
    _grow(small.landmarks, grown.landmarks)
    return grown


@torch.no_grad()
def _grow(small: LandmarkNetwork, grown: LandmarkNetwork) -> None:
    """Copy a network behind a new first level that makes no difference yet (as in Net2Net; Chen et al., 2016): it halves the
    picture, and what else it sees counts for nothing."""
    _pass_on(grown.stem.conv, grown.stem.norm)
    colours, finest = small.stem.conv.weight, grown.down[0]
    first = finest[0].conv
    first.weight.zero_()
    first.weight[:, :3], first.weight[:, 3:6] = colours, -colours
    first.bias.copy_(small.stem.conv.bias)
    finest[0].norm.load_state_dict(small.stem.norm.state_dict())
    finest[1].conv2.weight.zero_()
    finest[1].conv2.bias.zero_()
    for ours, theirs in zip(grown.down[1:], small.down, strict=True):
        ours.load_state_dict(theirs.state_dict())
    laterals = grown.pyramid.laterals
    laterals[0].weight.zero_()
    laterals[0].bias.zero_()
    for ours, theirs in zip(laterals[1:], small.pyramid.laterals, strict=True):
        ours.load_state_dict(theirs.state_dict())
    grown.pyramid.merge.load_state_dict(small.pyramid.merge.state_dict())
    for name in ("head", "presence", "visibility"):
        ours, theirs = getattr(grown, name), getattr(small, name)
        if ours is not None:
            ours.load_state_dict(theirs.state_dict())


def _pass_on(conv: nn.Conv2d, norm: BatchNorm) -> None:
    """Let the first six channels be the colours and their negatives, which ReLU and halving leave as they are."""
    middle = conv.kernel_size[0] // 2
    conv.weight[:6].zero_()
    conv.bias[:6].zero_()
    for channel in range(3):
        conv.weight[channel, channel, middle, middle] = 1
        conv.weight[3 + channel, channel, middle, middle] = -1
    norm.running_var.fill_(PIXEL_SPREAD**2)
    norm.weight[:6].fill_(PIXEL_SPREAD)


__all__ = ["load_for_training"]
