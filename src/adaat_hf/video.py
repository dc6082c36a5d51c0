"""Streaming video: frames in at a constant rate, frames and sound out as an mp4 that browsers play."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from .marking import draw_label, mark_written_file
from .marking.xmp import STATEMENT


VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
MAX_FRAME_PIXELS = 64_000_000
MAX_FPS = 120
DEFAULT_FPS = Fraction(25)
# Sound that mp4 carries and browsers play as it is; anything else is re-encoded as AAC.
COPIED_SOUND = ("aac", "mp3")


class VideoError(ValueError):
    """A video cannot be read or written; the message says why."""


class VideoReader:
    """Iterate over the frames of a video at a constant rate, upright, one at a time.

    A variable frame rate becomes constant: at each tick the latest frame is repeated or skipped. Rotation stored by
    phones is applied. A video whose end is damaged yields the frames before the damage.

    Args:
        path (`str` or `Path`): The video file.
        fps (`Fraction` or `float`, *optional*): Rate of the frames; the video's own average rate by default.
        start (`float`, *optional*, defaults to 0): Moment of the first frame, in seconds from the video's first one; what lies
            before the nearest key frame is not decoded.
        end (`float`, *optional*): Moment at which the frames end; that of the video by default.

    Raises:
        FileNotFoundError: if there is no such file.
        VideoError: if the file is no video, is empty, its frames are too large, or it ends before `start`.
    """

    def __init__(
        self, path: str | Path, fps: Fraction | float | None = None, *, start: float = 0.0, end: float | None = None
    ) -> None:
        self.path, self.start, self.end = Path(path), start, end
        if not self.path.is_file():
            raise FileNotFoundError(f"Video file {str(path)!r} does not exist.")
        with self._open() as container:
            stream = container.streams.video[0]
            if stream.width * stream.height > MAX_FRAME_PIXELS:
                raise VideoError(
                    f"{str(path)!r} has frames of {stream.width}x{stream.height}, more than {MAX_FRAME_PIXELS} pixels."
                )
            self.has_sound = bool(container.streams.audio)
            self.fps = Fraction(fps).limit_denominator(100_000) if fps is not None else _average_rate(stream)
            duration = (
                float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
            )
        if not 0 < self.fps <= MAX_FPS:
            raise VideoError(f"The frame rate is {float(self.fps):g}, expected more than 0 and at most {MAX_FPS}.")
        self._origin = self._first_time() if start else None
        self._seeks = self._origin is not None and self._can_seek(self._origin + start)
        first = next(iter(self), None)
        if first is None:
            where = f" from second {start:g} on" if start else ""
            raise VideoError(f"{str(path)!r} has a video track but no frame in it could be decoded{where}.")
        self.height, self.width = first.shape[:2]
        until = duration if end is None else min(duration, end) if duration else end
        self.frame_estimate = max(1, round((until - start) * self.fps))

    def _open(self) -> Any:
        try:
            container = av.open(str(self.path))
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{str(self.path)!r} cannot be read as a video: {error}.") from error
        if not container.streams.video:
            container.close()
            raise VideoError(f"{str(self.path)!r} has no video track.")
        return container

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3), RGB, uint8."""
        if self.end is None:
            yield from self._frames()
        else:
            yield from islice(self._frames(), max(0, round((self.end - self.start) * self.fps)))

    def _frames(self) -> Iterator[np.ndarray]:
        tick = 0
        held: av.VideoFrame | None = None
        origin, time = self._origin, 0.0
        with self._open() as container:
            if origin is not None and self._seeks:
                container.seek(_in_time_base(origin + self.start), backward=True)
            for frame in _decodable(container):
                stamp = frame.time if frame.time is not None else tick / float(self.fps)
                origin = stamp if origin is None else origin
                time = stamp - origin
                # The held frame lasts until this one begins; half a tick absorbs rounding of time stamps.
                while held is not None and self.start + (tick + 0.5) / self.fps <= time:
                    yield _upright(held)
                    tick += 1
                held = frame
        if held is not None and time + 1 / self.fps > self.start:
            yield _upright(held)

    def _first_time(self) -> float:
        """Time stamp of the video's first frame."""
        with self._open() as container:
            frame = next(_decodable(container), None)
        return 0.0 if frame is None or frame.time is None else float(frame.time)

    def _can_seek(self, time: float) -> bool:
        """Whether the file's index leads to a key frame before a moment; some lead past it, or nowhere."""
        with self._open() as container, contextlib.suppress(av.FFmpegError):
            container.seek(_in_time_base(time), backward=True)
            frame = next(_decodable(container), None)
            return frame is not None and frame.time is not None and frame.time <= time
        return False


def _in_time_base(seconds: float) -> int:
    return int(seconds * av.time_base)


def _average_rate(stream: Any) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate
    if rate is None or not 0 < rate <= MAX_FPS:
        return DEFAULT_FPS
    return Fraction(rate)


def _decodable(container: Any) -> Iterator[av.VideoFrame]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):
        yield from container.decode(stream)


def _upright(frame: av.VideoFrame) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


class VideoWriter:
    """Write frames to an h264 yuv420p mp4, with the sound of another file.

    The file appears under its name only when it is complete: it is written beside it and renamed by `close`. Leaving
    the `with` block through an exception removes what was written.

    Args:
        path (`str` or `Path`): The mp4 file to write.
        fps (`Fraction` or `float`): Frame rate.
        width, height (`int`): Frame size; an odd size is extended by one pixel, which h264 needs.
        sound_from (`str` or `os.PathLike`, *optional*): File whose first sound track is added, up to the end of the frames.
        crf (`int`, *optional*, defaults to 17): Quality, 0 (lossless) to 51.
        mark (`bool`, *optional*, defaults to `False`): Mark the video as synthetic (see `adaat_hf.marking`).

    Raises:
        VideoError: if the file cannot be written or no h264 encoder is available.
    """

    def __init__(
        self,
        path: str | Path,
        fps: Fraction | float,
        width: int,
        height: int,
        sound_from: str | os.PathLike[str] | None = None,
        crf: int = 17,
        mark: bool = False,
    ) -> None:
        self.path = Path(path)
        self.mark = mark
        self.fps = Fraction(fps).limit_denominator(100_000)
        self.count = 0
        check_writable(self.path)
        self._partial = self.path.with_name(f".{self.path.stem}.{os.getpid()}.part{self.path.suffix}")
        self._sound_file: Any = None
        self._file = av.open(str(self._partial), "w", format="mp4", options={"movflags": "faststart"})
        if mark:
            self._file.metadata["comment"] = STATEMENT
        try:
            self._video = self._add_video(width, height, crf)
            self._sound = self._add_sound(sound_from) if sound_from is not None else iter(())
        except BaseException:
            self.abort()
            raise
        self._waiting = next(self._sound, None)

    def _add_video(self, width: int, height: int, crf: int) -> Any:
        try:
            stream: Any = self._file.add_stream(
                "libx264", rate=self.fps, options={"crf": str(crf), "preset": "medium"}
            )
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(f"This build of PyAV cannot encode h264: {error}.") from error
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.codec_context.time_base = 1 / self.fps
        context = stream.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def _add_sound(self, source: str | os.PathLike[str]) -> Iterator[Any]:
        self._sound_file = av.open(os.fspath(source))
        if not self._sound_file.streams.audio:
            return iter(())
        track = self._sound_file.streams.audio[0]
        if track.codec_context.name in COPIED_SOUND:
            stream = self._file.add_stream_from_template(track)
            return _copied_packets(self._sound_file, track, stream)
        stream = self._file.add_stream("aac", rate=track.codec_context.sample_rate)
        return _encoded_packets(self._sound_file, track, stream)

    def write(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3), RGB, uint8."""
        height, width = self._video.height, self._video.width
        frame = draw_label(frame) if self.mark else frame
        if frame.shape[:2] != (height, width):
            missing = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
            if any(not 0 <= after <= 1 for _, after in missing):
                raise VideoError(f"A frame is {frame.shape[1]}x{frame.shape[0]}, expected {width}x{height}.")
            frame = np.pad(frame, missing, mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        picture.pts, picture.time_base = self.count, 1 / self.fps
        self._mux(self._video.encode(picture))
        self.count += 1
        self._write_sound_until(self.count / self.fps)

    def _write_sound_until(self, seconds: Fraction) -> None:
        while self._waiting is not None and self._waiting.pts * self._waiting.time_base < seconds:
            self._mux(self._waiting)
            self._waiting = next(self._sound, None)

    def _mux(self, packets: Any) -> None:
        try:
            self._file.mux(packets)
        except (OSError, av.FFmpegError) as error:
            raise VideoError(f"{str(self.path)!r} cannot be written: {error}.") from error

    def close(self) -> Path:
        """Finish the file and give it its name."""
        if not self.count:
            self.abort()
            raise VideoError(f"No frame was written to {str(self.path)!r}.")
        try:
            self._mux(self._video.encode(None))
            # Closing writes the index, which fails on a full disk.
            self._file.close()
            if self.mark:
                mark_written_file(self._partial)
            self._partial.replace(self.path)
        except (OSError, av.FFmpegError) as error:
            raise VideoError(f"{str(self.path)!r} cannot be written: {error}.") from error
        finally:
            self.abort()
        return self.path

    def abort(self) -> None:
        """Drop what was written."""
        self._close_files()
        self._partial.unlink(missing_ok=True)

    def _close_files(self) -> None:
        with contextlib.suppress(av.FFmpegError):
            self._file.close()
        if self._sound_file is not None:
            self._sound_file.close()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def write_video(
    frames: Iterable[np.ndarray],
    path: str | Path,
    fps: Fraction | float,
    sound_from: str | os.PathLike[str] | None = None,
    crf: int = 17,
    mark: bool = False,
) -> Path:
    """Write frames (H, W, 3), RGB, uint8, all of the first one's size; the other arguments as of [`VideoWriter`].

    Raises:
        VideoError: if there is no frame, or the file cannot be written.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise VideoError("There is no frame to write.")
    with VideoWriter(path, fps, first.shape[1], first.shape[0], sound_from, crf, mark) as writer:
        for frame in chain([first], pictures):
            writer.write(frame)
    return Path(path)


def find_videos(folder: str | Path) -> list[Path]:
    """The videos of a folder and of the folders in it, sorted.

    Raises:
        ValueError: if there is none.
    """
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise ValueError(f"The folder {str(folder)!r} has no videos ({', '.join(VIDEO_SUFFIXES)}).")
    return found


def check_writable(path: str | Path) -> None:
    """Raise [`VideoError`] unless a file can be written at `path`; called before expensive work."""
    folder = Path(path).absolute().parent
    if Path(path).is_dir():
        raise VideoError(f"{str(path)!r} is a folder, expected a file name.")
    if not folder.is_dir():
        raise VideoError(f"The folder {str(folder)!r} does not exist, so {str(path)!r} cannot be written.")
    if not os.access(folder, os.W_OK):
        raise VideoError(f"The folder {str(folder)!r} is not writable.")


def _copied_packets(container: Any, track: Any, stream: Any) -> Iterator[Any]:
    first = None
    for packet in container.demux(track):
        if packet.dts is None or packet.pts is None:
            continue
        # Packets before time 0 hold the samples that an AAC decoder drops at its start; they stay before it.
        first = max(packet.pts, 0) if first is None else first
        packet.pts -= first
        packet.dts -= first
        packet.stream = stream
        yield packet


def _encoded_packets(container: Any, track: Any, stream: Any) -> Iterator[Any]:
    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
    samples = 0
    for frame in container.decode(track):
        for chunk in resampler.resample(frame):
            chunk.pts, chunk.time_base = samples, Fraction(1, stream.rate)
            samples += chunk.samples
            yield from stream.encode(chunk)
    yield from stream.encode(None)
