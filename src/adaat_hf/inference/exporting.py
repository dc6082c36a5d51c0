"""Networks as graphs of stock operators, in the formats of ONNX and OpenVINO."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .openvino_core import openvino_core


# The first ONNX version whose GridSample has no limits that matter here is 20; 16 knows it for pictures.
OPSET = 20


@dataclass(frozen=True)
class Exported:
    """
    A network as a graph.

    Args:
        program (`torch.export.ExportedProgram`): The graph, which takes `inputs` by position.
        inputs, outputs (`tuple[str, ...]`): Names.
        shapes (`tuple[tuple[int | None, ...], ...]`): Shapes of the inputs; `None` where the size is free.
    """

    program: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int | None, ...], ...]

    def example(self) -> dict[str, Tensor]:
        """The inputs with which it was traced."""
        return dict(zip(self.inputs, self.program.example_inputs[0], strict=True))


@torch.no_grad()
def export_graph(
    module: nn.Module, example: dict[str, Tensor], outputs: Sequence[str], free: dict[str, dict[int, Any]]
) -> Exported:
    """Trace a module.

    Args:
        module (`nn.Module`): Takes tensors by position, in the order of `example`, and returns a tuple.
        example (`dict[str, Tensor]`): Inputs by name.
        outputs (`Sequence[str]`): Names of the results.
        free (`dict[str, dict[int, Dim]]`): Dimensions of inputs whose size is free, as `torch.export` wants them.
    """
    shapes = {"tensors": tuple(free.get(name) for name in example)}
    with _quietly():
        program = torch.export.export(module, tuple(example.values()), dynamic_shapes=shapes, strict=False)
    sizes = tuple(
        tuple(None if number in free.get(name, {}) else size for number, size in enumerate(value.shape))
        for name, value in example.items()
    )
    return Exported(program, tuple(example), tuple(outputs), sizes)


def to_onnx(exported: Exported) -> bytes:
    """A graph as the content of an `.onnx` file."""
    with _quietly():
        made = torch.onnx.export(
            exported.program, (), dynamo=True, opset_version=OPSET, input_names=list(exported.inputs),
            output_names=list(exported.outputs), verbose=False,
        )  # fmt: skip
    assert made is not None
    return made.model_proto.SerializeToString()


def to_openvino(exported: Exported) -> Any:
    """An `openvino.Model` of a graph. It is read from ONNX, where the sizes of enlarged maps may be free."""
    return openvino_core().read_model(to_onnx(exported))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' remarks about their own deprecated calls."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


__all__ = ["Exported", "export_graph", "to_onnx", "to_openvino"]
