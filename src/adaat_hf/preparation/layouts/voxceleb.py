"""VoxCeleb (Nagrani et al., 2017) as cut for FOMM: YouTube videos and `vox-metadata.csv` with tracked boxes."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..sources import ClipSource, LayoutError, Listing, PublishedBox, find_videos, make_key


COLUMNS = ("video_id", "start", "end", "bbox", "fps", "width", "height", "partition")
VIDEO = "https://www.youtube.com/watch?v="


def list_voxceleb(folder: Path, metadata: Path | None, max_frames: int) -> Listing:
    """What a folder has of VoxCeleb.

    Args:
        folder (`Path`): Videos `<video_id>.mp4` (or another container), anywhere below it.
        metadata (`Path`, *optional*): csv with the columns `video_id, start, end, bbox, fps, width, height, partition` and perhaps
            `person_id`, as https://github.com/AliaksandrSiarohin/video-preprocessing publishes it: `start` and `end` in frames
            at `fps`, `bbox` as `left-top-right-bottom` in pixels of a video of `width` and `height`. The only `*metadata*.csv`
            in the folder by default.
        max_frames (`int`): Longer clips are divided.

    Raises:
        LayoutError: if there is no such csv, or it has other columns.
    """
    metadata = metadata or _only_metadata(folder)
    videos, listing = find_videos(folder), Listing()
    names: set[str] = set()
    for line, row in _rows(metadata):
        try:
            source = _source(row, videos)
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            listing.add_unreadable(f"line {line}", f"The line of {metadata.name!r} cannot be read: {error}.")
            continue
        if source.key not in names:
            names.add(source.key)
            listing.add(source, row["fps"], max_frames, f"{VIDEO}{source.facts['video']}")
    return listing


def _only_metadata(folder: Path) -> Path:
    found = sorted(folder.rglob("*metadata*.csv"))
    if len(found) != 1:
        names = ", ".join(repr(path.name) for path in found) or "none"
        raise LayoutError(
            f"Expected one *metadata*.csv below {str(folder)!r}, found {names}; name it with --metadata."
        )
    return found[0]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        if not set(COLUMNS) <= set(names):
            raise LayoutError(f"{str(path)!r} has the columns {list(names)}, expected {list(COLUMNS)}.")
        yield from ((reader.line_num, row) for row in reader)


def _source(row: dict[str, Any], videos: dict[str, Path]) -> ClipSource:
    """The whole clip of a line; its `fps` becomes a number."""
    row["fps"] = fps = float(row["fps"])
    start, end = float(row["start"]), float(row["end"])
    left, top, right, bottom = (float(value) for value in row["bbox"].split("-"))
    if not (0 <= start < end and fps > 0 and left < right and top < bottom):
        raise ValueError(f"start {start:g}, end {end:g}, fps {fps:g} or bbox {row['bbox']} make no sense")
    # Taichi's lists, of the same form, number the clips of a video with a "#".
    video, person = row["video_id"].split("#")[0], row.get("person_id") or None
    name = "#".join([person] * bool(person) + [video, f"{int(start):06d}", f"{int(end):06d}"])
    file = videos.get(video)
    return ClipSource(
        make_key(name, f"{name}#{row['bbox']}"),
        row["partition"].strip(),
        (file,) if file else (),
        round(end - start),
        start / fps,
        end / fps,
        PublishedBox(left, top, right, bottom, float(row["height"]), float(row["width"])),
        {"clip": name, "video": video, "person": person or video, "subject": person or video},
    )
