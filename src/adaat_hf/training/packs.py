"""Packs: tar files (WebDataset layout) of prepared clips, read at random or from front to back."""

import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import fsspec
import numpy as np
import PIL.Image
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from ..processing.sound import decode_sound
from .items import DamagedItemError


VIDEO, SOUND, TENSORS, FACTS = ".mp4", ".flac", ".safetensors", ".json"
REQUIRED = {TENSORS, FACTS}
# Keys are names up to the first dot.
PICTURES = "pictures"


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
        """Key points and the control model's coefficients; see [`adaat_hf.preparation.clips`].

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
        if names := self.facts.get(PICTURES):
            with self._named("its pictures"):
                return [read_picture(self.read(names[number])) for number in wanted]
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
        except (av.FFmpegError, SafetensorError, OSError, SyntaxError, ValueError, LookupError) as error:
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


def read_picture(content: bytes) -> np.ndarray:
    """Decode a picture (H, W, 3), uint8, of a pack."""
    with PIL.Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


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
        advice = "it holds pairs of pictures: task: person" if pairs else "make some with `adaat prepare`"
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
                key, suffix = split_name(member.name)
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
        members = ((*split_name(member.name), archive.extractfile(member)) for member in archive)
        for key, group in groupby(members, key=lambda member: member[0]):
            parts = {suffix: content.read() for _, suffix, content in group if content is not None}
            if REQUIRED <= parts.keys():
                yield LoadedClip(key, Path(name), json.loads(parts[FACTS]), parts)


def split_name(name: str) -> tuple[str, str]:
    """Key and suffix of a member's name, which meet at its first dot, as WebDataset has it."""
    folder, slash, file = name.rpartition("/")
    key, dot, suffix = file.partition(".")
    return folder + slash + key, dot + suffix


def write_pack(path: Path, clips: Iterable[tuple[str, Mapping[str, bytes]]]) -> Path:
    """Write clips to a tar file, which gets its name when it is complete and on the disk.

    Args:
        path (`Path`): `*.tar`.
        clips (`Iterable[tuple[str, Mapping[str, bytes]]]`): Key and parts by suffix of each; one after the other in memory.
    """
    partial = path.with_name(f".{path.name}.part")
    with open(partial, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for key, parts in clips:
                for suffix, content in parts.items():
                    member = tarfile.TarInfo(key + suffix)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        file.flush()
        os.fsync(file.fileno())
    return partial.replace(path)


def to_tensor(frame: np.ndarray) -> Tensor:
    """Frame (H, W, 3), uint8, to a tensor (3, H, W) in [0, 1]."""
    return torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255
