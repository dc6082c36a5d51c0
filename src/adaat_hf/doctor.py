"""What machine this is, which packages are there, and how fast the network runs."""

import importlib.metadata
import platform
import time

import torch

from .devices import best_device
from .inference.painter import describe
from .models.operator import operator_kernel
from .pipelines.base import AdaATPipeline


PACKAGES = (
    "adaat-hf",
    "torch",
    "torchvision",
    "transformers",
    "diffusers",
    "accelerate",
    "av",
    "opencv-python-headless",
)
OPTIONAL = (
    "openvino",
    "nncf",
    "onnxruntime",
    "mediapipe",
    "lpips",
    "datasets",
    "gradio",
    "fastapi",
    "c2pa-python",
    "anny",
)
BATCH = 4


def diagnose(
    model: str = "bundled/face", device_name: str | None = None, backend: str = "auto", fast: bool = False
) -> str:
    """A report for people and for bug reports: versions, device, what computes the operator and paints, and frames/s of the
    network alone."""
    device = best_device(device_name)
    lines = [f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    lines += [f"{name} {package_version(name) or 'is missing'}" for name in PACKAGES]
    lines += [f"{name} {package_version(name) or 'not installed (optional)'}" for name in OPTIONAL]
    lines.append(f"device: {device} ({torch.get_num_threads()} threads on the CPU)")
    if device.type == "cpu" and torch.version.cuda:
        lines.append("note: this PyTorch supports CUDA, but no GPU was found")
    lines += [f"operator: {operator_kernel(device)}", _speed(model, device, backend, fast)]
    return "\n".join(lines)


def package_version(name: str) -> str | None:
    """The version of an installed package, `None` if it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _speed(model: str, device: torch.device, backend: str, fast: bool, frames: int = 8) -> str:
    try:
        pipe = AdaATPipeline.from_pretrained(model, backend=backend).to(device)
    except (OSError, ValueError) as error:
        return f"{model} cannot be loaded: {error}"
    if fast:
        pipe.optimize(backend, dtype="auto")
    size, count = pipe.image_processor.size, pipe.generator.config.num_keypoints
    source, points = torch.rand(3, size.height, size.width), torch.rand(count, 2) * 2 - 1
    poses = points.expand(frames, -1, -1)
    list(pipe.paint(source, points, poses[:BATCH], batch_size=BATCH))
    started = time.perf_counter()
    list(pipe.paint(source, points, poses, batch_size=BATCH))
    rate = frames / (time.perf_counter() - started)
    how = describe(pipe.painter())
    return f"{model}: {rate:.1f} frames/s at {size.width}x{size.height} px ({how}; network only, {BATCH} frames at a time)"
