"""How time and memory of the network grow with batch and picture size."""

from collections.abc import Iterator, Sequence

import torch

from ..models.modeling_adaat import AdaATGenerator
from .measuring import measure
from .network import NetworkInputs, plan_run
from .report import Row


def scaling_rows(
    name: str, generator: AdaATGenerator, height: int, width: int, batches: Sequence[int], sizes: Sequence[int],
    device: torch.device, repeats: int,
) -> Iterator[Row]:  # fmt: skip
    """The plan at several batches of the usual size, then at several heights of one frame at a time."""
    cases = {(batch, height, width) for batch in batches}
    divisor = generator.config.size_divisor
    for tall in sizes:
        cases.add((1, tall, max(divisor, round(tall * width / height / divisor) * divisor)))
    generator = generator.float().eval().to(device)
    for batch, tall, wide in sorted(cases, key=lambda case: (case[1] * case[2], case[0])):
        inputs = NetworkInputs.random(generator.config.num_keypoints, tall, wide, batch, device)
        with torch.no_grad():
            (cost,) = measure({"": plan_run(generator, inputs)}, device, repeats).values()
        yield Row(f"scaling {name}", "plan", f"{wide}x{tall}", cost.seconds / batch, batch, peak_bytes=cost.peak_bytes)


__all__ = ["scaling_rows"]
