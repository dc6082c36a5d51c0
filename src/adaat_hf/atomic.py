"""Small files that appear under their name only when they are complete."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Write text (UTF-8) beside its place and rename it once it is on the disk; an earlier file of that name stays until then."""
    partial = path.with_name(f".{path.name}.part")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return partial.replace(path)
