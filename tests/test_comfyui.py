"""The nodes, called as ComfyUI calls them: its pictures (B, H, W, 3) in [0, 1], its sound, its names of inputs."""

import inspect

import numpy as np
import PIL.Image
import pytest
import torch

from adaat_hf import VideoReader
from adaat_hf.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from adaat_hf.marking import label_score
from adaat_hf.marking.label import FOUND
from adaat_hf.processing.sound import load_sound


def pictures(*arrays):
    return torch.from_numpy(np.stack(arrays)).float() / 255


def call(name, **given):
    """Call a node with the defaults of its inputs, as ComfyUI's interface would."""
    node = NODE_CLASS_MAPPINGS[name]
    values = {}
    for key, spec in node.INPUT_TYPES()["required"].items():
        if isinstance(spec[0], list):
            values[key] = spec[0][0]
        elif len(spec) > 1:
            values[key] = spec[1]["default"]
    return getattr(node(), node.FUNCTION)(**{**values, **given})


@pytest.mark.parametrize("name", sorted(NODE_CLASS_MAPPINGS))
def test_inputs_are_the_arguments(name):
    node = NODE_CLASS_MAPPINGS[name]
    arguments = list(inspect.signature(getattr(node, node.FUNCTION)).parameters)[1:]
    assert arguments == list(node.INPUT_TYPES()["required"])
    assert name in NODE_DISPLAY_NAME_MAPPINGS and node.CATEGORY


@pytest.mark.slow
def test_faces(files):
    photo = pictures(np.asarray(PIL.Image.open(files["photo"])))
    driving = pictures(*list(VideoReader(files["driver"]))[:3])
    (frames,) = call("AdaATReenact", photo=photo, driving=driving)
    assert frames.shape == (3, 320, 320, 3) and 0 <= frames.min() and frames.max() <= 1
    assert label_score((frames[0].numpy() * 255).astype(np.uint8)) >= FOUND
    sound = {
        "waveform": torch.from_numpy(load_sound(files["voice"]))[None, None],
        "sample_rate": 16_000,
    }
    frames, fps, audio = call("AdaATTalk", photo=photo, audio=sound, fps=5.0, mark=False)
    assert frames.shape == (5, 320, 320, 3) and fps == 5 and audio is sound
    assert label_score((frames[0].numpy() * 255).astype(np.uint8)) < FOUND


@pytest.mark.slow
def test_persons(files):
    figure = np.asarray(PIL.Image.open(files["figure"]))
    turned = np.ascontiguousarray(figure[:, ::-1])
    (frames,) = call("AdaATPose", photos=pictures(figure), driving=pictures(figure, turned))
    assert frames.shape == (2, *figure.shape)
    (images,) = call("AdaATPerson", photos=pictures(figure), poses=pictures(turned))
    assert images.shape == (1, 256, 176, 3)
