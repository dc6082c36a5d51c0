"""Painting as a function of tensors alone, which other runtimes can run."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

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

    def arguments(
        self,
        source: PlannedSource,
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None,
        moved: tuple[Tensor, ...],
    ) -> dict[str, Tensor]:
        """What is to be passed, by name, for a repeated source; points whose visibility is unknown count as visible."""
        seen = torch.ones_like(driving_keypoints[..., 0]) if driving_visibility is None else driving_visibility.float()
        shown = torch.ones_like(source.keypoints[..., 0]) if source.visibility is None else source.visibility.float()
        values = {
            "driving_keypoints": driving_keypoints, "driving_visibility": seen, "pictures": source.pictures,
            "keypoints": source.keypoints, "visibility": shown, "stem": source.stem, "merge": source.merge,
            **dict(zip(_moved_names(self.plan), moved, strict=True)),
        }  # fmt: skip
        return {name: value for name in self.inputs if (value := values[name]) is not None}


def _moved_names(plan: InferencePlan) -> list[str]:
    config = plan.network.config
    if not config.prewarp:
        return []
    return ["warped"] if config.prewarp_kind == "spline" else ["parts", "background", "coverage", "erased"]


__all__ = ["GraphSize", "PaintGraph"]
