"""What a run leaves to look at: its settings and surroundings, curves, scores and pictures; and its progress bar."""

import json
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm.auto import tqdm

from ..atomic import write_text
from .arguments import TrainingArguments


METRICS, SCORES, SETTINGS, SURROUNDINGS, SAMPLES = (
    "metrics.jsonl", "validation.jsonl", "arguments.json", "run.json", "samples",
)  # fmt: skip


def check_tracker(name: str) -> None:
    """Refuse a tracker that is not installed, which Accelerate would pass over with a warning.

    Raises:
        ValueError: naming the package.
    """
    if name != "none" and find_spec(name) is None:
        raise ValueError(
            f"log_with is {name!r}, but the package is not installed: pip install {name}, or log_with=none."
        )


class RunRecord:
    """Writes below a run's folder; only the main process does.

    Args:
        folder (`Path`): The run's `output_dir`.
        accelerator (`Accelerator`): Of the run, with its trackers.
        args (`TrainingArguments`): Its settings.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, args: TrainingArguments) -> None:
        self.folder, self.accelerator, self.args = folder, accelerator, args
        self._bar: Any = None
        self._mark = (0, 0.0)
        self._waited = 0.0

    @contextmanager
    def running(self, step: int) -> Iterator["RunRecord"]:
        """Show progress from `step` on; what earlier runs recorded of later steps is forgotten."""
        main = self.accelerator.is_main_process
        if main:
            for name in (METRICS, SCORES):
                _forget_after(self.folder / name, step)
            (self.folder / SETTINGS).write_text(json.dumps(self.args.to_dict(), indent=2))
            (self.folder / SURROUNDINGS).write_text(json.dumps(surroundings(self.accelerator), indent=2))
        if self.args.log_with != "none":
            self.accelerator.init_trackers("adaat", {name: str(value) for name, value in self.args.to_dict().items()})
        self._bar = tqdm(total=self.args.max_steps, initial=step, disable=not main, unit="step")
        self._bar.set_description(f"training on {self.accelerator.device}")
        self._mark = (step, time.monotonic())
        try:
            yield self
        finally:
            self._bar.close()
            # Accelerate's `end_training` would also end the process group, which a further stage needs.
            for tracker in self.accelerator.trackers:
                tracker.finish()

    def waited(self, seconds: float) -> None:
        """Count time in which the step had to wait for its data; `data_share` is its share of the whole."""
        self._waited += seconds

    def step(self, step: int, losses: dict[str, Tensor], rates: dict[str, float], samples: int) -> None:
        """Count a step; every `logging_steps` its losses (means over processes) are recorded."""
        self._bar.update()
        if step % self.args.logging_steps:
            return
        gathered = self.accelerator.gather(torch.stack([value.float() for value in losses.values()])[None])
        values = dict(zip(losses, gathered.mean(0).tolist(), strict=True))
        since, started = self._mark
        self._mark = (step, time.monotonic())
        elapsed = self._mark[1] - started
        values["images_per_second"] = (step - since) * samples / elapsed
        values["data_share"], self._waited = self._waited / elapsed, 0.0
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()})
        self._log(METRICS, step, values | rates, "")

    def scores(self, step: int, scores: dict[str, float]) -> None:
        """Record validation scores."""
        self._log(SCORES, step, scores, "validation/")
        tqdm.write(f"step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))

    def _log(self, name: str, step: int, values: dict[str, float], prefix: str) -> None:
        self.accelerator.log({prefix + key: value for key, value in values.items()}, step=step)
        if self.accelerator.is_main_process:
            with open(self.folder / name, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Keep a picture (H, W, 3), uint8, as `samples/<name>-<step>.jpg` and in the trackers that take pictures."""
        folder = self.folder / SAMPLES
        folder.mkdir(exist_ok=True)
        PIL.Image.fromarray(picture).save(folder / f"{name}-{step:07d}.jpg", quality=92)
        for tracker in self.accelerator.trackers:
            if tracker.name == "tensorboard":
                tracker.log_images({name: picture[None]}, step, dataformats="NHWC")
            elif hasattr(tracker, "log_images"):
                tracker.log_images({name: [picture]}, step)


def _forget_after(path: Path, step: int) -> None:
    """Drop the lines of later steps, and one that a killed run left unfinished."""
    if path.is_file():
        kept = [row for row in read_rows(path) if row["step"] <= step]
        write_text(path, "".join(json.dumps(row) + "\n" for row in kept))


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a record file; none if it does not exist."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def surroundings(accelerator: Accelerator) -> dict[str, Any]:
    """Where a run ran: hardware, versions, and the commit of the library's source, if it is known."""
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": f"{device.type} ({name})",
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "adaat_hf": metadata.version("adaat-hf"),
        "commit": source_commit(),
    }


def source_commit() -> str | None:
    """The commit of this source tree, with `+` if files differ from it."""
    here = Path(__file__).parent
    try:
        found, changed = (
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True, timeout=10).stdout
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "."])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.strip() + ("+" if changed.strip() else "")
