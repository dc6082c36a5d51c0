"""Choose what paints: the exact plan in PyTorch, another runtime, or the generator itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..models.limb_warp import PreparedSources
from ..models.modeling_adaat import AdaATGenerator, AdaATGeneratorOutput
from .files import GraphStore
from .graph_painter import GraphPainter
from .plan import InferencePlan
from .precision import GuardedPainter, fast_types, probed_dtype
from .runtimes import RUNTIMES, is_installed, open_runtime


# By preference.
BACKENDS = ("auto", "torch", *RUNTIMES)


class Painter(Protocol):
    """Paints one subject in many poses."""

    def read_source(self, pictures: Tensor, keypoints: Tensor, visibility: Tensor | None = None) -> Any:
        """Compute what does not change while the subject moves; see [`InferencePlan.read_source`]."""

    def __call__(
        self,
        source: Any,
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        """Paint the subject in B poses; see [`InferencePlan`]."""


@dataclass(frozen=True)
class PaintingOptions:
    """
    How to paint.

    Args:
        backend (`str`, *optional*, defaults to `"auto"`): `"torch"`, `"openvino"` or `"onnxruntime"`. `"auto"` is, on the CPU,
            OpenVINO where it is installed and has a graph of the network already (of `adaat export`, or kept from when
            `"openvino"` was asked for, which takes half a minute); else PyTorch.
        dtype (`torch.dtype` or `"auto"`, *optional*): Type in which PyTorch paints; the generator's by default. `"auto"` is the
            fastest one that changes nothing visible: 16 bits on a GPU and on processors that multiply bfloat16.
        compile (`bool`, *optional*, defaults to `False`): Compile the network with `torch.compile` (backend `"torch"`).
        folder (`Path`, *optional*): Pipeline folder with exported graphs.
    """

    backend: str = "auto"
    dtype: torch.dtype | str | None = None
    compile: bool = False
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"backend is {self.backend!r}, expected one of {BACKENDS}.")
        if isinstance(self.dtype, str) and self.dtype != "auto":
            raise ValueError(f"dtype is {self.dtype!r}, expected a torch.dtype or 'auto'.")

    @property
    def is_default(self) -> bool:
        """Whether nothing is asked for that only PyTorch does."""
        return not self.compile and not isinstance(self.dtype, torch.dtype)


class HookedPainter:
    """The generator itself, for those that load and unload its weights (`enable_model_cpu_offload`) or have changed its class."""

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator

    def read_source(
        self, pictures: Tensor, keypoints: Tensor, visibility: Tensor | None = None
    ) -> dict[str, Tensor | None]:
        """See [`Painter`]."""
        return {"pixel_values": pictures, "source_keypoints": keypoints, "source_visibility": visibility}

    def __call__(
        self,
        source: dict[str, Tensor | None],
        driving_keypoints: Tensor,
        driving_visibility: Tensor | None = None,
        prepared: PreparedSources | None = None,
    ) -> AdaATGeneratorOutput:
        """See [`Painter`]."""
        many = {
            name: None if value is None else value.expand(len(driving_keypoints), *value.shape)
            for name, value in source.items()
        }
        return self.generator(
            **many, driving_keypoints=driving_keypoints, driving_visibility=driving_visibility, prepared=prepared
        )


def open_painter(generator: AdaATGenerator, options: PaintingOptions, device: torch.device) -> Painter:
    """What paints with a generator as the options say.

    Raises:
        ValueError: if the backend cannot paint on that device.
        ImportError: if the backend's package is missing.
    """
    if not isinstance(generator, AdaATGenerator) or hasattr(generator, "_hf_hook"):
        return HookedPainter(generator)
    backend = options.backend
    if backend in RUNTIMES and device.type != "cpu":
        raise ValueError(f"The backend {backend!r} paints on the CPU, but the pipeline is on {device}.")
    if backend == "auto" and device.type == "cpu" and options.is_default and is_installed("openvino"):
        store = GraphStore(generator, "openvino", options.folder)
        faster = options.dtype == "auto" and store.precision == "float32" and bool(fast_types(device))
        backend = "openvino" if store and not faster else "torch"
    if backend in RUNTIMES:
        store = GraphStore(generator, backend, options.folder)
        return GraphPainter(InferencePlan(generator).float(), open_runtime(backend), store)
    plan = InferencePlan(generator).to(device)
    dtype = probed_dtype(plan, device) if options.dtype == "auto" else options.dtype
    if options.compile:
        plan.compile_network()
    if dtype is None or dtype == plan.dtype:
        return plan
    assert isinstance(dtype, torch.dtype)
    return GuardedPainter(plan, dtype)


def describe(painter: Painter) -> str:
    """What paints, for people."""
    if isinstance(painter, GraphPainter):
        return f"{painter.runtime.name}, {painter.store.precision}"
    if isinstance(painter, GuardedPainter):
        return f"PyTorch plan, {painter.dtype}"
    return f"PyTorch plan, {painter.dtype}" if isinstance(painter, InferencePlan) else "PyTorch"


__all__ = ["BACKENDS", "HookedPainter", "Painter", "PaintingOptions", "describe", "open_painter"]
