"""A motion made by numbers alone: look around, nod, blink, smile, and move the mouth as in speech."""

import math

import torch
from torch import Tensor

from ..expressions import ARKIT_EXPRESSIONS
from .coefficients import FaceCoefficients
from .face_model import AdaATFaceModel
from .template import MotionTemplate


SIZE = 256
# Syllables of an imaginary sentence: start in seconds, how far the jaw opens, how far the lips round and spread.
SYLLABLES = (
    (2.55, 0.26, 0.0, 0.2), (2.78, 0.08, 0.5, 0.0), (2.98, 0.32, 0.0, 0.2), (3.24, 0.14, 0.6, 0.0),
    (3.46, 0.22, 0.0, 0.3), (3.80, 0.30, 0.1, 0.1), (4.02, 0.10, 0.0, 0.4), (4.20, 0.26, 0.4, 0.0),
)  # fmt: skip
SYLLABLE_SECONDS = 0.24
BLINKS = (0.55, 2.2, 3.65, 4.6)


def demo_motion(face_model: AdaATFaceModel, seconds: float = 5.0, fps: float = 25.0) -> MotionTemplate:
    """Write a motion template without any recording.

    Args:
        face_model ([`AdaATFaceModel`]): Defines identity and key points.
        seconds (`float`, *optional*, defaults to 5): Length.
        fps (`float`, *optional*, defaults to 25): Frame rate.
    """
    time = torch.arange(round(seconds * fps)) / fps
    frames = len(time)
    expression = torch.zeros(frames, len(ARKIT_EXPRESSIONS))

    def add(name: str, amount: Tensor) -> None:
        expression[:, ARKIT_EXPRESSIONS.index(name)] += amount

    for side in ("Left", "Right"):
        for blink in BLINKS:
            add(f"eyeBlink{side}", _bump(time, blink, 0.11))
        smile = swell(time, 1.2, 2.5)
        add(f"mouthSmile{side}", 0.75 * smile)
        add(f"cheekSquint{side}", 0.35 * smile)
        add(f"browOuterUp{side}", 0.4 * _bump(time, 3.1, 0.5))
    add("browInnerUp", 0.45 * _bump(time, 3.1, 0.5))
    for start, open_, round_, spread in SYLLABLES:
        shape = _bump(time, start + SYLLABLE_SECONDS / 2, SYLLABLE_SECONDS / 2)
        add("jawOpen", open_ * shape)
        add("mouthFunnel", round_ * shape)
        for side in ("Left", "Right"):
            add(f"mouthStretch{side}", spread * shape)
            add(f"mouthLowerDown{side}", 0.5 * open_ * shape)
            add(f"mouthUpperUp{side}", 0.25 * open_ * shape)
    yaw = math.radians(16) * (swell(time, 0.3, 1.3) - 0.8 * swell(time, 3.6, 4.9))
    pitch = math.radians(7) * torch.sin(2 * math.pi * 1.1 * (time - 1.4)) * swell(time, 1.4, 2.5)
    roll = math.radians(4) * torch.sin(2 * math.pi * 0.35 * time)
    rotation = torch.stack([pitch, yaw, roll], 1)
    return MotionTemplate(
        FaceCoefficients(
            identity=torch.zeros(face_model.config.num_identity),
            offset=torch.zeros_like(face_model.mean, dtype=torch.float32, device="cpu"),
            expression=expression.clamp(0, 1),
            rotation=rotation,
            scale=torch.full((frames,), 0.36 * SIZE),
            translation=torch.full((frames, 2), SIZE / 2.0) + 0.03 * SIZE * torch.stack([torch.sin(yaw), pitch], 1),
            valid=torch.ones(frames, dtype=torch.bool),
        ),
        fps=fps,
        size=SIZE,
    )


def _bump(time: Tensor, centre: float, half_width: float) -> Tensor:
    """A smooth rise from 0 to 1 and back around `centre`."""
    phase = ((time - centre) / half_width).clamp(-1, 1)
    return (1 + torch.cos(math.pi * phase)) / 2


def swell(time: Tensor, start: float, end: float) -> Tensor:
    """A rise from 0 to 1 at `start`, a plateau, and a fall that ends at `end`."""
    ramp = 0.35
    up, down = ((time - start) / ramp).clamp(0, 1), ((end - time) / ramp).clamp(0, 1)
    smooth = lambda x: x * x * (3 - 2 * x)  # noqa: E731
    return smooth(up) * smooth(down)
