"""Frames of a camera, a stream or a file as they happen: always the newest one, the others are dropped."""

import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ..video import VideoError, VideoReader


# What cameras are called by FFmpeg, by operating system: the format, and how camera number N is written.
CAMERAS = {"Linux": ("v4l2", "/dev/video{}"), "Darwin": ("avfoundation", "{}"), "Windows": ("dshow", "video={}")}
# A stream that sends nothing for so long has ended.
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Captured:
    """
    One frame.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): RGB, uint8.
        number (`int`): Which one, from 0.
        time (`float`): When it came (`time.monotonic()`), in seconds.
    """

    picture: np.ndarray
    number: int
    time: float


class LiveCapture:
    """Read in a thread, and keep the newest frame; a context manager.

    Args:
        address (`str`): A camera (its number, `"/dev/video0"`, on Windows its name), the address of a stream (`rtsp://`,
            `http://`, `udp://`, ...), or a video file, which plays at its own rate.

    Raises:
        FileNotFoundError: if a file does not exist.
        VideoError: if it cannot be opened.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.count = 0
        self.error: Exception | None = None
        self._frames = _open(address)
        self._newest: Captured | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="adaat-capture", daemon=True)

    def __enter__(self) -> "LiveCapture":
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.close()
        self._thread.join(TIMEOUT_SECONDS)

    def close(self) -> None:
        """End: whoever waits for a frame gets `None`."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def next(self, after: int) -> Captured | None:
        """Wait for the newest frame beyond number `after`; `None` when there will be no more.

        Raises:
            VideoError: if reading failed before any frame came.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self._newest is not None and self._newest.number > after))
            if self._newest is not None and self._newest.number > after:
                return self._newest
        if self.error is not None and not self.count:
            raise VideoError(f"{self.address!r} gives no frames: {self.error}.") from self.error
        return None

    def _read(self) -> None:
        try:
            for picture in self._frames:
                with self._changed:
                    if self._ended:
                        return
                    self._newest = Captured(picture, self.count, time.monotonic())
                    self.count += 1
                    self._changed.notify_all()
        except (av.FFmpegError, OSError, VideoError) as error:
            self.error = error
        finally:
            self.close()


def names_a_file(address: str) -> bool:
    """Whether an address is that of a file, not of a camera or stream."""
    return "://" not in address and not address.isdigit() and not address.startswith(("/dev/", "video="))


def _open(address: str) -> Iterator[np.ndarray]:
    if names_a_file(address):
        return _paced(VideoReader(Path(address)))
    form, name = None, address
    if "://" not in address:
        form, template = CAMERAS.get(platform.system(), CAMERAS["Linux"])
        name = template.format(address) if address.isdigit() else address
    try:
        container = av.open(name, format=form, timeout=TIMEOUT_SECONDS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{address!r} cannot be opened as a camera or stream: {error}.") from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{address!r} has no video track.")
    return _decoded(container)


def _decoded(container: Any) -> Iterator[np.ndarray]:
    with container:
        for frame in container.decode(container.streams.video[0]):
            yield frame.to_ndarray(format="rgb24")


def _paced(reader: VideoReader) -> Iterator[np.ndarray]:
    """A file's frames, each at its time."""
    started, interval = time.monotonic(), float(1 / Fraction(reader.fps))
    for number, picture in enumerate(reader):
        time.sleep(max(0.0, started + number * interval - time.monotonic()))
        yield picture


__all__ = ["Captured", "LiveCapture", "names_a_file"]
