"""The user's own clips: a folder of videos, or of pictures named PERSON_xxx.jpg, perhaps with an index."""

import csv
from collections import defaultdict
from pathlib import Path

from ...processing.images import IMAGE_SUFFIXES
from ...video import VIDEO_SUFFIXES, VideoError, VideoReader
from ..sources import ClipSource, LayoutError, Listing, Missing, divide, make_key


SPLITS = ("train", "val", "validation", "test")


def list_clips(folder: Path, index: Path | None, max_frames: int, max_fps: float) -> Listing:
    """Videos below a folder, and pictures grouped by their name up to the last underscore.

    Args:
        folder (`Path`): Searched recursively.
        index (`Path`, *optional*): csv whose column `file` holds paths relative to the index; its other columns become facts of
            the clips. `split` says where a clip belongs: by default the folder below `folder` that is called as a split, else
            `"train"`. `subject` says who is in it.
        max_frames (`int`): Longer videos are divided.
        max_fps (`float`): Rate to which faster videos are thinned out.

    Raises:
        LayoutError: if nothing usable is found, or the index has no column `file`.
    """
    rows = _read_index(index) if index is not None else {}
    listing, groups = Listing(), defaultdict(list)
    files = sorted(folder.rglob("*"))
    for path in files:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            _add_video(listing, folder, path, rows, max_frames, max_fps)
        elif path.suffix.lower() in IMAGE_SUFFIXES and "_" in path.stem:
            groups[path.with_name(path.stem.rpartition("_")[0])].append(path)
    for name, pictures in groups.items():
        if len(pictures) > 1:
            source = _source(folder, name, tuple(pictures), rows.get(pictures[0].resolve(), {}))
            listing.count(source.split)
            listing.sources.append(source)
    absent = rows.keys() - {path.resolve() for path in files} if rows else set()
    for file in sorted(path for path in absent if path.is_relative_to(folder.resolve())):
        split = rows[file].get("split") or "train"
        listing.count(split)
        listing.missing.append(Missing(file.name, split, "The index names it; there is no such file."))
    if not listing.sources and not listing.missing:
        raise LayoutError(f"There is no video and no group of pictures below {str(folder)!r}.")
    return listing


def _add_video(
    listing: Listing, folder: Path, path: Path, rows: dict[Path, dict[str, str]], max_frames: int, max_fps: float
) -> None:
    source = _source(folder, path, (path,), rows.get(path.resolve(), {}))
    listing.count(source.split)
    try:
        reader = VideoReader(path)
    except VideoError as error:
        listing.missing.append(Missing(path.relative_to(folder).as_posix(), source.split, str(error)))
        return
    seconds = reader.frame_estimate / float(reader.fps)
    whole = ClipSource(source.key, source.split, source.files, reader.frame_estimate, 0.0, seconds, facts=source.facts)
    listing.sources += divide(whole, min(float(reader.fps), max_fps), max_frames)


def _source(folder: Path, path: Path, files: tuple[Path, ...], row: dict[str, str]) -> ClipSource:
    name = path.relative_to(folder).as_posix()
    facts = {**row, "clip": name, "video": name, "subject": row.get("subject") or name, "source_file": files[0].name}
    facts.pop("split", None)
    split = row.get("split") or next((part for part in path.relative_to(folder).parts[:1] if part in SPLITS), "train")
    return ClipSource(make_key(path.stem, name), split, files, len(files), facts=facts)


def _read_index(index: Path) -> dict[Path, dict[str, str]]:
    with open(index, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if "file" not in (reader.fieldnames or []):
            raise LayoutError(f"{str(index)!r} has the columns {reader.fieldnames}, expected 'file' among them.")
        return {(index.parent / row.pop("file")).resolve(): row for row in reader}
