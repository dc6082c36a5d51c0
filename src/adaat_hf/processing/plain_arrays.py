"""Files of numbers from strangers: plain arrays, never pickled objects, and no more than memory can hold."""

import zipfile
import zlib
from pathlib import Path

import numpy as np


# A day of 18 key points at 25 frames/s has 311 MB.
MAX_ARRAY_BYTES = 512_000_000
# Text takes many times its size once it is parsed.
MAX_TEXT_BYTES = 64_000_000


def read_plain_arrays(path: Path, error: type[ValueError]) -> dict[str, np.ndarray]:
    """The arrays of an npz by name; the only one of an npy is called `points`.

    Raises:
        ValueError: of the class `error`, if the file is damaged, holds objects, or would fill more than `MAX_ARRAY_BYTES`.
    """
    damage = (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
    try:
        size = _unpacked_bytes(path)
    except damage as reason:
        raise error(f"{str(path)!r} cannot be read as plain arrays: {reason}.") from reason
    if size > MAX_ARRAY_BYTES:
        raise error(
            f"{str(path)!r} unpacks to {size / 1e6:.0f} MB, more than {MAX_ARRAY_BYTES / 1e6:.0f} MB of arrays."
        )
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"points": loaded}
        with loaded as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except damage as reason:
        raise error(f"{str(path)!r} cannot be read as plain arrays: {reason}.") from reason


def read_text(path: Path, error: type[ValueError], errors: str = "strict") -> str:
    """The text of a file of numbers; `errors` as of `open`.

    Raises:
        ValueError: of the class `error`, if it is larger than `MAX_TEXT_BYTES`.
        UnicodeDecodeError: if it is no text.
    """
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise error(f"{str(path)!r} has {size / 1e6:.0f} MB, more than {MAX_TEXT_BYTES / 1e6:.0f} MB of text.")
    return path.read_text(encoding="utf-8", errors=errors)


def _unpacked_bytes(path: Path) -> int:
    """How much a file's arrays will take, by what it says itself: of each array, and of the zip that holds them."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return _array_bytes(file)
    with zipfile.ZipFile(path) as bundle:
        members = bundle.infolist()
        stated = sum(member.file_size for member in members)
        if stated > MAX_ARRAY_BYTES:
            return stated
        described = 0
        for member in members:
            with bundle.open(member) as file:
                described += _array_bytes(file)
        return max(stated, described)


def _array_bytes(file: object) -> int:
    """Size of the array in a file of numpy's form, from its header; 0 for anything else, which numpy itself refuses."""
    try:
        major = np.lib.format.read_magic(file)[0]  # type: ignore[arg-type]
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)  # type: ignore[arg-type]
    except ValueError:
        return 0
    size = kind.itemsize
    for extent in shape:
        size *= extent
    return size
