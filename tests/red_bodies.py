"""A landmarker that tells bodies by their colours, so that it is known what it says."""

import numpy as np
import torch
from conftest import draw_person

from adaat_hf.models import limb_layers
from adaat_hf.models.configuration_landmarker import AdaATLandmarkerConfig
from adaat_hf.models.modeling_landmarker import AdaATLandmarker
from adaat_hf.models.silhouette import find_silhouettes


class RedAndBlue(AdaATLandmarker):
    """A landmarker for which red is a body, blue an arm, and green neither."""

    def __init__(self) -> None:
        size = {"crop_size": 128, "crop_margin": 1.35, "channels": (8, 8, 8), "parts_channels": (8, 8)}
        super().__init__(AdaATLandmarkerConfig(layout="body18", num_keypoints=18, parts=True, **size))

    def tell_parts(self, pixel_values, points, visibility):
        red, green, blue = torch.nn.functional.avg_pool2d(pixel_values, 2).split(1, 1)
        return 20 * torch.cat([green, red, blue], 1)


def red_before_green(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """A person (height, width, 3), uint8, all red, before a green wall."""
    picture = draw_person(points, height, width, np.tile([255, 0, 0], (6, 1)))
    picture[picture[..., 1] > 0] = (0, 255, 0)
    return picture


def told_silhouettes(monkeypatch) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """The pictures that are searched for silhouettes from now on, and what a network said of them."""
    calls = []

    def find(pictures, axes, limbs, likely=None):
        calls.append((pictures, likely))
        return find_silhouettes(pictures, axes, limbs, likely)

    monkeypatch.setattr(limb_layers, "find_silhouettes", find)
    return calls
