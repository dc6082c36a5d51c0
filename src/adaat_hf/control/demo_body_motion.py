"""A body's motion made by numbers alone: stand, sway, look around, and lift and wave an arm."""

import math

import torch

from .body_coefficients import BodyCoefficients
from .body_joints import NUM_JOINTS, NUM_POINTS, SMPL24_NAMES
from .body_model import AdaATBodyModel
from .body_template import BodyMotionTemplate
from .demo_motion import swell


SIZE = 512
PIXELS_PER_METRE = 230.0
# Angles in degrees: how far hanging arms are turned down from the rest pose, and how much elbows are bent.
HANGING, BENT = 68.0, 18.0
WAVE_HERTZ, SWAY_HERTZ = 1.6, 0.4


def demo_body_motion(body_model: AdaATBodyModel, seconds: float = 4.0, fps: float = 25.0) -> BodyMotionTemplate:
    """Write a body's motion template without any recording.

    Args:
        body_model ([`AdaATBodyModel`]): Defines the shape components.
        seconds (`float`, *optional*, defaults to 4): Length.
        fps (`float`, *optional*, defaults to 25): Frame rate.
    """
    time = torch.arange(round(seconds * fps)) / fps
    frames = len(time)
    pose = torch.zeros(frames, NUM_JOINTS, 3)

    def turn(name: str, axis: int, degrees: torch.Tensor | float) -> None:
        pose[:, SMPL24_NAMES.index(name), axis] += torch.as_tensor(degrees) * math.pi / 180

    lifted = swell(time, 0.2 * seconds, 0.85 * seconds)
    sway = torch.sin(2 * math.pi * SWAY_HERTZ * time)
    turn("left_shoulder", 2, -HANGING + 3 * sway)
    turn("left_elbow", 2, -BENT / 2)
    turn("right_shoulder", 2, HANGING - 48 * lifted + 3 * sway)
    turn("right_elbow", 2, BENT * (1 - lifted) - lifted * (85 + 14 * torch.sin(2 * math.pi * WAVE_HERTZ * time)))
    turn("spine2", 2, 3 * sway)
    turn("neck", 2, -4 * sway)
    turn("neck", 1, 14 * lifted * torch.sin(math.pi * SWAY_HERTZ * time))
    shape = torch.zeros(body_model.config.num_shape)
    place = torch.full((frames, 2), SIZE / 2.0) + torch.stack([4 * sway, torch.zeros(frames)], 1)
    body = BodyCoefficients.complete(
        shape, torch.ones(NUM_POINTS), pose, torch.full((frames,), PIXELS_PER_METRE), place
    )
    return BodyMotionTemplate(body, fps, (SIZE, SIZE))


__all__ = ["demo_body_motion"]
