"""The loop of the small models' trainers: resume, steps with a progress bar, checkpoints, a time limit."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor
from tqdm.auto import tqdm

from .checkpoints import RunState, load_checkpoint, newest_checkpoint, save_checkpoint
from .stopping import Stop


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
        step = load_checkpoint(accelerator, newest).step
    if accelerator.is_main_process:
        (output / "arguments.json").write_text(json.dumps(asdict(args), indent=2))
    bar = tqdm(total=args.max_steps, initial=step, unit="step", disable=not accelerator.is_main_process)
    bar.set_description(f"training on {accelerator.device}")
    with Stop(accelerator, args.time_limit) as stop:
        for batch in batches(step):
            losses = train_batch(batch)
            step += 1
            bar.update()
            if step % LOGGING_STEPS == 0:
                bar.set_postfix({name: f"{float(value):.4f}" for name, value in losses.items()})
            if step % args.checkpoint_steps == 0:
                save_checkpoint(accelerator, output, RunState(step), kept=1)
            if stop.now():
                break
    bar.close()
    save_checkpoint(accelerator, output, RunState(step), kept=1)
    return step
