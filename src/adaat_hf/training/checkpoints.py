"""Checkpoints of a run: written under a temporary name, checked before they are used, rotated."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import nn


PREFIX, STATE = "checkpoint-", "state.json"
logger = logging.getLogger(__name__)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or does not fit the run; the message says why."""


@dataclass(frozen=True)
class RunState:
    """Where a run stands; kept beside the tensors of a checkpoint.

    Args:
        step (`int`): Optimiser steps done.
        samples (`int`): Training items that all processes together have seen.
        architecture (`dict`): What the networks are, to refuse a checkpoint of others.
        streams (`list[dict]`): For every process, where its data streams stand; empty without streaming.
    """

    step: int
    samples: int = 0
    architecture: dict[str, Any] = field(default_factory=dict)
    streams: list[dict[str, Any]] = field(default_factory=list)


def checkpoint_step(path: Path) -> int:
    """The step at which a checkpoint was written."""
    return int(path.name.removeprefix(PREFIX))


def newest_checkpoint(folder: Path) -> Path | None:
    """The sound checkpoint with the highest step, if any; broken ones are named in a warning and passed over."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    for path in sorted(found, key=checkpoint_step, reverse=True):
        problem = _problem(path)
        if problem is None:
            return path
        logger.warning("The checkpoint %r is passed over: %s.", str(path), problem)
    return None


def read_state(checkpoint: Path) -> RunState:
    """What [`save_checkpoint`] wrote beside the tensors."""
    return RunState(**json.loads((checkpoint / STATE).read_text())["run"])


def _problem(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be used: it lacks files, or some are shorter than they were."""
    try:
        sizes = json.loads((checkpoint / STATE).read_text())["files"]
    except (OSError, ValueError, KeyError):
        return f"it has no readable {STATE}"
    for name, size in sizes.items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes, not the {size} that were written"
    return None


def load_checkpoint(
    accelerator: Accelerator, checkpoint: Path, architecture: dict[str, Any] | None = None
) -> RunState:
    """Restore what the accelerator registered; every process must call this.

    Args:
        accelerator (`Accelerator`): Of the run.
        checkpoint (`Path`): From [`newest_checkpoint`].
        architecture (`dict`, *optional*): What the run's networks are.

    Raises:
        CheckpointError: if the checkpoint is of other networks.
    """
    state = read_state(checkpoint)
    wanted = json.loads(json.dumps(architecture or {}))
    different = sorted(name for name in wanted if state.architecture.get(name) != wanted[name])
    if different:
        shown = ", ".join(f"{name} {state.architecture.get(name)!r} instead of {wanted[name]!r}" for name in different)
        raise CheckpointError(
            f"{str(checkpoint)!r} is of another network: {shown}. Choose another output_dir, or the same model."
        )
    accelerator.load_state(str(checkpoint))
    return state


def save_checkpoint(accelerator: Accelerator, folder: Path, state: RunState, kept: int) -> Path:
    """Save the state of the run; every process must call this. Older checkpoints than the newest `kept` are removed.

    Raises:
        CheckpointError: if it cannot be written, or weights are not finite; earlier checkpoints stay.
    """
    final, partial = folder / f"{PREFIX}{state.step}", folder / f".{PREFIX}{state.step}.part"
    if final.exists() and _problem(final) is None:
        return final
    _refuse_broken_weights(accelerator, state.step)
    if accelerator.is_main_process:
        for left in folder.glob(f".{PREFIX}*.part"):
            shutil.rmtree(left)
    # No process may decide by the files above while another one already writes new ones.
    accelerator.wait_for_everyone()
    try:
        accelerator.save_state(str(partial))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            _seal(partial, state)
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        earlier = newest_checkpoint(folder)
        kept_one = f"{earlier.name!r} is intact" if earlier else "there is no earlier one"
        raise CheckpointError(f"The checkpoint {str(final)!r} cannot be written ({error}); {kept_one}.") from error
    if accelerator.is_main_process:
        if final.exists():
            # Only a broken one: a sound checkpoint of this step is not written again.
            final.rename(folder / f".{final.name}.broken.part")
        partial.rename(final)
        for old in sorted(folder.glob(f"{PREFIX}*"), key=checkpoint_step)[:-kept]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()
    return final


def _seal(folder: Path, state: RunState) -> None:
    """Write the state file last, with the size of every other file, all of it on the disk before the folder gets its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    record = folder / STATE
    record.write_text(json.dumps({"run": asdict(state), "files": sizes}, indent=2))
    for path in (*files, record):
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def _refuse_broken_weights(accelerator: Accelerator, step: int) -> None:
    for model in accelerator._models:
        name = type(accelerator.unwrap_model(model)).__name__
        if not all_finite(model):
            raise CheckpointError(
                f"After step {step} the weights of {name} are not finite, so no checkpoint is written; a lower"
                " learning_rate or max_grad_norm may help. Earlier checkpoints are intact."
            )


@torch.no_grad()
def all_finite(model: nn.Module) -> bool:
    """Whether no parameter or buffer holds NaN or infinity."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
    return bool(torch.stack([t.isfinite().all() for t in tensors]).all()) if tensors else True


def replace_folder(folder: Path, write: Callable[[Path], object]) -> Path:
    """Write a folder under a temporary name; an earlier one of its name stays until the new one is complete.

    Args:
        folder (`Path`): Its final name.
        write (`Callable[[Path], object]`): Fills the folder whose name it gets.
    """
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    write(partial)
    shutil.rmtree(folder, ignore_errors=True)
    return partial.rename(folder)
