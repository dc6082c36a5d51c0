"""The held-out benchmark: a fixed, published list of files, with hashes, over clips and photographs that no bundled network saw."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState
from tqdm.auto import tqdm

from ..preparation.shards import file_hash
from ..processing.backends import open_body_detector
from ..training.people import People, prepare_people
from .footage import EvaluationError, some
from .scoring import Tools
from .tasks.base import PaintingTask, PaintSettings
from .tasks.cross_identity import CrossIdentity
from .tasks.persons import PersonPairs
from .tasks.reconstruction import Reconstruction
from .tasks.talking import Talking


HELDOUT_LIST = Path(__file__).parent / "heldout.csv"
COLUMNS = ("task", "case", "role", "file", "sha256")
# At most so many frames of a clip, so that the whole benchmark takes a small machine minutes, not days.
FRAMES = {"reconstruction": 16, "cross-identity": 16, "talking": 40}
PERSON_SIZE = (256, 176)


@dataclass(frozen=True)
class HeldOutCase:
    """A case of the benchmark.

    Args:
        task (`str`): `"reconstruction"`, `"cross-identity"`, `"talking"` or `"persons"`.
        name (`str`): Of the case.
        files (`dict[str, str]`): Path below the data's folder, by role: `clip`; `photo` and `clip`; `first` and `second`.
    """

    task: str
    name: str
    files: dict[str, str]


def read_list(path: Path = HELDOUT_LIST) -> tuple[list[HeldOutCase], dict[str, str]]:
    """The cases of a list, and the hash of every file in it."""
    cases: dict[tuple[str, str], dict[str, str]] = {}
    hashes = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            cases.setdefault((row["task"], row["case"]), {})[row["role"]] = row["file"]
            hashes[row["file"]] = row["sha256"]
    return [HeldOutCase(task, name, files) for (task, name), files in cases.items()], hashes


def list_hash(path: Path = HELDOUT_LIST) -> str:
    """The first 12 digits of the list's own hash, which name its version in reports."""
    return file_hash(path)[:12]


def heldout_cases(data: Path, tasks: Sequence[str], path: Path = HELDOUT_LIST) -> list[HeldOutCase]:
    """The cases of some tasks, after their files were compared with the published hashes.

    Args:
        data (`Path`): Folder below which the files lie.
        tasks (`Sequence[str]`): Names of tasks.
        path (`Path`, *optional*): The list.

    Raises:
        EvaluationError: if files are missing or differ: with others the numbers could not be compared.
    """
    cases, hashes = read_list(path)
    known = {case.task for case in cases}
    unknown = [task for task in tasks if task not in known]
    if unknown:
        raise EvaluationError(f"There is no task {unknown[0]!r}, expected some of {', '.join(sorted(known))}.")
    chosen = [case for case in cases if case.task in tasks]
    files = sorted({file for case in chosen for file in case.files.values()})
    missing = [file for file in files if not (data / file).is_file()]
    if missing:
        raise EvaluationError(
            f"{len(missing)} of {len(files)} held-out files are not in {str(data)!r}: {some(missing)}."
        )
    changed = [
        file for file in tqdm(files, desc="checking hashes", unit="file") if file_hash(data / file) != hashes[file]
    ]
    if changed:
        raise EvaluationError(
            f"{len(changed)} of {len(files)} held-out files differ from the published ones: {some(changed)}."
        )
    return chosen


def open_task(
    task: str,
    cases: Sequence[HeldOutCase],
    data: Path,
    tools: Tools,
    settings: PaintSettings,
    work: Path,
    body_detector: str,
    person_size: tuple[int, int] = PERSON_SIZE,
) -> PaintingTask:
    """A task of the benchmark with its published cases.

    Args:
        task (`str`): Its name.
        cases (`Sequence[HeldOutCase]`): From [`heldout_cases`]; those of other tasks are passed over.
        data (`Path`): Folder below which the files lie.
        tools, settings: See [`PaintingTask`]; `settings.frames` is replaced by the benchmark's own.
        work (`Path`): Folder for the crops of persons.
        body_detector (`str`): Finds the persons and their joints (see [`open_body_detector`]).
        person_size (`tuple[int, int]`, *optional*): Height and width to which pictures of persons are reduced; the
            benchmark's by default.
    """
    own = [case for case in cases if case.task == task]
    settings = PaintSettings(settings.device, FRAMES.get(task), settings.size)
    if task == "persons":
        return _persons(own, data, tools, settings, work, body_detector, person_size)
    if task == "cross-identity":
        return CrossIdentity([(data / c.files["photo"], data / c.files["clip"]) for c in own], tools, settings)
    kind = Reconstruction if task == "reconstruction" else Talking
    return kind([data / case.files["clip"] for case in own], tools, settings)


def _persons(
    cases: Sequence[HeldOutCase],
    data: Path,
    tools: Tools,
    settings: PaintSettings,
    work: Path,
    detector: str,
    size: tuple[int, int],
) -> PersonPairs:
    """Cut out the persons of all pairs of photographs; where none is found, or several are, a pair is left out."""
    names = {case.name: case.name for case in cases}
    folder = (data / cases[0].files["first"]).parent
    state, left_out = PartialState(), 0
    if state.is_main_process:
        people = People(names, frozenset(names))
        _, reasons = prepare_people(folder, work, open_body_detector(detector), people, PERSON_SIZE)
        left_out = sum(name in names for name in reasons)
    state.wait_for_everyone()
    task = PersonPairs([work / "validation"], tools, settings, *size)
    task.notes = {
        "photographs": f"{len(names)} pairs, each in both directions; {left_out} pairs without exactly one person left out"
    }
    return task


__all__ = ["HeldOutCase", "heldout_cases", "list_hash", "open_task", "read_list"]
