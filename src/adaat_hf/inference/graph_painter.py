"""Paint with an exported network: PyTorch reads the sources and moves them, another runtime does the rest."""

from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..models.limb_warp import PreparedSources
from ..models.modeling_adaat import AdaATGeneratorOutput
from .exporting import Exported, export_graph
from .files import GraphStore
from .graph import GraphSize, PaintGraph
from .plan import InferencePlan, PlannedSource
from .runtimes import RunGraph, Runtime, as_arrays


MOST_POSES = 1024


class GraphPainter:
    """Like [`InferencePlan`], with its painting in another runtime.

    Args:
        plan ([`InferencePlan`]): The network, on the CPU.
        runtime ([`Runtime`]): What runs the graph.
        store ([`GraphStore`]): Where graphs lie that were exported before; others are made when they are needed, and kept.
    """

    def __init__(self, plan: InferencePlan, runtime: Runtime, store: GraphStore) -> None:
        self.plan, self.runtime, self.store = plan, runtime, store
        self._graphs: dict[GraphSize, tuple[PaintGraph, RunGraph]] = {}

    def read_source(self, pictures: Tensor, keypoints: Tensor, visibility: Tensor | None = None) -> PlannedSource:
        """See [`InferencePlan.read_source`]."""
        return self.plan.read_source(pictures, keypoints, visibility)

    def __call__(
        self,
        source: PlannedSource,
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        """Paint the subject in B poses; see [`InferencePlan`]. `warped` is returned for a single source only."""
        values, warped = graph_arguments(self.plan, source, driving_keypoints, driving_visibility, prepared)
        graph, run = self._graph(source, values)
        found = dict(zip(graph.outputs, map(torch.from_numpy, run(as_arrays(values))), strict=True))
        return AdaATGeneratorOutput(**found, warped=warped)  # type: ignore[arg-type]  # `found` has no features

    def _graph(self, source: PlannedSource, values: dict[str, Tensor]) -> tuple[PaintGraph, RunGraph]:
        count, _, height, width = source.pictures.shape
        size = GraphSize(count, height, width)
        if size not in self._graphs:
            graph = PaintGraph(self.plan, count)
            file = self.store.find(size, lambda path: self._export(graph, values, path))
            self._graphs[size] = graph, self.runtime.load(file)
        return self._graphs[size]

    def _export(self, graph: PaintGraph, values: dict[str, Tensor], path: Path) -> None:
        with tqdm(total=1, desc=f"preparing the network for {self.runtime.name} (once)", unit="graph") as bar:
            self.runtime.save(export_painting(graph, values), path)
            bar.update()


def graph_arguments(
    plan: InferencePlan,
    source: PlannedSource,
    driving_keypoints: Tensor,
    driving_visibility: Tensor | None,
    prepared: PreparedSources | None,
) -> tuple[dict[str, Tensor], Tensor | None]:
    """What a [`PaintGraph`] takes, by name, and the moved source for those who want to see it."""
    count = len(source.pictures)
    whole = source.repeated(len(driving_keypoints))
    pose = plan.pose(whole, driving_keypoints, driving_visibility, count)
    prewarp = plan.network.prewarp(whole.pictures, pose, count, prepared)
    graph = PaintGraph(plan, count)
    values = graph.arguments(whole, driving_keypoints, driving_visibility, prewarp.inputs[1:])
    return values, prewarp.picture if count == 1 else None


def export_painting(graph: PaintGraph, example: dict[str, Tensor]) -> Exported:
    """The painting as a graph for any number of poses.

    Args:
        graph ([`PaintGraph`]): What to export.
        example (`dict[str, Tensor]`): Its arguments for at least one pose.
    """
    poses = torch.export.Dim("poses", min=1, max=MOST_POSES)
    free = {name: {0: poses if name.startswith("driving") else graph.sources * poses} for name in example}
    # A size of one would be taken for one that never changes.
    if len(example["driving_keypoints"]) == 1:
        example = {name: value.repeat(2, *(1 for _ in value.shape[1:])) for name, value in example.items()}
    return export_graph(graph, example, graph.outputs, free)


__all__ = ["GraphPainter", "export_painting", "graph_arguments"]
