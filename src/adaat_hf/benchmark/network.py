"""Operator and network: the released code's way, each step of the plan, and other runtimes."""

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..evaluation.released import naive_5d, with_naive_operator
from ..inference import InferencePlan
from ..inference.files import SUFFIXES
from ..inference.folding import fold_batch_norm
from ..inference.graph import GraphSize, PaintGraph
from ..inference.graph_painter import export_painting
from ..inference.precision import fast_types
from ..inference.quantization import quantize
from ..inference.runtimes import as_arrays, is_installed, open_runtime
from ..models.keypoint_maps import gaussian_heatmaps
from ..models.modeling_adaat import AdaATGenerator
from ..models.operator import adaptive_affine
from .measuring import Cost, measure
from .report import Row


REFERENCE = "released way (5-D operator)"
PLAN = "plan: heat maps not drawn"
INT8 = "openvino, int8"
CALIBRATION_POSES = 4


@dataclass(frozen=True)
class NetworkInputs:
    """
    A random subject and random poses.

    Args:
        source (`Tensor` of shape (1, 3, H, W)): In [0, 1].
        here (`Tensor` of shape (1, K, 2)), there (`Tensor` of shape (B, K, 2)): Key points in [-0.8, 0.8].
    """

    source: Tensor
    here: Tensor
    there: Tensor

    @classmethod
    def random(cls, keypoints: int, height: int, width: int, batch: int, device: torch.device) -> "NetworkInputs":
        """Always the same ones."""
        random = torch.Generator().manual_seed(0)
        values = [torch.rand(shape, generator=random) for shape in ((1, 3, height, width), (1 + batch, keypoints, 2))]
        points = 1.6 * values[1].to(device) - 0.8
        return cls(values[0].to(device), points[:1], points[1:])


def operator_rows(size: int, device: torch.device, repeats: int) -> Iterator[Row]:
    """The operator of the paper's network at a picture size, forward, and forward and backward, against the 5-D form."""
    channels, side = 512, size // 4
    random = [torch.rand(shape, device=device) for shape in ((1, channels), (1, channels), (1, channels, 2))]
    parameters = (2 * random[0], 6.28 * random[1] - 3.14, 2 * random[2] - 1)
    values = [torch.randn(1, channels, side, side, device=device), *parameters]

    def forward(operator: Callable[..., Tensor]) -> None:
        with torch.no_grad():
            operator(*values)

    def both(operator: Callable[..., Tensor]) -> None:
        operator(*(value.clone().requires_grad_() for value in values)).sum().backward()

    for name, run in (("forward", forward), ("forward and backward", both)):
        forms = {"5-D": partial(run, naive_5d), "ours": partial(run, adaptive_affine)}
        costs = measure(forms, device, repeats)
        for kind, cost in costs.items():
            yield _row(f"operator, {name}", kind, f"{channels}x{side}x{side}", cost, 1, costs["5-D"])


def network_rows(
    name: str, generator: AdaATGenerator, height: int, width: int, batch: int, device: torch.device, repeats: int,
    compiled: bool,
) -> Iterator[Row]:  # fmt: skip
    """A network in the released way, and after each step that makes it faster; the last ones in other types and runtimes."""
    generator = generator.float().eval().to(device)
    inputs = NetworkInputs.random(generator.config.num_keypoints, height, width, batch, device)
    runs = ablation(generator, inputs)
    dtypes = {INT8: "int8"}
    for kind in fast_types(device):
        dtype = str(kind).removeprefix("torch.")
        runs[f"plan, {dtype}"] = plan_run(generator, inputs, dtype=kind)
        dtypes[f"plan, {dtype}"] = dtype
    if compiled:
        runs["plan, compiled"] = plan_run(generator, inputs, compiled=True)
    with tempfile.TemporaryDirectory(prefix="adaat-benchmark-") as folder, torch.no_grad():
        if device.type == "cpu":
            runs |= _runtimes(generator, inputs, Path(folder))
        costs = measure(runs, device, repeats)
    for what, cost in costs.items():
        dtype = dtypes.get(what, "float32")
        yield _row(f"network {name}", what, f"{width}x{height}", cost, batch, costs[REFERENCE], dtype)


def ablation(generator: AdaATGenerator, inputs: NetworkInputs) -> dict[str, Callable[[], object]]:
    """The steps that make a network faster without changing its pictures, each on top of those before."""
    batch = len(inputs.there)
    source, here = inputs.source.expand(batch, -1, -1, -1).contiguous(), inputs.here.expand(batch, -1, -1)
    naive, folded = with_naive_operator(generator), fold_batch_norm(generator)
    last = fold_batch_norm(generator)
    torch.nn.Module.to(last, memory_format=torch.channels_last)
    return {
        REFERENCE: lambda: naive(source, here, inputs.there),
        "2-D operator": lambda: generator(source, here, inputs.there),
        "norms folded": lambda: folded(source, here, inputs.there),
        "channels last": lambda: last(source, here, inputs.there),
        "source read once": plan_run(generator, inputs, drawn=True),
        PLAN: plan_run(generator, inputs),
    }


def plan_run(
    generator: AdaATGenerator,
    inputs: NetworkInputs,
    *,
    dtype: torch.dtype = torch.float32,
    drawn: bool = False,
    compiled: bool = False,
) -> Callable[[], object]:
    """Painting by the plan; `drawn` takes its last step back."""
    plan = InferencePlan(generator).to(dtype)
    for entry in (plan.stem, plan.merge):
        if drawn and entry is not None:
            entry.convolve = _drawn_heatmaps
    if compiled:
        plan.compile_network()
    with torch.no_grad():
        subject = plan.read_source(inputs.source, inputs.here)
    return lambda: plan(subject, inputs.there)


def _drawn_heatmaps(
    weight: Tensor, keypoints: Tensor, height: int, width: int, variance: float, visibility: Tensor | None = None
) -> Tensor:
    maps = gaussian_heatmaps(keypoints, height, width, variance, visibility).to(weight.dtype)
    return F.conv2d(maps, weight, padding=weight.shape[2] // 2)


def _runtimes(generator: AdaATGenerator, inputs: NetworkInputs, folder: Path) -> dict[str, Callable[[], object]]:
    """Painting in the runtimes that are installed; in 8 bits too, with ranges that are good for speed alone."""
    plan = InferencePlan(generator)
    graph = PaintGraph(plan, 1)
    subject = plan.read_source(inputs.source, inputs.here)
    runs: dict[str, Callable[[], object]] = {}
    exported = None
    for name in ("openvino", "onnxruntime"):
        if not is_installed(name):
            continue
        exported = exported or export_painting(graph, graph.example(GraphSize(1, *inputs.source.shape[2:])))
        runtime = open_runtime(name)
        file = folder / f"painting{SUFFIXES[name]}"
        runtime.save(exported, file)

        def add(what: str, loaded: Callable[[dict], object]) -> None:
            runs[what] = lambda: loaded(as_arrays(graph.prepare(subject, inputs.there, None, None)[0]))

        add(name, runtime.load(file))
        if name == "openvino" and importlib.util.find_spec("nncf"):
            one = [graph.prepare(subject, pose[None], None, None)[0] for pose in inputs.there[:CALIBRATION_POSES]]
            quantize(file, [as_arrays(values) for values in one])
            add(INT8, runtime.load(file))
    return runs


def _row(part: str, what: str, size: str, cost: Cost, batch: int, reference: Cost, dtype: str = "float32") -> Row:
    ratio = reference.seconds / cost.seconds
    return Row(part, what, size, cost.seconds / batch, batch, None, dtype, ratio, None, cost.peak_bytes)


__all__ = ["PLAN", "REFERENCE", "NetworkInputs", "ablation", "network_rows", "operator_rows", "plan_run"]
