"""Batches of a run from where it stands."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils.data import DataLoader

from .checkpoints import CheckpointError
from .data import RangeSampler
from .streaming import POSITION, StreamedDataset


if TYPE_CHECKING:
    from .trainer import Trainer


class LostWorkerError(RuntimeError):
    """A process that reads data has died; the message says so."""


def load_batches(trainer: "Trainer") -> Iterator[dict[str, Tensor]]:
    """This process's batches until the run's last step, on its device.

    Raises:
        LostWorkerError: if a data worker dies.
    """
    args, accelerator = trainer.args, trainer.accelerator
    left = (args.max_steps - trainer.step) * args.gradient_accumulation_steps
    batches = iter(_open_loader(trainer, left))
    while left:
        asked = time.monotonic()
        try:
            batch = next(batches)
        except StopIteration:
            raise ValueError(
                "The stream of training data has no shard for this process; use fewer processes."
            ) from None
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise LostWorkerError(
                f"A data worker died, often for lack of memory ({error}). The newest checkpoint is intact: start the"
                " same command again, perhaps with a lower num_workers."
            ) from error
        trainer.record.waited(time.monotonic() - asked)
        positions = batch.pop(POSITION).tolist() if POSITION in batch else []
        if not batch:
            continue
        for worker, *position in positions:
            trainer.streams[str(worker)] = position
        left -= 1
        yield {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}


def _open_loader(trainer: "Trainer", batches: int) -> DataLoader:
    args, accelerator, dataset = trainer.args, trainer.accelerator, trainer.task.dataset
    options: dict[str, Any] = {
        "num_workers": args.num_workers,
        "drop_last": True,
        "pin_memory": accelerator.device.type == "cuda",
        "prefetch_factor": 4 if args.num_workers else None,
    }
    rank, count = accelerator.process_index, accelerator.num_processes
    if isinstance(dataset, StreamedDataset):
        dataset.split(rank, count)
        done = trainer.samples // (args.batch_size * count)
        dataset.resume(trainer.streams, done, args.batch_size, args.num_workers)
        return DataLoader(dataset, args.batch_size, **options)
    stop = trainer.samples + batches * args.batch_size * count
    sampler = RangeSampler(trainer.samples, stop, rank, count)
    return DataLoader(dataset, args.batch_size, sampler=sampler, **options)


def stream_state(trainer: "Trainer") -> dict[str, Any]:
    """Where the streams of this process stand, for a checkpoint."""
    return {"workers": max(trainer.args.num_workers, 1), "positions": trainer.streams}


def restore_streams(trainer: "Trainer", states: list[dict[str, Any]]) -> None:
    """Set where the streams of this process continue.

    Args:
        trainer (`Trainer`): Of the run.
        states (`list[dict]`): For every process that wrote the checkpoint, what [`stream_state`] gave.

    Raises:
        CheckpointError: if the processes or workers are others than those that wrote the checkpoint.
    """
    if not states or not trainer.args.streaming:
        return
    count, workers = trainer.accelerator.num_processes, max(trainer.args.num_workers, 1)
    found = states[0]["workers"]
    if (len(states), found) != (count, workers):
        raise CheckpointError(
            f"The checkpoint's streams were read by {len(states)} processes with {found} data workers each; the run has"
            f" {count} with {workers}. Continue with the same numbers, or start a new output_dir with init_from."
        )
    trainer.streams = dict(states[trainer.accelerator.process_index]["positions"])
