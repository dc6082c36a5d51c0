"""The loop of the small models' trainers: resume, steps with a progress bar, checkpoints, a time limit."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor
from tqdm.auto import tqdm

from .checkpoints import checkpoint_step, newest_checkpoint, save_checkpoint


LOGGING_STEPS = 20


def run_steps(
    accelerator: Accelerator,
    args: Any,
    batches: Callable[[int], Iterable[Any]],
    train_batch: Callable[[Any], dict[str, Tensor]],
) -> int:
    """Train from the newest checkpoint in `args.output_dir` to `max_steps` or the time limit.

    Args:
        accelerator (`Accelerator`): Holds the state that checkpoints save.
        args: Settings: a dataclass with `output_dir`, `max_steps`, `checkpoint_steps` and `time_limit`.
        batches (`Callable[[int], Iterable]`): The batches from a step on.
        train_batch (`Callable`): Takes one step; returns the losses.

    Returns:
        `int`: The number of steps done.
    """
    output = Path(args.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    newest, step = newest_checkpoint(output), 0
    if newest is not None:
        accelerator.load_state(str(newest))
        step = checkpoint_step(newest)
    if accelerator.is_main_process:
        (output / "arguments.json").write_text(json.dumps(asdict(args), indent=2))
    started = time.monotonic()
    bar = tqdm(total=args.max_steps, initial=step, unit="step", disable=not accelerator.is_main_process)
    bar.set_description(f"training on {accelerator.device}")
    for batch in batches(step):
        losses = train_batch(batch)
        step += 1
        bar.update()
        if step % LOGGING_STEPS == 0:
            bar.set_postfix({name: f"{float(value):.4f}" for name, value in losses.items()})
        if step % args.checkpoint_steps == 0:
            save_checkpoint(accelerator, output, step, kept=1)
        if args.time_limit is not None and time.monotonic() - started > 60 * args.time_limit:
            break
    bar.close()
    save_checkpoint(accelerator, output, step, kept=1)
    return step
