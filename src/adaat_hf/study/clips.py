"""The clips of a study, and in which order a rater sees them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..evaluation.footage import some
from ..preparation.shards import file_hash
from ..processing.images import IMAGE_SUFFIXES
from ..video import VIDEO_SUFFIXES


class StudyError(ValueError):
    """A study cannot be held; the message says why."""


@dataclass(frozen=True)
class StudyClips:
    """What is rated: every method's version of the same cases.

    Args:
        files (`dict[tuple[str, str], Path]`): Video or picture by method and case.
    """

    files: dict[tuple[str, str], Path]

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted({method for method, _ in self.files})

    @property
    def cases(self) -> list[str]:
        """Names of the cases, which every method has."""
        return sorted({case for _, case in self.files})

    @property
    def fingerprint(self) -> str:
        """Changes if a file is added, removed, renamed or changed."""
        digest = hashlib.sha256()
        for (method, case), path in sorted(self.files.items()):
            digest.update(f"{method}\0{case}\0{path.stat().st_size}\0".encode())
            digest.update(bytes.fromhex(file_hash(path)))
        return digest.hexdigest()

    def order(self, rater: str, cases: int | None = None) -> list[tuple[str, str]]:
        """Method and case of everything that a rater sees, shuffled; the same again for the same rater.

        Args:
            rater (`str`): The rater's random token.
            cases (`int`, *optional*): How many cases, drawn for each rater; all by default. Every method of a case is shown, so
                that no method is rated on easier cases.
        """
        seed = int.from_bytes(hashlib.sha256(rater.encode()).digest()[:8], "big")
        random = np.random.default_rng(seed)
        chosen = random.permutation(self.cases)[:cases].tolist()
        pairs = [(method, case) for method in self.methods for case in chosen]
        return [pairs[number] for number in random.permutation(len(pairs))]


def read_study(folder: str | Path) -> StudyClips:
    """Read `folder/<method>/<case>.mp4` (or pictures).

    Raises:
        StudyError: if there are fewer than two methods, or one lacks a case.
        FileNotFoundError: if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder {str(folder)!r} does not exist.")
    shown = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
    files: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in shown:
            key = (path.parent.name, path.stem)
            if key in files:
                raise StudyError(f"{str(files[key])!r} and {str(path)!r} are the same case.")
            files[key] = path
    clips = StudyClips(files)
    if len(clips.methods) < 2:
        raise StudyError(
            f"{str(folder)!r} holds clips of {len(clips.methods)} methods as <method>/<case>.mp4, expected at least 2."
        )
    for method in clips.methods:
        missing = [case for case in clips.cases if (method, case) not in files]
        if missing:
            raise StudyError(
                f"The method {method!r} lacks {len(missing)} of {len(clips.cases)} cases: {some(missing)}."
            )
    return clips


__all__ = ["StudyClips", "StudyError", "read_study"]
