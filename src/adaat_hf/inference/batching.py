"""How many poses are painted at once."""

import torch

from ..memory import free_memory
from ..models.configuration_adaat import AdaATConfig


# More than this is no faster: two processors' caches are full with few poses, a GPU is busy with some more.
MOST_ON_CPU, MOST_ON_GPU = 4, 16
# Feature maps of every resolution that are alive at once while painting; 5 to 7 were measured (presets at 256 px).
MAPS_ALIVE = 8
# Share of the free memory that painting may take.
SHARE = 0.5


def bytes_per_pose(config: AdaATConfig, height: int, width: int, dtype: torch.dtype, sources: int = 1) -> int:
    """Memory, estimated, that painting one pose of H x W pixels takes while it goes on, without the weights."""
    values = sum(channels / 4**level for level, channels in enumerate(config.encoder_channels)) * height * width
    return int(MAPS_ALIVE * sources * values * dtype.itemsize)


def poses_at_once(
    config: AdaATConfig, height: int, width: int, dtype: torch.dtype, device: torch.device, sources: int = 1
) -> int:
    """A batch that is fast and takes no more than half of the free memory; at least 1.

    Args:
        config ([`AdaATConfig`]): The generator's.
        height, width (`int`): Of the pictures.
        dtype (`torch.dtype`): Type in which is painted.
        device (`torch.device`): Where is painted.
        sources (`int`, *optional*, defaults to 1): Pictures of the subject.
    """
    most = MOST_ON_CPU if device.type == "cpu" else MOST_ON_GPU
    room = SHARE * free_memory(device) / bytes_per_pose(config, height, width, dtype, sources)
    return max(1, min(most, int(room)))


__all__ = ["bytes_per_pose", "poses_at_once"]
