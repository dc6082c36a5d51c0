"""Checks of what visitors give, before anything expensive happens."""

from pathlib import Path

import av

from ..video import VideoError


def check_length(path: str | Path, max_seconds: float, what: str) -> float:
    """The duration of a clip or sound in seconds; `ValueError` if it is too long or unreadable.

    Args:
        path (`str` or `Path`): The file.
        max_seconds (`float`): Longest duration.
        what (`str`): What it is to the visitor, such as `"driving video"`.
    """
    seconds = media_seconds(path)
    if seconds > max_seconds:
        raise ValueError(f"The {what} lasts {seconds:.0f} seconds; at most {max_seconds:g} seconds are taken here.")
    return seconds


def media_seconds(path: str | Path) -> float:
    """Duration of a video or sound; files of cameras in browsers do not state it, so that their packets are counted.

    Raises:
        VideoError: if the file is neither.
    """
    try:
        with av.open(str(path)) as file:
            if not file.streams.video and not file.streams.audio:
                raise VideoError(f"{Path(path).name!r} is neither a video nor a sound.")
            if file.duration:
                return file.duration / av.time_base
            ends = (float((packet.pts + (packet.duration or 0)) * packet.time_base) for packet in file.demux()
                    if packet.pts is not None and packet.time_base is not None)  # fmt: skip
            return max(ends, default=0.0)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{Path(path).name!r} cannot be read as a video or sound: {error}.") from error
