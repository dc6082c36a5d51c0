"""Score the painted clips of several methods, on several processes, and gather what was found."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm.auto import tqdm

from ..atomic import write_text
from ..processing.images import save_image
from .features import frechet_distance
from .measures import MEASURES
from .protocols import Protocol
from .results import Mean, Results
from .scoring import ClipScore
from .statistics import bootstrap_mean


WORST = 6
RESULTS, PER_CLIP, SPEED = "results.json", "clips.csv", "speed.json"


def mean_of(clips: Sequence[ClipScore], name: str) -> Mean:
    """Mean over frames, clips without a value left out, and its bootstrap interval over whole clips."""
    known = [clip for clip in clips if math.isfinite(clip.values.get(name, math.nan))]
    return bootstrap_mean([clip.values[name] for clip in known], [clip.frames for clip in known])


@dataclass
class Evaluation:
    """
    What was measured of several methods.

    Args:
        protocol ([`Protocol`]): How.
        dataset (`str`): On which data.
        settings (`dict[str, str]`): What else a reader must know to get the same numbers.
        clips (`dict[str, list[ClipScore]]`): By method, in the order of the clips.
    """

    protocol: Protocol
    dataset: str
    settings: dict[str, str] = field(default_factory=dict)
    clips: dict[str, list[ClipScore]] = field(default_factory=dict)

    def results(self) -> Results:
        """Means over all frames with their intervals; measures without any value are left out."""
        found = {}
        for method, clips in self.clips.items():
            row = {name: mean_of(clips, name) for name in self.protocol.measures}
            features = [clip.features for clip in clips if clip.features is not None]
            if "fid" in self.protocol.measures and features:
                painted, reference = (np.concatenate(part) for part in zip(*features, strict=True))
                row["fid"] = Mean(frechet_distance(painted, reference))
            found[method] = {name: mean for name, mean in row.items() if math.isfinite(mean.value)}
        first = next(iter(self.clips.values()), [])
        size = f"{len(first)} cases, {sum(clip.frames for clip in first)} frames"
        lines = {"data": f"{self.dataset}: {size}", **self.protocol.describe(), **self.settings}
        return Results(self.protocol.name, self.dataset, lines, found)

    def speed(self) -> dict[str, float]:
        """Frames per second by method, from files to a file: decoding, landmarks, painting and encoding, at the speed of this
        machine and moment, which is why it is no part of the results. Empty if nothing was painted."""
        totals = {}
        for method, clips in self.clips.items():
            timed = [clip for clip in clips if clip.seconds is not None]
            if timed:
                totals[method] = sum(clip.frames for clip in timed) / sum(clip.seconds or 0.0 for clip in timed)
        return totals

    def save(self, folder: str | Path) -> list[Path]:
        """Write `results.json`, `clips.csv`, `speed.json` and a picture of the worst clips of every method; returns the files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [
            write_text(folder / RESULTS, json.dumps(self.results().to_dict(), indent=2) + "\n"),
            write_text(folder / PER_CLIP, self._csv()),
        ]
        if self.speed():
            written.append(write_text(folder / SPEED, json.dumps(self.speed(), indent=2) + "\n"))
        for method in self.clips:
            sheet = self.worst_sheet(method)
            if sheet is not None:
                written.append(save_image(sheet, folder / f"worst_{file_name(method)}.png"))
        return written

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text)
        values = [clip.values for clips in self.clips.values() for clip in clips]
        names = [
            name for name in self.protocol.measures if any(math.isfinite(row.get(name, math.nan)) for row in values)
        ]
        writer.writerow(["method", "clip", "frames", *names])
        for method, clips in self.clips.items():
            for clip in clips:
                writer.writerow(
                    [method, clip.name, clip.frames, *(f"{clip.values.get(name, math.nan):.6f}" for name in names)]
                )
        return text.getvalue()

    def worst_sheet(self, method: str) -> np.ndarray | None:
        """The worst clips of a method below each other, (H, W, 3), uint8: source (if any), reference, painted."""
        name = self.protocol.worst
        sign = -1 if MEASURES[name].better == "lower" else 1
        known = [clip for clip in self.clips[method] if clip.worst and math.isfinite(clip.values.get(name, math.nan))]
        worst = sorted(known, key=lambda clip: sign * clip.values[name])[:WORST]
        if not worst:
            return None
        height = max(picture.shape[0] for clip in worst for picture in clip.worst)
        rows = [np.hstack([_padded(picture, height) for picture in clip.worst]) for clip in worst]
        width = max(row.shape[1] for row in rows)
        return np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])


def _padded(picture: np.ndarray, height: int) -> np.ndarray:
    return np.pad(picture, ((0, height - picture.shape[0]), (0, 0), (0, 0)))


def file_name(method: str) -> str:
    """A method's name as a part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in method)


def score_all(
    items: Sequence[Any], score: Callable[[Any], dict[str, ClipScore]], unit: str = "clip"
) -> dict[str, list[ClipScore]]:
    """Score items on all processes of Accelerate; every process gets everything, in the order of the items.

    Args:
        items (`Sequence`): What to score, the same on all processes.
        score (`Callable`): Returns the scores of an item by method.
        unit (`str`, *optional*, defaults to `"clip"`): What an item is, for the progress bar.
    """
    state = PartialState()
    with state.split_between_processes(list(range(len(items)))) as mine:
        bar = tqdm(mine, desc=f"scoring on {state.device}", unit=unit, disable=not state.is_main_process)
        found = [(number, score(items[number])) for number in bar]
    scores = dict(gather_object(found))
    by_method: dict[str, list[ClipScore]] = {}
    for number in range(len(items)):
        for method, clip in scores[number].items():
            by_method.setdefault(method, []).append(clip)
    return by_method


__all__ = ["Evaluation", "mean_of", "score_all"]
