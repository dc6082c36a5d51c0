"""A shard is one work item: it is made by itself, continues where it was interrupted, and leaves a receipt."""

import hashlib
import json
import shutil
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
from filelock import FileLock

from ..atomic import write_text
from ..memory import give_memory_back
from ..training.packs import FACTS, SOUND, TENSORS, VIDEO, split_name, write_pack
from .clips import prepare_clip
from .settings import PreparationSettings
from .sources import ClipSource, UnusableClip


PARTS = ".parts"
LEFT_OUT = ".left_out"
# The facts come last: they mark a clip as complete.
ORDER = (VIDEO, SOUND, TENSORS, FACTS)
# What a broken file may raise in decoders and fitting; a full disk is none of these.
BROKEN = (UnusableClip, ValueError, LookupError, ArithmeticError, RuntimeError, av.FFmpegError)


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to make a shard.

    Args:
        name (`str`): Split and name, such as `train/clips-00000`.
        output (`Path`): Folder of the prepared data set, the same for all workers.
        sources (`list[ClipSource]`): Its clips.
        settings ([`PreparationSettings`]): How they are prepared.
    """

    name: str
    output: Path
    sources: list[ClipSource]
    settings: PreparationSettings

    @property
    def path(self) -> Path:
        """The tar file."""
        return self.output / f"{self.name}.tar"

    @property
    def parts(self) -> Path:
        """Where its clips wait until all are there."""
        return self.output / PARTS / self.name


@dataclass
class Receipt:
    """What is in a finished shard.

    Args:
        name (`str`): Split and name.
        sha256 (`str`): Of the tar file; empty if none of its clips could be used, so that there is no file.
        bytes (`int`): Its size.
        clips (`dict[str, dict]`): By key: `sha256` of its parts, `frames`, `seconds`, `person`, `subject`, `video`, `clip`, and `pairs`
            where they are published.
        left_out (`dict[str, str]`): Why other clips of the work item were left out.
    """

    name: str
    sha256: str = ""
    bytes: int = 0
    clips: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """Where it belongs."""
        return self.name.partition("/")[0]

    @property
    def frames(self) -> int:
        """Of all its clips."""
        return sum(clip["frames"] for clip in self.clips.values())

    def write(self, output: Path) -> None:
        """Write it next to the tar file."""
        path = output / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(self), indent=1))


@dataclass(frozen=True)
class Made:
    """What a worker did for a shard.

    Args:
        receipt ([`Receipt`]): What is in it.
        seconds (`float`): How long it took; 0 if the shard was there.
        frames (`int`): How many frames were prepared in that time.
    """

    receipt: Receipt
    seconds: float = 0.0
    frames: int = 0


def read_receipt(output: Path, name: str) -> Receipt | None:
    """The receipt of a shard, if there is one that can be read."""
    try:
        return Receipt(**json.loads((output / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def finished_receipt(output: Path, name: str) -> Receipt | None:
    """The receipt of a shard whose file is as the receipt says, to the last bit."""
    receipt = read_receipt(output, name)
    if receipt is None or not receipt.sha256:
        return receipt
    path = output / f"{name}.tar"
    intact = path.is_file() and path.stat().st_size == receipt.bytes and file_hash(path) == receipt.sha256
    return receipt if intact else None


def prepare_shard(task: ShardTask) -> Made:
    """Make a shard, unless it is there and intact; clips that an interrupted run finished are taken over."""
    task.parts.mkdir(parents=True, exist_ok=True)
    # On a cluster, a worker of a run that was killed may still be at it.
    with FileLock(task.parts.with_suffix(".lock")):
        receipt = finished_receipt(task.output, task.name)
        made = Made(receipt) if receipt is not None else _make(task)
        shutil.rmtree(task.parts, ignore_errors=True)
        give_memory_back()
        return made


def _make(task: ShardTask) -> Made:
    start = time.perf_counter()
    ready = {path.name.removesuffix(FACTS) for path in task.parts.glob(f"*{FACTS}")}
    reasons = {source.key: _prepare_part(source, task) for source in task.sources}
    receipt = _pack(task, {key: reason for key, reason in reasons.items() if reason is not None})
    receipt.write(task.output)
    made = sum(clip["frames"] for key, clip in receipt.clips.items() if key not in ready)
    return Made(receipt, time.perf_counter() - start, made)


def _prepare_part(source: ClipSource, task: ShardTask) -> str | None:
    """Leave the files of a clip in the task's folder, or the reason why it is left out, which is returned."""
    refusal = task.parts / f"{source.key}{LEFT_OUT}"
    if refusal.is_file():
        return refusal.read_text(encoding="utf-8")
    if (task.parts / f"{source.key}{FACTS}").is_file():
        return None
    try:
        content = prepare_clip(source, task.settings)
    except BROKEN as error:
        reason = str(error) if isinstance(error, UnusableClip) else f"{type(error).__name__}: {error}"
        write_text(refusal, reason)
        return reason
    for suffix in sorted(content, key=lambda suffix: suffix == FACTS):
        partial = task.parts / f".{source.key}{suffix}.part"
        partial.write_bytes(content[suffix])
        partial.replace(task.parts / f"{source.key}{suffix}")
    return None


def _pack(task: ShardTask, left_out: dict[str, str]) -> Receipt:
    receipt = Receipt(task.name, left_out=left_out)

    def clips() -> Iterator[tuple[str, dict[str, bytes]]]:
        for source in task.sources:
            if source.key not in left_out:
                parts = _read_parts(task.parts, source.key)
                receipt.clips[source.key] = describe(parts)
                yield source.key, parts

    if len(left_out) < len(task.sources):
        task.path.parent.mkdir(parents=True, exist_ok=True)
        write_pack(task.path, clips())
        receipt.sha256, receipt.bytes = file_hash(task.path), task.path.stat().st_size
    return receipt


def _read_parts(folder: Path, key: str) -> dict[str, bytes]:
    """A clip's parts, its pictures or video first and its facts last."""
    facts = json.loads((folder / f"{key}{FACTS}").read_bytes())
    suffixes = [*facts.get("pictures", ()), *ORDER]
    return {suffix: path.read_bytes() for suffix in suffixes if (path := folder / f"{key}{suffix}").is_file()}


def read_clips(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The clips of a shard, also of one that is damaged: what follows a damaged header is found
    again, and of a clip that is cut off what there is of it."""
    parts: dict[str, bytes] = {}
    current = ""
    try:
        with tarfile.open(path, ignore_zeros=True) as archive:
            for member in archive:
                key, suffix = split_name(member.name)
                content = archive.extractfile(member)
                if content is None:
                    continue
                if key != current and parts:
                    yield current, parts
                    parts = {}
                current = key
                parts[suffix] = content.read()
    except (tarfile.TarError, OSError, EOFError, UnicodeError, ValueError):
        pass
    if parts:
        yield current, parts


def describe(parts: dict[str, bytes]) -> dict[str, Any]:
    """What a receipt says of a clip."""
    facts = json.loads(parts[FACTS])
    entry = {
        "sha256": clip_hash(parts),
        "frames": facts["frames"],
        "seconds": round(facts["frames"] / facts["fps"], 3),
    }
    entry |= {name: facts[name] for name in ("person", "subject", "video", "clip") if name in facts}
    return entry | ({"pairs": len(facts["pairs"])} if "pairs" in facts else {})


def clip_hash(parts: dict[str, bytes]) -> str:
    """sha256 of a clip's parts and their suffixes, whatever their order."""
    whole = hashlib.sha256()
    for suffix in sorted(parts):
        whole.update(f"{suffix}:{len(parts[suffix])}:".encode() + parts[suffix])
    return whole.hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
