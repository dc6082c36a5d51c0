"""Packs: tar files (WebDataset layout) of prepared clips, written with a size limit and read at random."""

import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import fsspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from ..processing.sound import decode_sound
from .items import DamagedItemError


VIDEO, SOUND, TENSORS, FACTS = ".mp4", ".flac", ".safetensors", ".json"
REQUIRED = {VIDEO, TENSORS, FACTS}


@dataclass(frozen=True)
class Clip:
    """A prepared clip.

    Args:
        key (`str`): Unique name of the clip.
        pack (`Path`): The tar file that it lies in.
        facts (`dict`): What is known about the clip: `frames`, `fps`, `source` and the columns of the index file.
    """

    key: str
    pack: Path
    facts: dict[str, Any]

    def read(self, suffix: str) -> bytes:
        """The bytes of one part."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """Landmarks and face-model coefficients; see [`adaat_hf.training.preparation`].

        Raises:
            DamagedItemError: if they cannot be read.
        """
        with self._named("its key points"):
            return load_tensors(self.read(TENSORS))

    def sound(self, sampling_rate: int = 16_000) -> np.ndarray:
        """Its sound (N,), float32, mono; sample 0 is the moment of frame 0."""
        return decode_sound(self.read(SOUND), sampling_rate)

    def frames(self, numbers: Iterable[int]) -> list[np.ndarray]:
        """Decode single frames (H, W, 3), RGB, uint8; only the stretches from their key frames on are decoded.

        Raises:
            DamagedItemError: if they cannot be.
        """
        wanted = list(numbers)
        found: dict[int, np.ndarray] = {}
        with self._named("its frames"), av.open(io.BytesIO(self.read(VIDEO))) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            for number in sorted(set(wanted)):
                found[number] = _seek_frame(container, stream, number)
        return [found[number] for number in wanted]

    @contextmanager
    def _named(self, part: str) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, SafetensorError, OSError, ValueError, IndexError) as error:
            raise DamagedItemError(
                f"Clip {self.key!r} of {str(self.pack)!r} is damaged, {part} cannot be read ({error})."
            ) from error


@dataclass(frozen=True)
class PackedClip(Clip):
    """A clip that is read where it lies in its pack.

    Args:
        spans (`dict[str, tuple[int, int]]`): Offset and length in bytes of each part, by its suffix.
    """

    spans: dict[str, tuple[int, int]]

    def read(self, suffix: str) -> bytes:
        """The bytes of one part."""
        offset, length = self.spans[suffix]
        with open(self.pack, "rb") as file:
            file.seek(offset)
            return file.read(length)

    @property
    def has_sound(self) -> bool:
        """Whether the clip came with sound."""
        return SOUND in self.spans


@dataclass(frozen=True)
class LoadedClip(Clip):
    """A clip whose parts are in memory, as a stream brings them.

    Args:
        parts (`dict[str, bytes]`): By suffix.
    """

    parts: dict[str, bytes]

    def read(self, suffix: str) -> bytes:
        """The bytes of one part."""
        return self.parts[suffix]


def _seek_frame(container: Any, stream: Any, number: int) -> np.ndarray:
    time = round(number / (stream.average_rate * stream.time_base))
    container.seek(time, stream=stream, backward=True)
    for frame in container.decode(stream):
        if frame.pts >= time:
            return frame.to_ndarray(format="rgb24")
    raise ValueError(f"The packed clip ends before frame {number}.")


def read_packs(folder: str | Path) -> list[PackedClip]:
    """List the clips of all packs in a folder.

    Raises:
        FileNotFoundError: if there is no pack.
        ValueError: if a pack is damaged, or no clip is complete.
    """
    packs = sorted(Path(folder).glob("*.tar"))
    if not packs:
        pairs = (Path(folder) / "metadata.jsonl").is_file()
        advice = "it holds pairs of pictures: task: person" if pairs else "make some with scripts/prepare_clips.py"
        raise FileNotFoundError(f"There is no pack (*.tar) in {str(folder)!r}; {advice}.")
    clips = [clip for pack in packs for clip in _read_pack(pack)]
    if not clips:
        raise ValueError(f"The packs in {str(folder)!r} hold no complete clip.")
    return clips


def _read_pack(pack: Path) -> Iterator[PackedClip]:
    spans: dict[str, dict[str, tuple[int, int]]] = {}
    facts: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(pack) as archive:
            for member in archive:
                key, suffix = os.path.splitext(member.name)
                spans.setdefault(key, {})[suffix] = (member.offset_data, member.size)
                if suffix == FACTS:
                    content = archive.extractfile(member)
                    assert content is not None
                    facts[key] = json.load(content)
    except (tarfile.TarError, ValueError) as error:
        raise ValueError(f"The pack {str(pack)!r} is damaged ({error}); make it again or take it away.") from error
    for key, parts in spans.items():
        if REQUIRED <= parts.keys():
            yield PackedClip(key, pack, facts[key], parts)


def stream_pack(name: str) -> Iterator[LoadedClip]:
    """The complete clips of a pack in its order, read once from front to back.

    Args:
        name (`str`): A path, or an address that `fsspec` opens (`hf://datasets/...`, `https://...`).
    """
    with fsspec.open(name, "rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
        members = ((*os.path.splitext(member.name), archive.extractfile(member)) for member in archive)
        for key, group in groupby(members, key=lambda member: member[0]):
            parts = {suffix: content.read() for _, suffix, content in group if content is not None}
            if REQUIRED <= parts.keys():
                yield LoadedClip(key, Path(name), json.loads(parts[FACTS]), parts)


class PackWriter:
    """Append clips to numbered tar files of limited size; a pack gets its name when it is complete.

    Args:
        folder (`Path`): Where the packs go.
        limit (`int`): Most bytes per pack.
        stem (`str`, *optional*, defaults to `"clips"`): Packs are called `<stem>-00000.tar` and so on.
    """

    def __init__(self, folder: Path, limit: int, stem: str = "clips") -> None:
        self.folder, self.limit, self.stem = folder, limit, stem
        self.keys: list[str] = []
        self._archive: tarfile.TarFile | None = None
        self._size = 0

    @property
    def _partial(self) -> Path:
        return self.folder / f".{self.stem}.part"

    def add(self, key: str, parts: dict[str, bytes]) -> Path | None:
        """Append a clip; returns the pack that was completed first to make room, if any."""
        size = sum(_in_blocks(len(content), tarfile.BLOCKSIZE) + tarfile.BLOCKSIZE for content in parts.values())
        if _archive_size(size) > self.limit:
            raise ValueError(f"Clip {key!r} takes {size} bytes, more than the pack size of {self.limit}.")
        finished = (
            self.close() if self._archive is not None and _archive_size(self._size + size) > self.limit else None
        )
        if self._archive is None:
            self._archive = tarfile.open(self._partial, "w")
        for suffix, content in parts.items():
            member = tarfile.TarInfo(key + suffix)
            member.size = len(content)
            self._archive.addfile(member, io.BytesIO(content))
        self._size += size
        self.keys.append(key)
        return finished

    def close(self) -> Path | None:
        """Complete the open pack, if any, and return it."""
        if self._archive is None:
            return None
        self._archive.close()
        numbers = [int(pack.stem.rpartition("-")[2]) for pack in self.folder.glob(f"{self.stem}-*.tar")]
        path = self.folder / f"{self.stem}-{max(numbers, default=-1) + 1:05d}.tar"
        self._partial.replace(path)
        self._archive, self._size = None, 0
        return path


def _in_blocks(length: int, block: int) -> int:
    return -(-length // block) * block


def _archive_size(members: int) -> int:
    """Size of a tar file whose members, with their headers, take `members` bytes."""
    return _in_blocks(members + 2 * tarfile.BLOCKSIZE, tarfile.RECORDSIZE)


def to_tensor(frame: np.ndarray) -> Tensor:
    """Frame (H, W, 3), uint8, to a tensor (3, H, W) in [0, 1]."""
    return torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255
