"""What becomes one prepared clip, and what a data set's own lists say of it."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..video import VIDEO_SUFFIXES


# Stands for the split of what the lists do not say readably.
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class PublishedBox:
    """A rectangle of a data set's lists, in pixels of the videos that they were made with.

    Args:
        left, top, right, bottom (`float`): Its sides.
        height (`float`): Height of those videos.
        width (`float`, *optional*): Their width, if the lists tell it.
    """

    left: float
    top: float
    right: float
    bottom: float
    height: float
    width: float | None = None

    def in_picture(self, height: int, width: int) -> tuple[float, float, float, float]:
        """The same rectangle (left, top, right, bottom) in a video of another size."""
        down = height / self.height
        across = down if self.width is None else width / self.width
        return self.left * across, self.top * down, self.right * across, self.bottom * down


@dataclass(frozen=True)
class ClipSource:
    """What becomes one prepared clip: a stretch of a video, its frames as pictures, or single pictures of one person, which have
    no `end`.

    Args:
        key (`str`): Unique name without dots.
        split (`str`): `"train"`, `"test"`, ...
        files (`tuple[Path, ...]`): One video, or the pictures.
        frames (`int`): How many frames are expected.
        start (`float`, *optional*, defaults to 0): Where the stretch begins, in seconds.
        end (`float`, *optional*): Where it ends; with the video by default.
        box ([`PublishedBox`], *optional*): What is cut out; the subject that is found by default.
        facts (`dict`, *optional*): What is known about it: `person`, `subject` (a person in the same clothes), `video`,
            `clip`, and whatever an index says.
        smpl (`Path`, *optional*): Published SMPL coefficients of the whole clip.
        poses (`tuple`, *optional*): Published key points of pictures, one [`PosedImage`] for each.
    """

    key: str
    split: str
    files: tuple[Path, ...]
    frames: int
    start: float = 0.0
    end: float | None = None
    box: PublishedBox | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    smpl: Path | None = None
    poses: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Missing:
    """Something that a data set lists and the user does not have.

    Args:
        name (`str`): As listed.
        split (`str`): Where it belongs.
        reason (`str`): What is wrong.
        address (`str`, *optional*): Where the lists say that it was.
    """

    name: str
    split: str
    reason: str
    address: str = ""


@dataclass
class Listing:
    """What a data set's files hold.

    Args:
        sources (`list[ClipSource]`): What can be prepared.
        missing (`list[Missing]`): What cannot.
        listed (`dict[str, int]`): Clips (or pairs) of each split in the lists, missing ones included.
    """

    sources: list[ClipSource] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    listed: dict[str, int] = field(default_factory=dict)

    def count(self, split: str) -> None:
        """Note that the lists name one more clip of a split."""
        self.listed[split] = self.listed.get(split, 0) + 1

    def add(self, clip: ClipSource, fps: float, max_frames: int, address: str) -> None:
        """Note a listed clip: its segments (see [`divide`]), or, if it has no file, that its video is missing."""
        self.count(clip.split)
        if clip.files:
            self.sources += divide(clip, fps, max_frames)
        else:
            self.missing.append(Missing(clip.facts["clip"], clip.split, "There is no video of that name.", address))

    def add_unreadable(self, name: str, reason: str, address: str = "") -> None:
        """Note an entry of the lists that makes no sense."""
        self.count(UNREADABLE)
        self.missing.append(Missing(name, UNREADABLE, reason, address))


class UnusableClip(ValueError):
    """A clip is left out; the message says why."""


class LayoutError(ValueError):
    """A data set's files are not as published; the message says what is wrong."""


def divide(source: ClipSource, fps: float, max_frames: int) -> Iterator[ClipSource]:
    """Segments of equal length with at most `max_frames` frames, so that a speech of minutes needs the memory of seconds.

    Args:
        source ([`ClipSource`]): A stretch whose end is known.
        fps (`float`): Frame rate to expect.
        max_frames (`int`): Most frames of a segment.
    """
    if source.end is None:
        raise ValueError(f"The stretch {source.key!r} has no end.")
    seconds = source.end - source.start
    count = max(1, math.ceil(seconds * fps / max_frames - 1e-6))
    for number in range(count):
        start, end = (source.start + seconds * edge / count for edge in (number, number + 1))
        key = source.key if count == 1 else f"{source.key}-s{number:03d}"
        files = source.files[round(start * fps) : round(end * fps)] if len(source.files) > 1 else source.files
        yield replace(source, key=key, start=start, end=end, files=files, frames=max(1, round((end - start) * fps)))


def make_key(readable: str, unique: str) -> str:
    """A readable name without dots, which separate key and suffix in a shard, made unique by a hash."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in readable)[-60:]
    return f"{plain}-{hashlib.sha1(unique.encode()).hexdigest()[:8]}"


def find_videos(folder: Path) -> dict[str, Path]:
    """Videos anywhere below a folder, by the name of their file without its suffix; the first of several of one name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and not path.name.startswith("."):
            found.setdefault(path.stem, path)
    return found


def held_out(sizes: dict[str, int], share: float) -> set[str]:
    """Subjects that together have at least `share` (in [0, 1]) of all clips, chosen by the hashes of their names, so always the
    same; `sizes` are the clips of each."""
    wanted, count = share * sum(sizes.values()), 0
    chosen: set[str] = set()
    for name in sorted(sizes, key=lambda name: hashlib.sha1(name.encode()).hexdigest()):
        if count >= wanted:
            break
        chosen.add(name)
        count += sizes[name]
    return chosen
