"""Arrays in pickles of old data sets, read without running anything that a pickle may ask for."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric

from .plain_arrays import MAX_ARRAY_BYTES


# What a pickled dictionary of arrays needs; `numpy.core` is the name of `numpy._core` before numpy 2.
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{
        (f"numpy.{core}.{module.__name__.rpartition('.')[2]}", name): getattr(module, name)
        for core in ("core", "_core")
        for module, name in ((multiarray, "_reconstruct"), (multiarray, "scalar"), (numeric, "_frombuffer"))
    },
}


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every name but those of plain arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """The allowed class or function of that name."""
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which plain arrays do not need")
        return ALLOWED[module, name]


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in pickles that Python 2 can read."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding!r}, expected 'latin1'")
    return text.encode("latin1")


def read_pickled_arrays(path: Path, error: type[ValueError]) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary by name, with nothing but arrays of numbers allowed in it.

    Raises:
        ValueError: of the class `error`, if the file is damaged, holds anything else, or is larger than `MAX_ARRAY_BYTES`.
    """
    if path.stat().st_size > MAX_ARRAY_BYTES:
        raise error(f"{str(path)!r} has {path.stat().st_size / 1e6:.0f} MB, more than {MAX_ARRAY_BYTES / 1e6:.0f} MB.")
    try:
        content = _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as reason:
        raise error(f"{str(path)!r} cannot be read as pickled arrays: {reason}.") from reason
    if not isinstance(content, dict):
        raise error(f"{str(path)!r} holds a {type(content).__name__}, expected a dictionary of arrays.")
    arrays = {str(name): value for name, value in content.items() if isinstance(value, np.ndarray)}
    objects = sorted(name for name, value in arrays.items() if value.dtype.hasobject)
    if objects:
        raise error(f"{str(path)!r} holds objects in {objects[0]!r}, expected numbers.")
    return arrays
