"""What tasks have in common: cases, methods that paint them, and how they are scored."""

import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch

from ...processing.images import save_image
from ...processing.photo import NoFaceError
from ...processing.sound import SoundError
from ...video import write_video
from ..evaluation import Evaluation, file_name, score_all
from ..footage import EvaluationError, Footage, Pair
from ..protocols import Protocol
from ..scoring import ClipScore, Tools, TrueFaces, score_clip


Case = TypeVar("Case")
# From a case to the painted frames (H, W, 3), uint8.
Painter = Callable[[Any], list[np.ndarray]]


@dataclass(frozen=True)
class PaintSettings:
    """How clips are read and painted.

    Args:
        device (`torch.device`): Where networks run.
        frames (`int`, *optional*): At most so many consecutive frames of a clip, those around its middle; all by default.
        size (`int`, *optional*): Shorter side to which the frames of faces are reduced first; as they are by default.
    """

    device: torch.device
    frames: int | None = None
    size: int | None = None

    @property
    def resizing(self) -> str:
        """What is done to frames first, for reports."""
        return "as they are" if self.size is None else f"shorter side reduced to {self.size}"


class PaintingTask(ABC, Generic[Case]):
    """Cases of one task, and the methods that can paint them.

    Args:
        items (`Sequence`): What cases are made of, such as files.
        tools ([`Tools`]): Networks of the measures; landmarks for painting come from the same detector.
        settings ([`PaintSettings`]): How.
    """

    protocol: Protocol
    # Methods without a network, by name.
    baselines: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = "clip"

    def __init__(self, items: Sequence[Any], tools: Tools, settings: PaintSettings) -> None:
        self.items, self.tools, self.settings = items, tools, settings
        # Further lines for reports.
        self.notes: dict[str, str] = {}

    @abstractmethod
    def read(self, item: Any) -> Case | None:
        """The case of an item, or `None` if nothing can be painted, such as where no face is found."""

    @abstractmethod
    def reference(self, case: Case) -> tuple[Footage, Footage | None]:
        """What the painted frames are compared with, and the source."""

    @abstractmethod
    def baseline(self, name: str) -> Painter:
        """One of `baselines`."""

    @abstractmethod
    def network(self, folder: str) -> Painter:
        """A trained network or pipeline as a painter."""

    def about(self) -> dict[str, str]:
        """Settings of the task, for reports."""
        frames = "all" if self.settings.frames is None else f"at most {self.settings.frames}, around the clip's middle"
        return {"frames": f"{frames}; {self.settings.resizing}"}

    def open(self, methods: Mapping[str, str]) -> dict[str, Painter]:
        """Painters by name.

        Args:
            methods (`Mapping[str, str]`): Folder, Hub id or name of a baseline, by the method's name.

        Raises:
            EvaluationError: if there is no such baseline or folder.
        """
        for spec in methods.values():
            if spec not in self.baselines and "/" not in spec and not Path(spec).exists():
                known = ", ".join(self.baselines)
                raise EvaluationError(f"The method {spec!r} is no folder; without a network this task has {known}.")
        return {
            name: self.baseline(spec) if spec in self.baselines else self.network(spec)
            for name, spec in methods.items()
        }


def evaluate_task(
    task: PaintingTask[Any], methods: Mapping[str, str], dataset: str, keep: Path | None = None
) -> Evaluation:
    """Paint all cases of a task with all methods and score them, on all processes of Accelerate.

    Args:
        task ([`PaintingTask`]): The task.
        methods (`Mapping[str, str]`): See [`PaintingTask.open`].
        dataset (`str`): Name of the data, for reports.
        keep (`Path`, *optional*): Folder for all painted pictures, as `method/clip/frame.png`.

    Raises:
        EvaluationError: if no case can be painted.
    """
    painters = task.open(methods)

    def score(item: Any) -> dict[str, ClipScore]:
        try:
            return score_usable(item)
        except (NoFaceError, SoundError) as error:
            # For one method as for all: means of different cases could not be compared.
            warnings.warn(f"{item} is left out: {error}", stacklevel=2)
            return {}

    def score_usable(item: Any) -> dict[str, ClipScore]:
        started = time.perf_counter()
        case = task.read(item)
        if case is None:
            return {}
        reading = time.perf_counter() - started
        reference, source = task.reference(case)
        faces = TrueFaces.read(reference, source, task.tools)
        found = {}
        for name, paint in painters.items():
            started = time.perf_counter()
            frames = paint(case)
            _write(frames, reference.fps)
            seconds = reading + time.perf_counter() - started
            if keep is not None:
                _keep(frames, keep / file_name(name) / file_name(reference.name))
            painted = Footage.of(reference.name, frames, reference.fps)
            pair = Pair(painted, reference, source, task.protocol.task != "cross-identity")
            found[name] = replace(score_clip(pair, task.protocol, task.tools, faces), seconds=seconds)
        return found

    clips = score_all(task.items, score, task.unit)
    used = len(next(iter(clips.values()), []))
    if not used:
        raise EvaluationError(f"Of {len(task.items)} {task.unit}s none can be painted: no face or person was found.")
    left_out = {
        "left out": f"{len(task.items) - used} of {len(task.items)} {task.unit}s, without a usable face, person or sound"
    }
    return Evaluation(task.protocol, dataset, {**task.about(), **left_out, **task.notes}, clips)


def _write(frames: list[np.ndarray], fps: float) -> None:
    """Write what was painted as users do, for the time that it takes."""
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        if len(frames) == 1:
            save_image(frames[0], Path(folder) / "painted.png")
        else:
            write_video(frames, Path(folder) / "painted.mp4", fps)


def _keep(frames: list[np.ndarray], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        save_image(frame, folder / f"{number:05d}.png", mark=True)


def middle(count: int, most: int | None) -> slice:
    """At most `most` of `count` frames, around their middle."""
    if most is None or most >= count:
        return slice(0, count)
    start = (count - most) // 2
    return slice(start, start + most)


__all__ = ["Case", "PaintSettings", "Painter", "PaintingTask", "evaluate_task", "middle"]
