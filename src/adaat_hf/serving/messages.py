"""Error messages for visitors."""

from pathlib import Path


def without_folders(text: str) -> str:
    """A message without the server's folders, of which only file names mean something to a visitor."""
    words = text.split("'")
    return "'".join(Path(word).name if word.startswith("/") else word for word in words)
