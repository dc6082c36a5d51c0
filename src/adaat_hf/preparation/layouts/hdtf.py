"""HDTF (Zhang et al., 2021): YouTube videos and the lists of https://github.com/MRzzm/HDTF."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from ..sources import ClipSource, LayoutError, Listing, PublishedBox, find_videos, held_out, make_key


SUBSETS = ("RD", "WDA", "WRA")
# The paper tests on 5 % of the clips, drawn at random; which ones is not published.
TEST_SHARE = 0.05
FPS = 25.0


def list_hdtf(folder: Path, max_frames: int) -> Listing:
    """What a folder has of HDTF.

    Args:
        folder (`Path`): Anywhere below it `{RD,WDA,WRA}_{video_url,annotion_time,crop_wh,resolution}.txt` (those of one
            subset at least), and videos called `Radio1.mp4`, `RD_Radio1.mp4`, or by their YouTube id.
        max_frames (`int`): Longer clips are divided.

    Raises:
        LayoutError: if the lists are not there.
    """
    listing, whole = Listing(), []
    videos = find_videos(folder)
    subsets = [name for name in SUBSETS if any(folder.rglob(f"{name}_annotion_time.txt"))]
    if not subsets:
        raise LayoutError(
            f"There is no RD_annotion_time.txt, WDA_annotion_time.txt or WRA_annotion_time.txt below {str(folder)!r}:"
            " get the lists (HDTF_dataset) from https://github.com/MRzzm/HDTF."
        )
    for subset in subsets:
        whole += _read_subset(subset, folder, videos, listing)
    sizes = Counter(source.facts["subject"] for source in whole)
    tested = held_out(dict(sizes), TEST_SHARE)
    for source in whole:
        split = "test" if source.facts["subject"] in tested else "train"
        listing.add(replace(source, split=split), FPS, max_frames, source.facts["address"])
    return listing


def _read_subset(subset: str, folder: Path, videos: dict[str, Path], listing: Listing) -> list[ClipSource]:
    """The subset's clips, without files where their video is missing; clips without a usable entry are noted as missing."""
    addresses, times, crops, heights = (
        _table(folder, f"{subset}_{name}.txt", needed)
        for name, needed in (("video_url", False), ("annotion_time", True), ("crop_wh", True), ("resolution", True))
    )
    sources = []
    for file, stretches in times.items():
        video = file.removesuffix(".mp4")
        address = (addresses.get(video) or addresses.get(file) or [""])[0]
        for number, stretch in enumerate(stretches):
            name = f"{video}_{number}"
            try:
                box = _box(crops.get(f"{name}.mp4"), heights.get(file))
                start, end = (_seconds(value) for value in stretch.split("-"))
                if not start < end:
                    raise ValueError(f"the stretch {stretch} has no length")
            except ValueError as error:
                listing.add_unreadable(f"{subset}_{name}", f"The lists are: {error}.", address)
                continue
            found = next((videos[n] for n in (f"{subset}_{video}", video, _youtube_id(address)) if n in videos), None)
            clip = f"{subset}_{name}"
            speaker = _subject(subset, video)
            facts = {"clip": clip, "video": video, "person": speaker, "subject": speaker, "address": address}
            sources.append(
                ClipSource(
                    make_key(clip, clip),
                    "",
                    (found,) if found else (),
                    round((end - start) * FPS),
                    start,
                    end,
                    box,
                    facts,
                )
            )
    return sources


def _table(folder: Path, name: str, needed: bool) -> dict[str, list[str]]:
    """Lines of a list by their first word."""
    path = next(iter(sorted(folder.rglob(name))), None)
    if path is None:
        if needed:
            raise LayoutError(f"The list {name!r} is missing below {str(folder)!r}.")
        return {}
    lines = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {words[0]: words[1:] for words in lines if words}


def _box(crop: list[str] | None, height: list[str] | None) -> PublishedBox:
    if crop is None:
        raise ValueError("no crop is listed")
    if height is None or len(height) != 1:
        raise ValueError("no resolution is listed")
    if len(crop) != 4:
        raise ValueError(f"the crop is {crop}, expected left, width, top, height")
    left, across, top, down = (float(value) for value in crop)
    if not (across > 0 and down > 0):
        raise ValueError(f"the crop is {crop}, without extent")
    return PublishedBox(left, top, left + across, top + down, float(height[0]))


def _seconds(text: str) -> float:
    """Of `mm:ss` or `h:mm:ss`."""
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total


def _youtube_id(address: str) -> str:
    return address.partition("v=")[2].partition("&")[0]


def _subject(subset: str, video: str) -> str:
    """The speaker: weekly addresses (WDA, WRA) number the videos of one; of radio recordings (RD) only the video is known."""
    return f"{subset}_{video}" if subset == "RD" else f"{subset}_{video.rstrip('0123456789')}"
