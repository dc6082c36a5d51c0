"""Painted and true pictures and clips in folders: what belongs together, and whether it can be compared at all."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..processing.images import IMAGE_SUFFIXES, load_image
from ..video import VIDEO_SUFFIXES, VideoReader


DEFAULT_FPS = 25.0
# So many names are listed in a message.
NAMED = 5


class EvaluationError(ValueError):
    """What was given cannot be compared; the message names the files."""


@dataclass(frozen=True)
class Footage:
    """A picture or a clip, whose frames are read each time that it is iterated over.

    Args:
        name (`str`): Without suffix; the same for a painted clip and its true one.
        open (`Callable`): Returns the frames (H, W, 3), RGB, uint8.
        fps (`float`): Frame rate; 25 for folders of frames.
        path (`Path`, *optional*): Where it lies.
        frame_names (`tuple[str, ...]`, *optional*): Names of the frames without suffix, of a folder of frames.
    """

    name: str
    open: Callable[[], Iterable[np.ndarray]]
    fps: float = DEFAULT_FPS
    path: Path | None = None
    frame_names: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.open())

    def __str__(self) -> str:
        return repr(self.name if self.path is None else str(self.path))

    @classmethod
    def of(cls, name: str, frames: list[np.ndarray], fps: float = DEFAULT_FPS) -> "Footage":
        """Frames in memory."""
        return cls(name, lambda: frames, fps)


@dataclass(frozen=True)
class Pair:
    """A painted clip and what it is compared with.

    Args:
        painted ([`Footage`]): What a method made.
        reference ([`Footage`]): The film, or across identities the driver.
        source ([`Footage`], *optional*): The photograph (its first frame counts).
        same_size (`bool`): Whether painted and reference frames must have one size; a driver may have another.
    """

    painted: Footage
    reference: Footage
    source: Footage | None = None
    same_size: bool = True

    @property
    def name(self) -> str:
        """That of the painted clip."""
        return self.painted.name

    def frames(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Painted and reference frame, one pair at a time.

        Raises:
            EvaluationError: if one of them ends before the other, or sizes differ.
        """
        painted, reference = iter(self.painted), iter(self.reference)
        count = 0
        while True:
            first, second = next(painted, None), next(reference, None)
            if first is None and second is None:
                return
            if first is None or second is None:
                short, long = (self.painted, self.reference) if first is None else (self.reference, self.painted)
                raise EvaluationError(f"{short} has only {count} frames, {long} has more: frames are missing.")
            self.check_sizes(first, second, count)
            yield first, second
            count += 1

    def check_sizes(self, painted: np.ndarray, reference: np.ndarray, number: int) -> None:
        """Raise [`EvaluationError`] if frames with this number must have the same size and have not."""
        if self.same_size and painted.shape != reference.shape:
            (height, width), (other_height, other_width) = painted.shape[:2], reference.shape[:2]
            raise EvaluationError(
                f"Frame {number} of {self.painted} is {width}x{height}, that of {self.reference} {other_width}x{other_height};"
                " bring both to one size first."
            )


def list_footage(path: str | Path) -> dict[str, Footage]:
    """What a folder holds, by name: pictures, videos, or folders of frames. A single file is a folder of one.

    Raises:
        FileNotFoundError: if there is no such folder or file.
        EvaluationError: if it holds nothing of this kind, or two things of one name.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} does not exist.")
    found: dict[str, Footage] = {}
    for item in [path] if path.is_file() else sorted(path.iterdir()):
        footage = _open(item)
        if footage is None:
            continue
        if footage.name in found:
            raise EvaluationError(f"{found[footage.name]} and {footage} have the same name.")
        found[footage.name] = footage
    if not found:
        raise EvaluationError(
            f"{str(path)!r} holds no pictures ({', '.join(IMAGE_SUFFIXES)}), no videos ({', '.join(VIDEO_SUFFIXES)}) and no"
            " folders of frames."
        )
    return found


def _open(item: Path) -> Footage | None:
    suffix = item.suffix.lower()
    if item.is_dir():
        frames = sorted(file for file in item.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        names = tuple(file.stem for file in frames)
        return Footage(item.name, lambda: map(load_image, frames), path=item, frame_names=names) if frames else None
    if suffix in IMAGE_SUFFIXES:
        return Footage(item.stem, lambda: [load_image(item)], path=item)
    if suffix in VIDEO_SUFFIXES:
        return Footage(item.stem, lambda: VideoReader(item), float(VideoReader(item).fps), item)
    return None


def match_footage(
    predictions: str | Path,
    targets: str | Path,
    sources: str | Path | None = None,
    *,
    clips: bool = False,
    same_size: bool = True,
) -> list[Pair]:
    """Pair what lies in folders by name, and check all that can be checked without decoding every frame.

    Args:
        predictions, targets (`str` or `Path`): Folders (see [`list_footage`]), or one file each, whatever their names.
        sources (`str` or `Path`, *optional*): Photographs of the same names.
        clips (`bool`, *optional*, defaults to `False`): Whether pictures do not suffice.
        same_size (`bool`, *optional*, defaults to `True`): See [`Pair`].

    Raises:
        EvaluationError: if the folders do not match, frames are missing, sizes differ, or there are pictures instead of clips.
    """
    painted, reference = list_footage(predictions), list_footage(targets)
    if Path(predictions).is_file() and Path(targets).is_file():
        reference = dict(zip(painted, reference.values(), strict=True))
    _check_names(painted, reference, predictions, targets)
    photographs = list_footage(sources) if sources is not None else {}
    if sources is not None:
        if Path(predictions).is_file() and Path(sources).is_file():
            photographs = dict(zip(painted, photographs.values(), strict=True))
        _check_names(painted, photographs, predictions, sources)
    pairs = [Pair(footage, reference[name], photographs.get(name), same_size) for name, footage in painted.items()]
    for pair in pairs:
        _check_pair(pair, clips)
    return pairs


def _check_names(
    painted: dict[str, Footage], reference: dict[str, Footage], here: str | Path, there: str | Path
) -> None:
    for names, place, others in (
        (painted.keys() - reference.keys(), there, here),
        (reference.keys() - painted.keys(), here, there),
    ):
        if names:
            raise EvaluationError(
                f"{len(names)} of {len(painted | reference)} names are in {str(others)!r} but not in {str(place)!r}: {some(names)}."
            )


def some(names: Iterable[str]) -> str:
    """The first few names, for messages."""
    ordered = sorted(names)
    return ", ".join(ordered[:NAMED]) + (", ..." if len(ordered) > NAMED else "")


def _check_pair(pair: Pair, clips: bool) -> None:
    for footage in (pair.painted, pair.reference):
        if clips and footage.path is not None and footage.path.suffix.lower() in IMAGE_SUFFIXES:
            raise EvaluationError(f"{footage} is a single picture, this protocol compares clips.")
        if clips and len(footage.frame_names) == 1:
            raise EvaluationError(f"{footage} holds a single frame, this protocol compares clips.")
    here, there = (set(footage.frame_names) for footage in (pair.painted, pair.reference))
    if here and there and here != there:
        raise EvaluationError(
            f"{pair.painted} has {len(here)} frames and {pair.reference} {len(there)}; only one of them has: {some(here ^ there)}."
        )
    pair.check_sizes(next(iter(pair.painted)), next(iter(pair.reference)), 0)


__all__ = ["EvaluationError", "Footage", "Pair", "list_footage", "match_footage"]
