"""Motion templates as safetensors files, of faces and of bodies alike."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def write_motion_file(path: str | Path, form: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Write a template; it appears under its name only when it is complete.

    Args:
        path (`str` or `Path`): The file.
        form (`str`): Name of the format.
        tensors (`Mapping[str, Tensor]`): The motion.
        facts (`Mapping[str, Any]`): What else belongs to it, for `json`; `version` among them.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            partial,
            metadata={"format": form, "facts": json.dumps(dict(facts))},
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_motion_file(path: str | Path, form: str, version: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a template's tensors and facts.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no template of this format, is damaged, or was written by a newer version.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Motion template {str(path)!r} does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{str(path)!r} cannot be read as a safetensors file: {error}.") from error
    if metadata.get("format") != form:
        raise ValueError(
            f"{str(path)!r} is not a motion template of this kind (its format is {metadata.get('format')!r}, expected"
            f" {form!r})."
        )
    facts = json.loads(metadata["facts"])
    if facts["version"] > version:
        raise ValueError(f"{str(path)!r} has version {facts['version']}, this library reads up to {version}.")
    return tensors, facts
