"""The generator rearranged for painting one subject in many poses: the same pictures with less work."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..models.limb_warp import PreparedSources
from ..models.modeling_adaat import AdaATGenerator, AdaATGeneratorOutput, Pose, Prewarp
from .entry import EntryConvolution
from .folding import fold_batch_norm


PICTURE_CHANNELS = 3


@dataclass(frozen=True)
class PlannedSource:
    """
    What is computed once of the pictures of a subject.

    Args:
        pictures (`Tensor` of shape (S, 3, H, W)): In the network's channel order.
        keypoints (`Tensor` of shape (S, K, 2)), visibility (`Tensor` of shape (S, K), *optional*): Key points in [-1, 1].
        stem (`Tensor` of shape (S, C, H, W)): The source's share of the first convolution.
        merge (`Tensor` of shape (S, E, h, w), *optional*): Its share where heat maps enter at a lower resolution.
    """

    pictures: Tensor
    keypoints: Tensor
    visibility: Tensor | None
    stem: Tensor
    merge: Tensor | None

    def repeated(self, frames: int) -> "PlannedSource":
        """The same for a batch of `frames` poses, source by source, pose after pose."""
        values = (self.pictures, self.keypoints, self.visibility, self.stem, self.merge)
        return PlannedSource(*(_repeat(value, frames) for value in values))  # type: ignore[arg-type]


def _repeat(value: Tensor | None, frames: int) -> Tensor | None:
    if value is None:
        return None
    if len(value) == 1:
        return value.expand(frames, *value.shape[1:])
    return value.repeat(frames, *(1 for _ in value.shape[1:]))


class InferencePlan(nn.Module):
    """Paint one subject in many poses.

    Exact up to rounding: batch normalisation is folded into convolutions, the source's share of the convolutions that read it is
    computed once per subject, and driving heat maps are convolved without being drawn ([`convolve_heatmaps`]).

    Args:
        generator ([`AdaATGenerator`]): It stays as it is; the plan has weights of its own.

    Example:
    ```python
    >>> import torch
    >>> from adaat_hf import AdaATConfig, AdaATGenerator
    >>> from adaat_hf.inference import InferencePlan

    >>> generator = AdaATGenerator(AdaATConfig.from_preset("compact")).eval()
    >>> picture, points = torch.rand(1, 3, 64, 64), torch.rand(1, 96, 2) * 2 - 1
    >>> plan = InferencePlan(generator)
    >>> with torch.no_grad():
    ...     subject = plan.read_source(picture, points)
    ...     painted = plan(subject, torch.rand(5, 96, 2) * 2 - 1).images
    >>> painted.shape
    torch.Size([5, 3, 64, 64])
    ```"""

    def __init__(self, generator: AdaATGenerator) -> None:
        super().__init__()
        config = generator.config
        self.network = fold_batch_norm(generator)
        self.stride = config.heatmap_stride
        late = self.stride > 1
        points = config.num_keypoints
        variance = config.heatmap_variance
        self.stem = EntryConvolution(self.network.stem.conv, PICTURE_CHANNELS, 0 if late else points, variance)
        self.merge = EntryConvolution(self.network.heatmap_merge.conv, 0, points, variance) if late else None
        nn.Module.to(self.network, memory_format=torch.channels_last)

    @property
    def dtype(self) -> torch.dtype:
        """Type in which it paints."""
        return self.stem.bias.dtype

    def compile_network(self) -> None:
        """Compile the parts that all poses pass through with `torch.compile`; the first picture then takes a minute."""
        network = self.network
        for part in (network.down, network.encoder, network.transformation_encoder, network.decoder, network.up):
            for block in part if isinstance(part, nn.ModuleList) else [part]:
                block.compile()
        network.alignment.compile()

    def read_source(self, pictures: Tensor, keypoints: Tensor, visibility: Tensor | None = None) -> PlannedSource:
        """Compute what does not change while the subject moves.

        Args:
            pictures (`Tensor` of shape (S, 3, H, W)): Pictures of one subject, RGB in [0, 1]; the background is the first one's.
            keypoints (`Tensor` of shape (S, K, 2)), visibility (`Tensor` of shape (S, K), *optional*): In [-1, 1].
        """
        self.network.check_inputs(pictures[None], keypoints[None], keypoints[:1])
        height, width = pictures.shape[2:]
        pictures = pictures.to(self.dtype)
        source = pictures.flip(1) if self.network.config.channel_order == "bgr" else pictures
        stem = self.stem.of_source(source, keypoints, visibility, height, width)
        merge = None
        if self.merge is not None:
            size = height // self.stride, width // self.stride
            merge = self.merge.of_source(None, keypoints, visibility, *size)
        return PlannedSource(source, keypoints, visibility, stem, merge)

    def forward(
        self,
        source: PlannedSource,
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        """Paint the subject in B poses.

        Args:
            source ([`PlannedSource`]): From `read_source`.
            driving_keypoints (`Tensor` of shape (B, K, 2)), driving_visibility (`Tensor` of shape (B, K), *optional*): In [-1, 1].
            prepared ([`PreparedSources`], *optional*): See [`AdaATGenerator.forward`].
        """
        count = len(source.pictures)
        whole = source.repeated(len(driving_keypoints))
        pose = self.pose(whole, driving_keypoints, driving_visibility, count)
        return self.paint(whole, pose, count, self.network.prewarp(whole.pictures, pose, count, prepared))

    @staticmethod
    def pose(source: PlannedSource, driving_keypoints: Tensor, driving_visibility: Tensor | None, count: int) -> Pose:
        """The key points of `count` sources, repeated, and of the B driving poses, side by side."""
        there, seen = driving_keypoints, driving_visibility
        if count > 1:
            there = there.repeat_interleave(count, 0)
            seen = None if seen is None else seen.repeat_interleave(count, 0)
        return Pose(source.keypoints, there, source.visibility, seen)

    def paint(self, source: PlannedSource, pose: Pose, count: int, prewarp: Prewarp) -> AdaATGeneratorOutput:
        """Paint repeated sources whose pictures were moved to the driving pose already."""
        moved = torch.cat(prewarp.inputs[1:], 1) if len(prewarp.inputs) > 1 else None
        stem = self.stem(source.stem, moved, pose.there, pose.seen_there)

        def merge_heatmaps(feature: Tensor) -> Tensor:
            assert self.merge is not None
            return self.merge(source.merge, feature, pose.there, pose.seen_there)

        stem = stem.contiguous(memory_format=torch.channels_last)
        return self.network.paint_encoded(stem, merge_heatmaps, source.pictures, pose, count, prewarp)


__all__ = ["InferencePlan", "PlannedSource"]
