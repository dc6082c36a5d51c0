"""Files of numpy arrays from strangers: plain numbers only, never pickled objects."""

from pathlib import Path

import numpy as np


def read_plain_arrays(path: Path, error: type[ValueError]) -> dict[str, np.ndarray]:
    """The arrays of an npz by name; the only one of an npy is called `points`.

    Raises:
        ValueError: of the class `error`, if the file is damaged or holds objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"points": loaded}
        with loaded as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except (ValueError, OSError) as reason:
        raise error(f"{str(path)!r} cannot be read as plain arrays: {reason}.") from reason
