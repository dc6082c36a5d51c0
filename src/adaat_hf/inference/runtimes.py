"""Runtimes beside PyTorch: OpenVINO and ONNX Runtime, both optional."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .exporting import Exported, to_onnx, to_openvino
from .openvino_core import openvino_core


RunGraph = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


class Runtime(Protocol):
    """Runs exported networks on the CPU."""

    name: str

    def save(self, exported: Exported, path: Path) -> None:
        """Write a network that was just exported."""

    def load(self, path: Path) -> RunGraph:
        """Prepare a network from a file."""


class OpenVINORuntime:
    """[OpenVINO](https://docs.openvino.ai) on the CPU, in 32 bits or as the file was quantised."""

    name = "openvino"

    def __init__(self) -> None:
        self._core = openvino_core()

    def save(self, exported: Exported, path: Path) -> None:
        """See [`Runtime`]; the weights lie beside the file, with the ending `.bin`."""
        import openvino

        openvino.save_model(to_openvino(exported), str(path), compress_to_fp16=False)

    def load(self, path: Path) -> RunGraph:
        """See [`Runtime`]."""
        threads = torch.get_num_threads()
        # Processors that have bfloat16 would use it by default, which is not exact.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        compiled = self._core.compile_model(str(path), "CPU", settings)
        request = compiled.create_infer_request()
        names = [port.any_name for port in compiled.inputs]

        def run(values: dict[str, np.ndarray]) -> list[np.ndarray]:
            found = request.infer([values[name] for name in names], share_inputs=True)
            return [found[number].copy() for number in range(len(compiled.outputs))]

        return run


class OnnxRuntime:
    """[ONNX Runtime](https://onnxruntime.ai) on the CPU."""

    name = "onnxruntime"

    def __init__(self) -> None:
        import onnxruntime

        self._package = onnxruntime

    def save(self, exported: Exported, path: Path) -> None:
        """See [`Runtime`]."""
        path.write_bytes(to_onnx(exported))

    def load(self, path: Path) -> RunGraph:
        """See [`Runtime`]."""
        options = self._package.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = self._package.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda values: session.run(None, values)


RUNTIMES: dict[str, tuple[str, type]] = {
    "openvino": ("openvino", OpenVINORuntime),
    "onnxruntime": ("onnxruntime", OnnxRuntime),
}


def is_installed(name: str) -> bool:
    """Whether a runtime's package is there."""
    return importlib.util.find_spec(RUNTIMES[name][0]) is not None


def open_runtime(name: str) -> Runtime:
    """A runtime by name.

    Raises:
        ValueError: if there is none of that name.
        ImportError: if its package is missing.
    """
    if name not in RUNTIMES:
        raise ValueError(f"There is no runtime {name!r}, expected one of {sorted(RUNTIMES)}.")
    if not is_installed(name):
        raise ImportError(f"The backend {name!r} needs its package: pip install 'adaat-hf[{name}]'.")
    return RUNTIMES[name][1]()


def as_arrays(values: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors as the arrays that runtimes take: contiguous, on the CPU, float32 or whole numbers."""
    plain = {name: value.float() if value.is_floating_point() else value for name, value in values.items()}
    return {name: np.ascontiguousarray(value.detach().cpu().numpy()) for name, value in plain.items()}


__all__ = ["RunGraph", "Runtime", "as_arrays", "is_installed", "open_runtime"]
