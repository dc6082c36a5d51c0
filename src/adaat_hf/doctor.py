"""What machine this is, which packages are there, and how fast the network runs."""

import importlib.metadata
import platform
import time

import torch

from .devices import best_device
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
OPTIONAL = ("mediapipe", "lpips", "datasets", "gradio", "fastapi", "c2pa-python", "anny")


def diagnose(model: str = "bundled/face") -> str:
    """A report for people and for bug reports: versions, device, and frames/s of the generator alone."""
    device = best_device()
    lines = [f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    lines += [f"{name} {_version(name) or 'is missing'}" for name in PACKAGES]
    lines += [f"{name} {_version(name) or 'not installed (optional)'}" for name in OPTIONAL]
    lines.append(f"device: {device} ({torch.get_num_threads()} threads on the CPU)")
    if device.type == "cpu" and torch.version.cuda:
        lines.append("note: this PyTorch supports CUDA, but no GPU was found")
    lines.append(_speed(model, device))
    return "\n".join(lines)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _speed(model: str, device: torch.device, frames: int = 8) -> str:
    try:
        pipe = AdaATPipeline.from_pretrained(model).to(device)
    except (OSError, ValueError) as error:
        return f"{model} cannot be loaded: {error}"
    size, count = pipe.image_processor.size, pipe.generator.config.num_keypoints
    source, points = torch.rand(3, size.height, size.width), torch.rand(count, 2) * 2 - 1
    poses = points.expand(frames, -1, -1)
    list(pipe.paint(source, points, poses[:4]))
    started = time.perf_counter()
    list(pipe.paint(source, points, poses))
    rate = frames / (time.perf_counter() - started)
    return f"{model}: {rate:.1f} frames/s at {size.width}x{size.height} px ({pipe.generator.dtype}, network only)"
