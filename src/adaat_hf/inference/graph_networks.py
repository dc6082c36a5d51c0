"""The landmarker and the motion model as graphs, in place of the PyTorch modules."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.configuration_landmarker import AdaATLandmarkerConfig
from ..models.configuration_motion import AdaATMotionConfig
from ..models.modeling_landmarker import (
    AdaATLandmarker,
    Detector,
    DetectorOutput,
    LandmarkerOutput,
    LandmarkNetwork,
    padded_pictures,
)
from ..models.modeling_motion import AdaATMotionModel, AdaATMotionOutput
from .exporting import Exported, export_graph
from .runtimes import RunGraph, Runtime, as_arrays


class _GraphNetwork:
    """What callers ask a module for besides its results."""

    device, dtype = torch.device("cpu"), torch.float32

    def eval(self) -> Self:
        """Graphs know no training."""
        return self

    def _run(self, run: RunGraph, values: dict[str, Tensor]) -> list[Tensor]:
        return [torch.from_numpy(found) for found in run(as_arrays(values))]


class GraphLandmarker(_GraphNetwork):
    """[`AdaATLandmarker`] in another runtime, for [`TorchLandmarker`] and [`TorchBodyDetector`].

    Args:
        config ([`AdaATLandmarkerConfig`]): The landmarker's.
        detector, landmarks (`RunGraph`): Its two networks.
    """

    def __init__(self, config: AdaATLandmarkerConfig, detector: RunGraph, landmarks: RunGraph) -> None:
        self.config, self._detector, self._landmarks = config, detector, landmarks

    def find(self, pixel_values: Tensor) -> DetectorOutput:
        """See [`AdaATLandmarker.find`]."""
        found = self._run(self._detector, {"pixel_values": padded_pictures(pixel_values, self.config)})
        return DetectorOutput(*found)

    def __call__(self, pixel_values: Tensor) -> LandmarkerOutput:
        """See [`AdaATLandmarker`]; without heat maps."""
        points, presence, *visibility = self._run(self._landmarks, {"pixel_values": pixel_values * 2 - 1})
        return LandmarkerOutput(points=points, presence=presence, visibility=visibility[0] if visibility else None)


class GraphMotionModel(_GraphNetwork):
    """[`AdaATMotionModel`] in another runtime.

    Args:
        config ([`AdaATMotionConfig`]): The motion model's.
        context (`int`): See [`AdaATMotionModel`].
        run (`RunGraph`): The network.
    """

    def __init__(self, config: AdaATMotionConfig, context: int, run: RunGraph) -> None:
        self.config, self.context, self._motion = config, context, run

    def __call__(self, *tensors: Tensor) -> AdaATMotionOutput:
        """See [`AdaATMotionModel`], with all its arguments."""
        features, times, noise, emotion, strength = tensors
        # Zeros are what the network's first convolution sees beyond the end anyway.
        features = F.pad(features, (0, 0, 0, -features.shape[1] % self.config.stride))
        noise = noise[:, : features.shape[1] // self.config.stride]
        named = zip(MOTION_INPUTS, (features, times, noise, emotion, strength), strict=True)
        return AdaATMotionOutput(*self._run(self._motion, dict(named)))


MOTION_INPUTS = ("input_features", "times", "noise", "emotion", "emotion_strength")


class _Landmarks(nn.Module):
    """Without the heat maps, which are large and which nobody reads."""

    def __init__(self, network: LandmarkNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.network(*tensors)
        seen = () if found.visibility is None else (found.visibility,)
        return found.points, found.presence, *seen


class _Detections(nn.Module):
    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.network(*tensors)
        return found.scores, found.offsets, found.sizes


class _Motion(nn.Module):
    def __init__(self, network: AdaATMotionModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        features, times, noise, emotion, strength = tensors
        found = self.network.move(self.network.encode(features, emotion, strength), times, noise, emotion, strength)
        return found.expression, found.pose, found.blinks


def export_landmarker(model: AdaATLandmarker) -> dict[str, Exported]:
    """Its two networks as graphs by name, for any number of pictures, and for the detector of any size."""
    config, dim = model.config, torch.export.Dim
    stride = 2 ** len(config.detector_channels)
    count = dim("count", min=1, max=1024)
    sizes = {number: stride * dim(name, min=1, max=512) for number, name in ((2, "rows"), (3, "columns"))}
    pictures = torch.rand(2, 3, 4 * stride, 6 * stride) * 2 - 1
    crops = torch.rand(2, 3, config.crop_size, config.crop_size) * 2 - 1
    seen = ["visibility"] if config.visibility else []
    model = model.eval()
    return {
        "detector": export_graph(
            _Detections(model.detector), {"pixel_values": pictures}, ["scores", "offsets", "sizes"],
            {"pixel_values": {0: count, **sizes}},
        ),
        "landmarks": export_graph(
            _Landmarks(model.landmarks), {"pixel_values": crops}, ["points", "presence", *seen],
            {"pixel_values": {0: count}},
        ),
    }  # fmt: skip


def exportable(network: nn.Module) -> bool:
    """Whether a network can be a graph: those with a transformers speech encoder cannot."""
    return not isinstance(network, AdaATMotionModel) or network.config.encoder is None


def export_motion_model(model: AdaATMotionModel) -> dict[str, Exported]:
    """The network, without a speech encoder, as a graph for one sound of any length."""
    config, dim = model.config, torch.export.Dim
    frames = 64
    example = {
        "input_features": torch.randn(1, frames * config.stride, config.feature_size),
        "times": torch.rand(1, 20) * frames,
        "noise": torch.rand(1, frames, config.noise_size),
        "emotion": torch.tensor([1]),
        "emotion_strength": torch.tensor([0.5]),
    }
    inner = dim("frames", min=2, max=1_000_000)
    free = {
        "input_features": {1: config.stride * inner},
        "times": {1: dim("moments", min=2, max=1_000_000)},
        "noise": {1: inner},
    }
    return {"motion": export_graph(_Motion(model.eval()), example, ["expression", "pose", "blinks"], free)}


def open_network(component: Any, runtime: Runtime, paths: dict[str, Path]) -> Any:
    """A component's graphs in its place."""
    runs = {name: runtime.load(path) for name, path in paths.items()}
    if isinstance(component, AdaATLandmarker):
        return GraphLandmarker(component.config, runs["detector"], runs["landmarks"])
    return GraphMotionModel(component.config, component.context, runs["motion"])


__all__ = [
    "GraphLandmarker",
    "GraphMotionModel",
    "export_landmarker",
    "export_motion_model",
    "exportable",
    "open_network",
]
