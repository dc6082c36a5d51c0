"""Checkpoints of a run: written under a temporary name, found again, rotated."""

import shutil
from pathlib import Path

from accelerate import Accelerator


PREFIX = "checkpoint-"


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint with the highest step, if any."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return max(found, key=checkpoint_step, default=None)


def checkpoint_step(path: Path) -> int:
    """The step at which a checkpoint was written."""
    return int(path.name.removeprefix(PREFIX))


def save_checkpoint(accelerator: Accelerator, folder: Path, step: int, kept: int) -> Path:
    """Save the state of the run; every process must call this. Older checkpoints than the newest `kept` are removed."""
    final = folder / f"{PREFIX}{step}"
    partial = folder / f".{PREFIX}{step}.part"
    if accelerator.is_main_process and partial.exists():
        shutil.rmtree(partial)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        for old in sorted(folder.glob(f"{PREFIX}*"), key=checkpoint_step)[:-kept]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()
    return final
