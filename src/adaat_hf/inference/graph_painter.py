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
        graph, run = self._graph(source)
        values, warped = graph.prepare(source, driving_keypoints, driving_visibility, prepared)
        found = dict(zip(graph.outputs, map(torch.from_numpy, run(as_arrays(values))), strict=True))
        return AdaATGeneratorOutput(**found, warped=warped)  # type: ignore[arg-type]  # `found` has no features

    def _graph(self, source: PlannedSource) -> tuple[PaintGraph, RunGraph]:
        count, _, height, width = source.pictures.shape
        size = GraphSize(count, height, width)
        if size not in self._graphs:
            graph = PaintGraph(self.plan, count)
            file = self.store.find(size, lambda path: self._export(graph, size, path))
            self._graphs[size] = graph, self.runtime.load(file)
        return self._graphs[size]

    def _export(self, graph: PaintGraph, size: GraphSize, path: Path) -> None:
        with tqdm(total=1, desc=f"preparing the network for {self.runtime.name} (once)", unit="graph") as bar:
            self.runtime.save(export_painting(graph, graph.example(size)), path)
            bar.update()


def export_painting(graph: PaintGraph, example: dict[str, Tensor]) -> Exported:
    """The painting as a graph for any number of poses.

    Args:
        graph ([`PaintGraph`]): What to export.
        example (`dict[str, Tensor]`): Its arguments for more than one pose, since one would be taken for a size that never changes.
    """
    poses = torch.export.Dim("poses", min=1, max=MOST_POSES)
    free = {name: {0: poses if name.startswith("driving") else graph.sources * poses} for name in example}
    return export_graph(graph, example, graph.outputs, free)


__all__ = ["GraphPainter", "export_painting"]
