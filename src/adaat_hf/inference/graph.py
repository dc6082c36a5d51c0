"""Painting as a function of tensors alone, which other runtimes can run."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..models.limb_warp import PreparedSources
from .plan import InferencePlan, PlannedSource


@dataclass(frozen=True)
class GraphSize:
    """
    What a graph is made for; the number of poses is free.

    Args:
        sources (`int`): Number of source pictures.
        height, width (`int`): Their size in pixels.
    """

    sources: int
    height: int
    width: int


class PaintGraph(nn.Module):
    """[`InferencePlan`]'s painting, after the sources were read and, where the network wants that, moved to the driving pose.

    Args:
        plan ([`InferencePlan`]): The network.
        sources (`int`): Number of source pictures.
    """

    def __init__(self, plan: InferencePlan, sources: int) -> None:
        super().__init__()
        config = plan.network.config
        self.plan, self.sources = plan, sources
        late, moved = config.heatmap_stride > 1, _moved_names(plan)
        self.inputs = [
            "driving_keypoints", "driving_visibility", "pictures", *(["keypoints", "visibility"] if sources > 1 else []),
            "stem", *(["merge"] if late else []), *moved,
        ]  # fmt: skip
        self.outputs = ["images", *(["painted", "blend"] if config.blend_mask else [])]
        self.outputs += ["source_shares"] if sources > 1 else []

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """`tensors` in the order of `inputs`, results in that of `outputs`.

        Driving poses begin with B; all others with B * S: the sources are repeated for every pose, since not every runtime
        adds one map to many.
        """
        given = dict(zip(self.inputs, tensors, strict=True))
        driving, seen = given["driving_keypoints"], given["driving_visibility"]
        keypoints = given.get("keypoints", driving)
        source = PlannedSource(
            given["pictures"], keypoints, given.get("visibility"), given["stem"], given.get("merge")
        )
        pose = self.plan.pose(source, driving, seen, self.sources)
        moved = tuple(given[name] for name in _moved_names(self.plan))
        prewarp = self.plan.network.prewarped(source.pictures, moved, self.sources)
        found = self.plan.paint(source, pose, self.sources, prewarp)
        return tuple(found[name] for name in self.outputs)

    def prepare(
        self,
        source: PlannedSource,
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """What is to be passed, by name, and the moved picture of a single source.

        Arguments as of [`InferencePlan`]; points whose visibility is unknown count as visible.
        """
        whole = source.repeated(len(driving_keypoints))
        pose = self.plan.pose(whole, driving_keypoints, driving_visibility, self.sources)
        prewarp = self.plan.network.prewarp(whole.pictures, pose, self.sources, prepared)
        seen, shown = (
            torch.ones_like(points[..., 0]) if visibility is None else visibility.float()
            for points, visibility in ((driving_keypoints, driving_visibility), (whole.keypoints, whole.visibility))
        )
        values = {
            "driving_keypoints": driving_keypoints, "driving_visibility": seen, "pictures": whole.pictures,
            "keypoints": whole.keypoints, "visibility": shown, "stem": whole.stem, "merge": whole.merge,
            **dict(zip(_moved_names(self.plan), prewarp.inputs[1:], strict=True)),
        }  # fmt: skip
        given = {name: value for name in self.inputs if (value := values[name]) is not None}
        return given, prewarp.picture if self.sources == 1 else None

    @torch.no_grad()
    def example(self, size: GraphSize) -> dict[str, Tensor]:
        """Arguments for two random poses of random pictures, to trace and compare with."""
        random = torch.Generator().manual_seed(0)
        points = self.plan.network.config.num_keypoints
        pictures = torch.rand(size.sources, 3, size.height, size.width, generator=random)
        here, there = (1.6 * torch.rand(count, points, 2, generator=random) - 0.8 for count in (size.sources, 2))
        return self.prepare(self.plan.read_source(pictures, here), there)[0]


def _moved_names(plan: InferencePlan) -> list[str]:
    config = plan.network.config
    if not config.prewarp:
        return []
    return ["warped"] if config.prewarp_kind == "spline" else ["parts", "background", "coverage", "erased"]


__all__ = ["GraphSize", "PaintGraph"]
