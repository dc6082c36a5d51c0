"""The operator's C code (`operator_cpu.c`): compiled where a C compiler is installed, kept, and called by PyTorch.

Nothing here is needed: without a compiler, [`adaptive_affine`] stays with PyTorch's own functions.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch
from huggingface_hub.constants import HF_HOME
from torch import Tensor

from .operator_gradient import differentiable


SOURCE = Path(__file__).with_name("operator_cpu.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
# By what PyTorch finds the processor able to do; others get the compiler's default.
ARCHITECTURES = {"AVX2": "-march=x86-64-v3", "AVX512": "-march=x86-64-v3"}
COMPILING_SECONDS = 60
# A thread that gets fewer elements costs more than it helps.
LEAST_PER_THREAD = 100_000
logger = logging.getLogger(__name__)


@cache
def native_library() -> ctypes.CDLL | None:
    """The compiled code, or `None` where it cannot be made; the compiler runs once per version and kind of processor."""
    try:
        library = ctypes.CDLL(str(_compiled()))
    except (OSError, subprocess.SubprocessError) as error:
        logger.info("The operator runs in PyTorch: its C code cannot be used here (%s).", error)
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.adaat_forward.argtypes = [*[pointer] * 3, ctypes.c_long, number, number, number]
    library.adaat_backward.argtypes = [*[pointer] * 5, ctypes.c_long, number, number, number]
    return library


def _compiled() -> Path:
    """Path of the shared library; compiled into the cache of Hugging Face's libraries if it is not there yet."""
    capability = torch.backends.cpu.get_cpu_capability()
    flags = [*FLAGS, *([ARCHITECTURES[capability]] if capability in ARCHITECTURES else [])]
    version = hashlib.sha256(SOURCE.read_bytes() + " ".join([*flags, platform.machine()]).encode()).hexdigest()[:16]
    path = Path(HF_HOME) / "adaat_hf" / f"operator_{version}.so"
    if path.is_file():
        return path
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise FileNotFoundError(f"no C compiler ({', '.join(COMPILERS)}) is installed")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [compiler, *flags, str(SOURCE), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILING_SECONDS)
        made.replace(path)
    return path


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="adaat-operator")


if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork, so the child must not wait for its parent's.
    os.register_at_fork(after_in_child=_threads.cache_clear)


def _run(function: Callable[..., int], tensors: list[Tensor], maps: int, *sizes: int) -> None:
    """Call C code for `maps` feature maps, shared between as many threads as PyTorch may use.

    Args:
        function (`Callable`): Takes the address of each tensor's first map, the number of maps, and `sizes`.
        tensors (`list[Tensor]`): Contiguous, float32; each map has its share of every one.
    """
    parts = max(1, min(torch.get_num_threads(), maps, tensors[0].numel() // LEAST_PER_THREAD))
    bounds = [maps * part // parts for part in range(parts + 1)]

    def work(part: int) -> int:
        first, end = bounds[part], bounds[part + 1]
        starts = [value.data_ptr() + first * (value.numel() // maps) * value.element_size() for value in tensors]
        return function(*starts, end - first, *sizes)

    # C code runs without Python's lock, so that threads run side by side.
    failed = [work(0)] if parts == 1 else list(_threads().map(work, range(parts)))
    if any(failed):
        raise MemoryError("There is no memory for the operator.")


@torch.library.custom_op("adaat_hf::warp_channels_cpu", mutates_args=(), device_types="cpu")
def warp_channels_cpu(feature: Tensor, matrix: Tensor, align_corners: bool) -> Tensor:
    """Warp each channel of `feature` (B, C, H, W) by its row (s cos r, s sin r, tx, ty) of `matrix` (B, C, 4); float32."""
    library = native_library()
    assert library is not None
    batch, channels, height, width = feature.shape
    feature, matrix = feature.contiguous(), matrix.contiguous()
    output = torch.empty_like(feature)
    _run(library.adaat_forward, [feature, matrix, output], batch * channels, height, width, align_corners)
    return output


@warp_channels_cpu.register_fake
def _(feature: Tensor, matrix: Tensor, align_corners: bool) -> Tensor:
    return torch.empty_like(feature, memory_format=torch.contiguous_format)


@torch.library.custom_op("adaat_hf::warp_channels_cpu_backward", mutates_args=(), device_types="cpu")
def warp_channels_cpu_backward(
    feature: Tensor, matrix: Tensor, gradient: Tensor, align_corners: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of [`warp_channels_cpu`] with respect to its first two arguments."""
    library = native_library()
    assert library is not None
    batch, channels, height, width = feature.shape
    values = [value.contiguous() for value in (feature, matrix, gradient)]
    results = [torch.empty_like(values[0]), torch.empty_like(values[1])]
    _run(library.adaat_backward, values + results, batch * channels, height, width, align_corners)
    return results[0], results[1]


@warp_channels_cpu_backward.register_fake
def _(feature: Tensor, matrix: Tensor, gradient: Tensor, align_corners: bool) -> tuple[Tensor, Tensor]:
    return torch.empty_like(feature, memory_format=torch.contiguous_format), torch.empty_like(matrix)


differentiable(warp_channels_cpu, warp_channels_cpu_backward)


__all__ = ["native_library", "warp_channels_cpu"]
