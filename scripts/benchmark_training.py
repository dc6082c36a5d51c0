# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Training speed and memory against the released code's loop, in one run: the paper's network and losses, random weights.

    python scripts/benchmark_training.py
    python scripts/benchmark_training.py --size 256 --batch-size 24   # on a GPU

Every way of training runs in a process of its own, in turn, so that its peak memory is its own (CPU: resident memory with
all libraries; GPU: allocated). Batches are random and already loaded. `--profile` shows where the time of the last one goes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from safetensors.torch import save, save_file
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from adaat_hf.devices import best_device
from adaat_hf.evaluation.backbones import VGGFeatures
from adaat_hf.evaluation.released import ReleasedStep, released_generator
from adaat_hf.models.configuration_adaat import AdaATDiscriminatorConfig
from adaat_hf.models.modeling_discriminator import AdaATDiscriminator
from adaat_hf.preparation.clips import encode_clip
from adaat_hf.training.arguments import TrainingArguments
from adaat_hf.training.packs import FACTS, TENSORS, VIDEO, write_pack
from adaat_hf.training.trainer import Trainer


CONFIG = Path(__file__).parent / "configs" / "face_reenactment.yaml"
KEYPOINTS = 68
WAYS: dict[str, dict[str, Any]] = {
    "released loop": {},
    "ours, float32": {"mixed_precision": "no", "channels_last": False},
    "ours, bf16": {"mixed_precision": "bf16", "channels_last": True},
    "ours, bf16, compiled": {"mixed_precision": "bf16", "channels_last": True, "compile": True},
}


def make_data(folder: Path) -> None:
    """A pack with one clip of noise, and VGG19 with random weights: both only need the right form."""
    frames = list(np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8))
    points = 64 * torch.rand(4, 96, 2)
    tensors = save({"points": points, "visibility": torch.ones(4, 96)})
    facts = json.dumps({"frames": 4, "fps": 10}).encode()
    parts = {VIDEO: encode_clip(frames, Fraction(10), 10), TENSORS: tensors, FACTS: facts}
    write_pack(folder / "clips-00000.tar", [("noise", parts)])
    layers = torchvision.models.vgg19(weights=None).features.state_dict()
    save_file({f"features.{name}": value for name, value in layers.items()}, folder / "vgg19.safetensors")


def make_batch(size: int, count: int, device: torch.device) -> dict[str, Tensor]:
    """Random pictures and key points."""
    batch = {name: torch.rand(count, 3, size, size) for name in ("source", "driving")}
    for name in ("source", "driving"):
        batch[f"{name}_keypoints"] = 2 * torch.rand(count, KEYPOINTS, 2) - 1
        batch[f"{name}_visibility"] = torch.ones(count, KEYPOINTS)
    return {name: value.to(device) for name, value in batch.items()}


def make_step(way: str, args: argparse.Namespace, folder: Path, device: torch.device) -> Callable[[], object]:
    """One training step."""
    batch, backbone = make_batch(args.size, args.batch_size, device), f"vgg19:{folder / 'vgg19.safetensors'}"
    if way == "released loop":
        networks = (
            released_generator(KEYPOINTS, 5),
            AdaATDiscriminator(AdaATDiscriminatorConfig()),
            VGGFeatures(backbone),
        )
        step = ReleasedStep(*(network.to(device) for network in networks))  # type: ignore[arg-type]
        order = (batch["source"], batch["driving"], batch["source_keypoints"], batch["driving_keypoints"])
        return lambda: step(*order)
    settings = {
        "train_data": [str(folder)],
        "validation_data": None,
        "output_dir": str(folder / "run"),
        "log_with": "none",
    }
    choices = {"backbone": backbone, "num_workers": 0, "resolution": args.size, "batch_size": args.batch_size}
    trainer = Trainer(TrainingArguments.from_yaml(CONFIG, "paper", **settings, **choices, **WAYS[way]))
    return lambda: trainer._train_batch(batch)


def measure(way: str, args: argparse.Namespace, folder: Path) -> None:
    """Print seconds per step (median) and peak memory in bytes, as JSON."""
    device = best_device(args.device)
    step = make_step(way, args, folder, device)
    durations = []
    for _ in range(args.steps + args.warmup):
        started = time.perf_counter()
        step()
        if device.type != "cpu":
            torch.accelerator.synchronize()
        durations.append(time.perf_counter() - started)
    if args.profile:
        with profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        ) as seen:
            step()
        order = "self_cpu_time_total" if device.type == "cpu" else "self_cuda_time_total"
        print(seen.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=48), file=sys.stderr)
    print(json.dumps({"seconds": float(np.median(durations[args.warmup :])), "memory": peak_memory(device)}))


def peak_memory(device: torch.device) -> int:
    """Bytes that this process has taken at most."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="side of the pictures (128)")
    parser.add_argument("--batch-size", type=int, default=4, help="pairs per step (4)")
    parser.add_argument("--steps", type=int, default=5, help="steps that count (5)")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them (2)")
    parser.add_argument("--rounds", type=int, default=1, help="how often all ways take turns (1)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best one there is)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way is not None:
        measure(args.way, args, args.folder)
        return
    device = best_device(args.device)
    ways = [way for way in WAYS if device.type == "cuda" or "compiled" not in way]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="adaat-benchmark-") as name:
        make_data(Path(name))
        for _ in range(args.rounds):
            for way in ways:
                command = [sys.executable, __file__, *sys.argv[1:], "--way", way, "--folder", name]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found[way].append(json.loads(done.stdout.splitlines()[-1]))
    rows = {way: {key: float(np.median([row[key] for row in rows])) for key in rows[0]} for way, rows in found.items()}
    print(
        f"{device}, {torch.get_num_threads()} CPU threads, {args.size} px, batch {args.batch_size}; ratios from this run"
    )
    print(table(rows, args.batch_size))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def table(rows: dict[str, dict[str, float]], batch_size: int) -> str:
    """Markdown: speed and memory of each way against the released loop."""
    base = rows["released loop"]
    lines = ["| training step | pairs/s | times as fast | peak memory | share |", "|---|---|---|---|---|"]
    for way, row in rows.items():
        speed, memory = base["seconds"] / row["seconds"], row["memory"] / base["memory"]
        shown = f"{batch_size / row['seconds']:.3g} | {speed:.2f} | {row['memory'] / 2**20:.0f} MB | {memory:.0%}"
        lines.append(f"| {way} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
