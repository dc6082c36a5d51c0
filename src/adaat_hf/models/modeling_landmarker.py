"""A small face landmarker: a detector that finds faces in whole pictures, and a network for the landmarks of a crop."""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .blocks import DownBlock, ResBlock, SameBlock
from .configuration_landmarker import AdaATLandmarkerConfig
from .modeling_adaat import AdaATPreTrainedModel


@dataclass
class FaceDetectorOutput(ModelOutput):
    """
    What the detector sees in each cell of its output grid.

    Args:
        scores (`Tensor` of shape (B, 1, h, w)): Logit of a face being centred in the cell.
        offsets (`Tensor` of shape (B, 2, h, w)): Centre (x, y) of the landmarks' box, in cells from the cell's middle.
        sizes (`Tensor` of shape (B, 1, h, w)): Natural logarithm of the longer side of that box, in cells.
    """

    scores: Tensor = cast(Tensor, None)
    offsets: Tensor = cast(Tensor, None)
    sizes: Tensor = cast(Tensor, None)


@dataclass
class LandmarkerOutput(ModelOutput):
    """
    Landmarks of face crops.

    Args:
        points (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1] of the crop, where -1 and 1 are its border pixels.
        presence (`Tensor` of shape (B,)): Logit of the crop showing a face.
    """

    points: Tensor = cast(Tensor, None)
    presence: Tensor = cast(Tensor, None)


class FaceDetector(nn.Module):
    """Fully convolutional detector with one output level: coarse features come back up to `detector_stride`."""

    def __init__(self, config: AdaATLandmarkerConfig) -> None:
        super().__init__()
        widths = list(config.detector_channels)
        self.down = nn.ModuleList(DownBlock(a, b) for a, b in pairwise([3, *widths]))
        self.level = config.detector_stride.bit_length() - 2
        self.deep = ResBlock(widths[-1], widths[-1])
        width = widths[self.level]
        self.laterals = nn.ModuleList(nn.Conv2d(w, width, 1) for w in widths[self.level :])
        self.merge = SameBlock(width, width)
        self.head = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, pictures: Tensor) -> FaceDetectorOutput:
        """(B, 3, H, W) in [-1, 1], H and W multiples of the coarsest stride."""
        levels = []
        feature = pictures
        for down in self.down:
            feature = down(feature)
            levels.append(feature)
        levels[-1] = self.deep(levels[-1])
        merged = self.laterals[-1](levels[-1])
        for lateral, level in zip(list(self.laterals)[-2::-1], levels[-2 : self.level - 1 : -1], strict=False):
            merged = lateral(level) + F.interpolate(merged, level.shape[2:], mode="bilinear", align_corners=False)
        scores, offsets, sizes = self.head(self.merge(merged)).split([1, 2, 1], 1)
        return FaceDetectorOutput(scores=scores, offsets=offsets, sizes=sizes)


class LandmarkNetwork(nn.Module):
    """Regress landmarks of a crop."""

    def __init__(self, config: AdaATLandmarkerConfig) -> None:
        super().__init__()
        widths = [3, *config.channels]
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(pairwise(widths)):
            layers += [DownBlock(a, b)] if number == 0 else [DownBlock(a, b), ResBlock(b, b)]
        self.encoder = nn.Sequential(*layers)
        cells = (config.crop_size // 2 ** len(config.channels)) ** 2
        self.hidden = nn.Linear(config.channels[-1] * cells, config.hidden_channels)
        self.points = nn.Linear(config.hidden_channels, 2 * config.num_keypoints)
        self.presence = nn.Linear(config.hidden_channels, 1)

    def forward(self, crops: Tensor) -> LandmarkerOutput:
        """(B, 3, S, S) in [-1, 1]."""
        hidden = F.relu(self.hidden(self.encoder(crops).flatten(1)))
        return LandmarkerOutput(points=self.points(hidden).unflatten(1, (-1, 2)), presence=self.presence(hidden)[:, 0])


class AdaATLandmarker(AdaATPreTrainedModel):
    """Both networks of the landmarker; [`TorchLandmarker`] runs them on pictures."""

    config: AdaATLandmarkerConfig
    base_model_prefix = "landmarker"

    def __init__(self, config: AdaATLandmarkerConfig) -> None:
        super().__init__(config)
        self.detector = FaceDetector(config)
        self.landmarks = LandmarkNetwork(config)
        self.post_init()

    @can_return_tuple
    def forward(self, pixel_values: Tensor) -> LandmarkerOutput:
        """Landmarks of crops `pixel_values` (B, 3, S, S), RGB in [0, 1], S = `config.crop_size`."""
        return self.landmarks(pixel_values * 2 - 1)

    def find(self, pixel_values: Tensor) -> FaceDetectorOutput:
        """Faces in whole pictures `pixel_values` (B, 3, H, W), RGB in [0, 1]; see [`FaceDetectorOutput`]."""
        divisor = 2 ** len(self.config.detector_channels)
        height, width = pixel_values.shape[2:]
        padded = F.pad(pixel_values * 2 - 1, (0, -width % divisor, 0, -height % divisor))
        return self.detector(padded)


__all__ = ["AdaATLandmarker", "FaceDetectorOutput", "LandmarkerOutput"]
