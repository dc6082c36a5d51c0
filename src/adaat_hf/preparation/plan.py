"""Which clips go into which shard, decided once, so that a run can be interrupted anywhere and added to later."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..bundled import bundled_path
from .settings import PreparationSettings
from .shards import ShardTask, file_hash
from .sources import ClipSource, Listing, Missing


PLAN = "plan.json"
STEM = "clips"


class PlanError(ValueError):
    """The output folder was begun in another way; the message says how."""


@dataclass
class Plan:
    """What is to be made.

    Args:
        dataset (`str`): Its name in the catalogue.
        settings (`dict`): How clips are prepared.
        detector_sha256 (`str`): Of the detector's file.
        shards (`dict[str, list[str]]`): Keys of each shard's clips, by its name.
        listed (`dict[str, int]`): What the lists name, by split.
        missing (`list[Missing]`): What of it the user does not have.
        licences (`dict[str, int]`): How many clips an index puts under each licence.
    """

    dataset: str
    settings: dict[str, Any]
    detector_sha256: str = ""
    shards: dict[str, list[str]] = field(default_factory=dict)
    listed: dict[str, int] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    licences: dict[str, int] = field(default_factory=dict)

    def write(self, output: Path) -> None:
        """Write it to its file in the output folder."""
        write_text(output / PLAN, json.dumps(asdict(self), indent=1))


def read_plan(output: Path) -> Plan | None:
    """The plan of an output folder that was begun.

    Raises:
        PlanError: if it is damaged.
    """
    path = output / PLAN
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["missing"] = [Missing(**entry) for entry in content["missing"]]
        return Plan(**content)
    except (ValueError, TypeError, KeyError) as error:
        raise PlanError(f"{str(path)!r} is damaged ({error}): choose another output folder.") from error


def make_plan(
    dataset: str, listing: Listing, settings: PreparationSettings, output: Path, shard_frames: int
) -> tuple[Plan, list[ShardTask]]:
    """Plan a folder, or go on with its plan: shards stay as they were planned, clips that are new get shards of their own.

    Args:
        dataset (`str`): Its name in the catalogue.
        listing ([`Listing`]): What there is.
        settings ([`PreparationSettings`]): How clips are prepared.
        output (`Path`): The folder, which exists.
        shard_frames (`int`): About how many frames go into a shard.

    Returns:
        `tuple[Plan, list[ShardTask]]`: the plan, which is written, and its work items.

    Raises:
        PlanError: if the folder was begun with another data set or other settings.
    """
    plan = Plan(dataset, json.loads(json.dumps(asdict(settings))), _detector_hash(settings.detector))
    begun = read_plan(output)
    if begun is not None:
        _check_same(begun, plan, output)
        plan.shards = begun.shards
    by_key = {source.key: source for source in listing.sources}
    planned = {key for keys in plan.shards.values() for key in keys}
    new = [source for source in listing.sources if source.key not in planned]
    for name, keys in _divide(new, shard_frames, plan.shards):
        plan.shards[name] = keys
    plan.listed, plan.missing = listing.listed, listing.missing
    for source in listing.sources:
        if licence := source.facts.get("licence"):
            plan.licences[licence] = plan.licences.get(licence, 0) + 1
    plan.write(output)
    tasks = [
        ShardTask(name, output.absolute(), [by_key[key] for key in keys if key in by_key], settings)
        for name, keys in plan.shards.items()
    ]
    return plan, tasks


def _divide(
    sources: Iterable[ClipSource], frames: int, taken: dict[str, list[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Name shards and fill them with clips of many subjects: the order is that of the keys' hashes, always the same."""
    splits: dict[str, list[ClipSource]] = {}
    for source in sorted(sources, key=lambda source: hashlib.sha1(source.key.encode()).hexdigest()):
        splits.setdefault(source.split, []).append(source)
    for split, members in sorted(splits.items()):
        number = sum(name.startswith(f"{split}/") for name in taken)
        keys: list[str] = []
        count = 0
        for source in members:
            if keys and count + source.frames > frames:
                yield f"{split}/{STEM}-{number:05d}", keys
                number, keys, count = number + 1, [], 0
            keys.append(source.key)
            count += source.frames
        yield f"{split}/{STEM}-{number:05d}", keys


def _check_same(begun: Plan, plan: Plan, output: Path) -> None:
    if begun.dataset != plan.dataset:
        raise PlanError(f"{str(output)!r} holds {begun.dataset!r}, not {plan.dataset!r}: choose another folder.")
    names = [name for name, value in plan.settings.items() if begun.settings.get(name) != value]
    if names:
        name = names[0]
        raise PlanError(
            f"{str(output)!r} was begun with {name}={begun.settings.get(name)}, now it is {plan.settings[name]}: choose another folder."
        )
    if begun.detector_sha256 != plan.detector_sha256:
        raise PlanError(f"{str(output)!r} was begun with another version of the detector: choose another folder.")


def _detector_hash(name: str) -> str:
    """sha256 of a detector's weights, if they are a file or lie in a folder."""
    kind, _, argument = name.partition(":")
    if argument:
        return file_hash(Path(argument)) if Path(argument).is_file() else ""
    folder = bundled_path(name) or Path(name)
    found = [f for sub in ("landmarker", "body_landmarker", "") if (f := folder / sub / "model.safetensors").is_file()]
    return file_hash(found[0]) if found else ""
