"""Speed in one run: operator and network against the released code's way of computing, and what each step of the plan gains.

python scripts/benchmark.py
"""

import argparse
import time
from collections.abc import Callable

import torch

from adaat_hf import AdaATGenerator, adaptive_affine
from adaat_hf.devices import best_device
from adaat_hf.evaluation.released import naive_5d, released_generator
from adaat_hf.inference import InferencePlan
from adaat_hf.inference.folding import fold_batch_norm
from adaat_hf.models.modeling_adaat import AdaATGeneratorOutput


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


def operator_rows(size: int, device: torch.device, repeats: int) -> None:
    """The operator forward, and forward and backward, against the 5-D form."""
    channels, side = 512, size // 4
    random = [torch.rand(shape, device=device) for shape in ((1, channels), (1, channels), (1, channels, 2))]
    parameters = (2 * random[0], 6.28 * random[1] - 3.14, 2 * random[2] - 1)
    values = [torch.randn(1, channels, side, side, device=device), *parameters]

    def both(operator: Callable[..., torch.Tensor]) -> None:
        operator(*(value.clone().requires_grad_() for value in values)).sum().backward()

    for name, run in (("forward", lambda operator: operator(*values)), ("forward and backward", both)):
        naive, ours = (seconds(lambda o=o, r=run: r(o), device, repeats) for o in (naive_5d, adaptive_affine))
        print(
            f"operator {channels}x{side}x{side} {name}: 5-D {1e3 * naive:.1f} ms, ours {1e3 * ours:.1f} ms, ratio {naive / ours:.1f}"
        )


@torch.no_grad()
def network_rows(size: int, device: torch.device, repeats: int, batch: int) -> None:
    """The paper's face network as released, with our operator, folded, and as the plan."""
    naive = released_generator(68, 5).eval().to(device)
    ours = AdaATGenerator(naive.config).eval().to(device)
    ours.load_state_dict({name.replace(".operator.", "."): value for name, value in naive.state_dict().items()})
    folded, plan = fold_batch_norm(ours), InferencePlan(ours)
    source = torch.rand(batch, 3, size, size, device=device)
    source[:] = source[:1]
    points = 2 * torch.rand(1, 68, 2, device=device) - 1
    here, there = points.expand(batch, -1, -1), 2 * torch.rand(batch, 68, 2, device=device) - 1
    subject = plan.read_source(source[:1], points)
    runs: dict[str, Callable[[], AdaATGeneratorOutput]] = {
        "as released": lambda: naive(source, here, there),
        "our operator": lambda: ours(source, here, there),
        "norms folded": lambda: folded(source, here, there),
        "plan": lambda: plan(subject, there),
    }
    first = 0.0
    for name, run in runs.items():
        took = seconds(run, device, repeats)
        first = first or took
        print(
            f"paper's face network, batch {batch}, {name}: {1e3 * took / batch:.0f} ms per frame, ratio {first / took:.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="side of the picture in pixels")
    parser.add_argument("--batch", type=int, default=1, help="frames at a time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best one there is)")
    args = parser.parse_args()
    device = best_device(args.device)
    print(f"device {device}, {torch.get_num_threads()} CPU threads, {args.size} px, ratios from this run")
    operator_rows(args.size, device, args.repeats)
    network_rows(args.size, device, args.repeats, args.batch)


if __name__ == "__main__":
    main()
