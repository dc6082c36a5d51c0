"""Checkpoints, and samples to try them with, that ship with the package."""

from os import PathLike
from pathlib import Path
from typing import Any


_PREFIX = "bundled/"
VOICE_SAMPLE = Path(__file__).parent / "voice.flac"
"""Seven seconds of synthetic speech, made by scripts/make_voice_sample.py."""
FIGURE_SAMPLE = Path(__file__).parent / "figure.jpg"
"""A rendered person who is nobody, made by scripts/make_example_person.py."""


def save_portrait(path: Path) -> Path:
    """Write NASA's public-domain portrait of the astronaut Eileen Collins, which scikit-image carries, as a picture.

    Raises:
        ImportError: if scikit-image is not installed.
    """
    import skimage.data

    from ..processing.images import save_image

    head_and_shoulders = skimage.data.astronaut()[:320, 66:386]
    return save_image(head_and_shoulders, path)


def bundled_path(name: str | PathLike[Any]) -> Path | None:
    """Folder of a bundled checkpoint such as `"bundled/face"`; `None` if the name is not of this form.

    Raises:
        ValueError: if no such checkpoint is bundled.
    """
    text = str(name)
    if not text.startswith(_PREFIX) or Path(text).exists():
        return None
    here = Path(__file__).parent
    found = here / text.removeprefix(_PREFIX)
    if not found.is_dir():
        known = sorted(_PREFIX + path.name for path in here.iterdir() if (path / "model_index.json").exists())
        raise ValueError(f"There is no bundled checkpoint {text!r}, expected one of {known}.")
    return found
