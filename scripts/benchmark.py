"""Speed in one run: the operator against the released 5-D form, and the compact generator against the paper's.

python scripts/benchmark.py
"""

import argparse
import time
from collections.abc import Callable

import torch

from adaat_hf import AdaATConfig, AdaATGenerator, adaptive_affine
from adaat_hf.devices import best_device
from adaat_hf.evaluation.released import naive_5d


def seconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Shortest time of several runs."""
    best = float("inf")
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        if device.type != "cpu":
            torch.accelerator.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="side of the picture in pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best one there is)")
    args = parser.parse_args()
    device = best_device(args.device)
    print(f"device {device}, {torch.get_num_threads()} CPU threads, {args.size} px, ratios from this run")

    channels, side = 512, args.size // 4
    feature = torch.randn(1, channels, side, side, device=device)
    scale, rotation = 2 * torch.rand(1, channels, device=device), 3 * torch.randn(1, channels, device=device)
    parameters = (scale, rotation, 2 * torch.rand(1, channels, 2, device=device) - 1)
    naive = seconds(lambda: naive_5d(feature, *parameters), device, args.repeats)
    ours = seconds(lambda: adaptive_affine(feature, *parameters), device, args.repeats)
    print(
        f"operator {channels}x{side}x{side}: 5-D {1e3 * naive:.1f} ms, ours {1e3 * ours:.1f} ms, ratio {naive / ours:.1f}"
    )

    times = {}
    for preset in ("paper-face", "compact"):
        model = AdaATGenerator(AdaATConfig.from_preset(preset)).eval().to(device)
        source = torch.rand(1, 3, args.size, args.size, device=device)
        points = 2 * torch.rand(1, model.config.num_keypoints, 2, device=device) - 1
        times[preset] = seconds(lambda m=model, s=source, p=points: m(s, p, p), device, args.repeats)
        millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        print(f"{preset} generator ({millions:.1f} M parameters): {1e3 * times[preset]:.0f} ms per frame")
    print(f"compact against paper-face: ratio {times['paper-face'] / times['compact']:.1f}")


if __name__ == "__main__":
    main()
