"""A small landmarker: a detector that finds faces or bodies in whole pictures, and a network for the landmarks of a crop."""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .blocks import DownBlock, ResBlock, SameBlock
from .configuration_landmarker import AdaATLandmarkerConfig
from .modeling_adaat import AdaATPreTrainedModel
from .parts_network import PARTS_STRIDE, PartsNetwork, limb_maps


HEATMAP_STRIDE = 4


@dataclass
class DetectorOutput(ModelOutput):
    """
    What the detector sees in each cell of its output grid.

    Args:
        scores (`Tensor` of shape (B, 1, h, w)): Logit of a face or body being centred in the cell.
        offsets (`Tensor` of shape (B, 2, h, w)): Centre (x, y) of the landmarks' box, in cells from the cell's middle.
        sizes (`Tensor` of shape (B, 1, h, w)): Natural logarithm of the longer side of that box, in cells.
    """

    scores: Tensor = cast(Tensor, None)
    offsets: Tensor = cast(Tensor, None)
    sizes: Tensor = cast(Tensor, None)


@dataclass
class LandmarkerOutput(ModelOutput):
    """
    Landmarks of crops.

    Args:
        points (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1] of the crop, where -1 and 1 are its border pixels.
        presence (`Tensor` of shape (B,)): Logit of the crop showing a face or body.
        heatmaps (`Tensor` of shape (B, K, s, s)): Logits of each landmark's place, in cells of 4 pixels.
        visibility (`Tensor` of shape (B, K), *optional*): With `config.visibility`, logit of each landmark being seen.
    """

    points: Tensor = cast(Tensor, None)
    presence: Tensor = cast(Tensor, None)
    heatmaps: Tensor = cast(Tensor, None)
    visibility: Tensor | None = None


class FeaturePyramid(nn.Module):
    """Bring coarse features back up to a finer level (Lin et al., 2017).

    Args:
        channels (`list[int]`): Channels of the levels, each half the resolution of the one before; the first one is the
            level of the result.
        width (`int`): Channels of the result.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.merge = SameBlock(width, width)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Features (B, C, H, W) from fine to coarse to (B, width, H, W) of the finest."""
        merged = self.laterals[-1](levels[-1])
        for lateral, level in zip(list(self.laterals)[-2::-1], levels[-2::-1], strict=True):
            merged = lateral(level) + F.interpolate(merged, level.shape[2:], mode="bilinear", align_corners=False)
        return self.merge(merged)


class Detector(nn.Module):
    """Fully convolutional detector with one output level of `detector_stride` pixels per cell."""

    def __init__(self, config: AdaATLandmarkerConfig) -> None:
        super().__init__()
        widths = list(config.detector_channels)
        self.down = nn.ModuleList(DownBlock(a, b) for a, b in pairwise([3, *widths]))
        self.level = config.detector_stride.bit_length() - 2
        self.deep = ResBlock(widths[-1], widths[-1])
        self.pyramid = FeaturePyramid(widths[self.level :], widths[self.level])
        self.head = nn.Conv2d(widths[self.level], 4, 3, padding=1)

    def forward(self, pictures: Tensor) -> DetectorOutput:
        """(B, 3, H, W) in [-1, 1], H and W multiples of the coarsest stride."""
        levels = []
        feature = pictures
        for down in self.down:
            feature = down(feature)
            levels.append(feature)
        levels[-1] = self.deep(levels[-1])
        found = self.head(self.pyramid(levels[self.level :]))
        scores, offsets, sizes = found.split([1, 2, 1], 1)
        return DetectorOutput(scores=scores, offsets=offsets, sizes=sizes)


def cell_positions(cells: int, device: torch.device) -> Tensor:
    """Middles (cells,) of a heat map's cells in [-1, 1] of the border pixels of the crop."""
    middle = (torch.arange(cells, device=device) + 0.5) * HEATMAP_STRIDE - 0.5
    return middle / (cells * HEATMAP_STRIDE - 1) * 2 - 1


def heatmap_centres(maps: Tensor) -> Tensor:
    """Where landmarks are by the logits of their heat maps: the centres of mass of the probabilities.

    Args:
        maps (`Tensor` of shape (B, K, s, s)): See [`LandmarkerOutput`].

    Returns:
        `Tensor` of shape (B, K, 2): (x, y) in [-1, 1] of the crop's border pixels.
    """
    cells = maps.shape[-1]
    weights = maps.flatten(2).softmax(-1).unflatten(-1, (cells, cells))
    places = cell_positions(cells, maps.device)
    return torch.stack([(weights.sum(2) * places).sum(-1), (weights.sum(3) * places).sum(-1)], -1)


class LandmarkNetwork(nn.Module):
    """One heat map per landmark of a crop; its centre of mass is the landmark (integral regression; Sun et al., 2018)."""

    def __init__(self, config: AdaATLandmarkerConfig) -> None:
        super().__init__()
        widths = list(config.channels)
        self.stem = DownBlock(3, widths[0])
        self.down = nn.ModuleList(nn.Sequential(DownBlock(a, b), ResBlock(b, b)) for a, b in pairwise(widths))
        self.pyramid = FeaturePyramid(widths[1:], config.heatmap_channels)
        self.head = nn.Conv2d(config.heatmap_channels, config.num_keypoints, 1)
        self.presence = nn.Linear(widths[-1], 1)
        self.visibility = nn.Linear(widths[-1], config.num_keypoints) if config.visibility else None

    def forward(self, crops: Tensor) -> LandmarkerOutput:
        """(B, 3, S, S) in [-1, 1]."""
        feature = self.stem(crops)
        levels = []
        for down in self.down:
            feature = down(feature)
            levels.append(feature)
        merged = self.pyramid(levels)
        maps = self.head(merged).float()
        summary = feature.mean((2, 3))
        return LandmarkerOutput(
            points=heatmap_centres(maps),
            presence=self.presence(summary)[:, 0],
            heatmaps=maps,
            visibility=None if self.visibility is None else self.visibility(summary),
        )


class AdaATLandmarker(AdaATPreTrainedModel):
    """The networks of the landmarker; [`TorchLandmarker`] and [`TorchBodyDetector`] run them on pictures."""

    config: AdaATLandmarkerConfig
    base_model_prefix = "landmarker"

    def __init__(self, config: AdaATLandmarkerConfig) -> None:
        super().__init__(config)
        self.detector = Detector(config)
        self.landmarks = LandmarkNetwork(config)
        self.parts = PartsNetwork(list(config.parts_channels)) if config.parts else None
        self.post_init()

    @can_return_tuple
    def forward(self, pixel_values: Tensor) -> LandmarkerOutput:
        """Landmarks of crops `pixel_values` (B, 3, S, S), RGB in [0, 1], S = `config.crop_size`."""
        return self.landmarks(pixel_values * 2 - 1)

    def tell_parts(self, pixel_values: Tensor, points: Tensor, visibility: Tensor) -> Tensor:
        """Tell which pixels of crops are those of the body with these key points.

        Args:
            pixel_values (`Tensor` of shape (B, 3, S, S)): RGB in [0, 1], S = `config.crop_size`.
            points (`Tensor` of shape (B, 18, 2)): (x, y) in [-1, 1] of the crop, where -1 and 1 are its border pixels.
            visibility (`Tensor` of shape (B, 18)): 0 for a missing point.

        Returns:
            `Tensor` of shape (B, 3, S / 2, S / 2): logits of each of `PARTS`; an arm's pixels do not count as the body's.

        Raises:
            ValueError: if `config.parts` is False.
        """
        if self.parts is None:
            raise ValueError("The landmarker's config.parts is False, expected True: it tells no parts of bodies.")
        maps = limb_maps(points, visibility, pixel_values.shape[-1] // PARTS_STRIDE)
        return self.parts(pixel_values * 2 - 1, maps)

    def find(self, pixel_values: Tensor) -> DetectorOutput:
        """Faces or bodies in whole pictures `pixel_values` (B, 3, H, W), RGB in [0, 1]; see [`DetectorOutput`]."""
        return self.detector(padded_pictures(pixel_values, self.config))


def padded_pictures(pixel_values: Tensor, config: AdaATLandmarkerConfig) -> Tensor:
    """Pictures (B, 3, H, W) in [0, 1] as the detector takes them: in [-1, 1], height and width extended to its coarsest stride."""
    divisor = 2 ** len(config.detector_channels)
    height, width = pixel_values.shape[2:]
    return F.pad(pixel_values * 2 - 1, (0, -width % divisor, 0, -height % divisor))


__all__ = ["AdaATLandmarker", "DetectorOutput", "LandmarkerOutput", "heatmap_centres", "padded_pictures"]
