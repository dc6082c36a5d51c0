"""Give a trained landmarker crops of twice the resolution: one finer level before those that it has."""

from pathlib import Path

import torch

from ..models.configuration_landmarker import AdaATLandmarkerConfig
from ..models.modeling_landmarker import AdaATLandmarker, LandmarkNetwork


# Standard deviation of the pixels of crops, in [-1, 1].
PIXEL_SPREAD = 0.55
# Channels that carry the colours and their negatives through the new level, which ReLU and halving leave as they are.
COLOURS = 6
# Through these, the rest of the new level is heard as soon as it has learned something.
NEW_AND_SILENT = (
    "down.0.1.conv2.weight", "down.0.1.conv2.bias", "pyramid.laterals.0.weight", "pyramid.laterals.0.bias",
)  # fmt: skip


def load_for_training(folder: str | Path, config: AdaATLandmarkerConfig) -> AdaATLandmarker:
    """A landmarker to train on, in 32 bits.

    Args:
        folder (`str` or `Path`): A landmarker whose configuration is `config`, or that with half the `crop_size` and without
            the first of the `channels`: it is grown, so that it finds what it found before, and sees twice as finely. What it lacks to
            tell parts begins at random.
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
    if config.channels[0] < COLOURS:
        raise ValueError(
            f"The first of the channels {list(config.channels)} is {config.channels[0]}, expected {COLOURS} or more."
        )
    small = AdaATLandmarker.from_pretrained(folder, dtype=torch.float32)
    grown = AdaATLandmarker(config)
    grown.detector.load_state_dict(small.detector.state_dict())
    _grow(small.landmarks, grown.landmarks)
    if grown.parts is not None and small.parts is not None:
        grown.parts.load_state_dict(small.parts.state_dict())
    return grown


def _grow(small: LandmarkNetwork, grown: LandmarkNetwork) -> None:
    """Copy a network behind a new first level that makes no difference yet (as in Net2Net; Chen et al., 2016): it halves the
    picture, and what else it sees counts for nothing."""
    state = grown.state_dict()
    state |= {_one_level_later(name): value for name, value in small.state_dict().items()}
    state |= {name: torch.zeros_like(state[name]) for name in NEW_AND_SILENT}
    colours = state["down.0.0.conv.weight"]
    others = len(state["stem.conv.bias"]) - COLOURS
    state["down.0.0.conv.weight"] = torch.cat([colours, -colours, colours.new_zeros(len(colours), others, 3, 3)], 1)
    both = torch.zeros(COLOURS, 3, 3, 3)
    both[:, :, 1, 1] = torch.cat([torch.eye(3), -torch.eye(3)])
    state["stem.conv.weight"] = torch.cat([both, state["stem.conv.weight"][COLOURS:]])
    state["stem.conv.bias"] = torch.cat([torch.zeros(COLOURS), state["stem.conv.bias"][COLOURS:]])
    state["stem.norm.weight"] = torch.full_like(state["stem.norm.weight"], PIXEL_SPREAD)
    state["stem.norm.running_var"] = torch.full_like(state["stem.norm.running_var"], PIXEL_SPREAD**2)
    grown.load_state_dict(state)


def _one_level_later(name: str) -> str:
    """The name of a value of the small network in the grown one."""
    for list_name in ("down", "pyramid.laterals"):
        if name.startswith(f"{list_name}."):
            number, rest = name.removeprefix(f"{list_name}.").split(".", 1)
            return f"{list_name}.{int(number) + 1}.{rest}"
    return name.replace("stem.", "down.0.0.")


__all__ = ["load_for_training"]
