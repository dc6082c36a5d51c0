"""Sound from any file that FFmpeg reads: mono, at one rate, in blocks, so that an hour needs no more memory than a second."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


MAX_SECONDS = 24 * 3600
MAX_CHANNELS = 16
MIN_RATE, MAX_RATE = 4000, 768_000
# A hole in the time stamps (a damaged packet) that is filled with silence, so that what follows stays in time.
HOLE_SECONDS = 0.05
# Decoders need some sound before the first sample that is wanted.
PREROLL_SECONDS = 0.5
SILENCE_DB = -70.0
# Levels are measured over frames of this length; speech level is the level that this share of the frames stays below.
LEVEL_SECONDS = 0.05
SPEECH_SHARE = 0.9
CLIPPED_AT = 0.999


class SoundError(ValueError):
    """A sound cannot be read or used; the message says why."""


@dataclass(frozen=True)
class SoundFacts:
    """What a first look at a sound tells.

    Args:
        seconds (`float`): Length.
        speech_level (`float`): Level in dB of full scale (root mean square) that 90 % of its frames stay below.
        peak (`float`): Largest absolute value; 1 is full scale.
        clipped (`float`): Share of its samples at full scale.
    """

    seconds: float
    speech_level: float
    peak: float
    clipped: float


class SoundReader:
    """Iterate over a file's first sound track as blocks of mono samples.

    Any container, rate and number of channels that FFmpeg decodes; videos too. Damaged packets become silence, so the
    rest keeps its time.

    Args:
        path (`str` or `Path`): Sound or video file.
        sampling_rate (`int`, *optional*, defaults to 16000): Rate of the blocks in Hz.
        video_time (`bool`, *optional*, defaults to `False`): Let sample 0 be the moment of the first video frame instead
            of the first sound: what comes earlier is dropped, a later start is filled with silence.
        start (`float`, *optional*, defaults to 0): Seconds that are passed over without being decoded.

    Raises:
        FileNotFoundError: if there is no such file.
        SoundError: if the file has no sound track that can be decoded, or breaks a limit.
    """

    def __init__(
        self, path: str | Path, sampling_rate: int = 16_000, *, video_time: bool = False, start: float = 0.0
    ) -> None:
        self.path, self.sampling_rate, self.passed_over = Path(path), sampling_rate, start
        if not self.path.is_file():
            raise FileNotFoundError(f"Sound file {str(path)!r} does not exist.")
        if not self.path.stat().st_size:
            raise SoundError(f"{str(path)!r} is empty.")
        with self._open() as container:
            track = container.streams.audio[0]
            rate, channels = track.codec_context.sample_rate, track.codec_context.layout.nb_channels
            seconds = float(track.duration * track.time_base) if track.duration else (container.duration or 0) / 1e6
            self.start = _video_start(container) if video_time else None
        if start and self.start is None:
            self.start = self._first_time()
        if not MIN_RATE <= rate <= MAX_RATE:
            raise SoundError(f"{str(path)!r} has {rate} samples per second, expected {MIN_RATE} to {MAX_RATE}.")
        if not 1 <= channels <= MAX_CHANNELS:
            raise SoundError(f"{str(path)!r} has {channels} channels, expected 1 to {MAX_CHANNELS}.")
        if seconds > MAX_SECONDS:
            raise SoundError(f"{str(path)!r} lasts {seconds / 3600:.1f} hours, more than {MAX_SECONDS // 3600}.")
        self.seconds_estimate = seconds

    def _open(self) -> Any:
        try:
            container = av.open(str(self.path))
        except (av.FFmpegError, OSError) as error:
            raise SoundError(f"{str(self.path)!r} cannot be read as sound: {error}.") from error
        if not container.streams.audio:
            container.close()
            raise SoundError(f"{str(self.path)!r} has no sound track.")
        return container

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield blocks (N,), float32, full scale being 1."""
        position, skip = 0, 0
        resampler = av.AudioResampler(format="flt", layout="mono", rate=self.sampling_rate)
        with self._open() as container:
            start = self.start
            if self.passed_over and start is not None:
                start += self.passed_over
                with contextlib.suppress(av.FFmpegError):
                    container.seek(max(0, int((start - PREROLL_SECONDS) * av.time_base)), backward=True)
            for frame in _decodable(container):
                time = frame.time
                if start is None:
                    start = time or 0.0
                if time is not None:
                    missing = round((time - start) * self.sampling_rate) - position
                    if not position and missing < 0:
                        skip = -missing
                        position = missing
                    elif missing > (HOLE_SECONDS * self.sampling_rate if position else 0):
                        yield np.zeros(missing, np.float32)
                        position += missing
                position += round(frame.samples * self.sampling_rate / frame.sample_rate)
                frame.pts = None
                for block in resampler.resample(frame):
                    samples, skip = _skip(block, skip)
                    yield samples
            for block in resampler.resample(None):
                samples, skip = _skip(block, skip)
                yield samples

    def _first_time(self) -> float:
        with self._open() as container:
            frame = next(_decodable(container), None)
        return 0.0 if frame is None or frame.time is None else float(frame.time)


def _video_start(container: Any) -> float | None:
    if not container.streams.video:
        return None
    stream = container.streams.video[0]
    first = next(container.decode(stream), None)
    return None if first is None or first.time is None else float(first.time)


def _decodable(container: Any) -> Iterator[av.AudioFrame]:
    track = container.streams.audio[0]
    with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):
        for packet in container.demux(track):
            with contextlib.suppress(av.FFmpegError):
                yield from packet.decode()


def _skip(block: av.AudioFrame, skip: int) -> tuple[np.ndarray, int]:
    samples = np.nan_to_num(block.to_ndarray().reshape(-1).astype(np.float32))
    return samples[skip:], max(0, skip - len(samples))


def measure_sound(reader: SoundReader) -> SoundFacts:
    """Read a sound once and check that somebody can be heard in it.

    Raises:
        SoundError: if nothing can be decoded, or all of it is silent.
    """
    size = round(LEVEL_SECONDS * reader.sampling_rate)
    levels = np.zeros(120, np.int64)
    count, clipped, peak = 0, 0, 0.0
    rest = np.zeros(0, np.float32)
    for block in reader:
        count += len(block)
        if len(block):
            absolute = np.abs(block)
            peak = max(peak, float(absolute.max()))
            clipped += int((absolute >= CLIPPED_AT).sum())
        rest = np.concatenate([rest, block])
        whole = len(rest) // size * size
        _count_levels(levels, rest[:whole].reshape(-1, size))
        rest = rest[whole:]
    if not count:
        raise SoundError(f"{str(reader.path)!r} has a sound track but nothing in it could be decoded.")
    if not levels.sum():
        _count_levels(levels, rest[None])
    level = float(np.searchsorted(levels.cumsum(), SPEECH_SHARE * levels.sum())) - 119
    if level <= SILENCE_DB:
        raise SoundError(f"{str(reader.path)!r} is silent: there is nothing to speak.")
    return SoundFacts(count / reader.sampling_rate, level, peak, clipped / count)


def _count_levels(levels: np.ndarray, frames: np.ndarray) -> None:
    decibels = 10 * np.log10(np.square(frames, dtype=np.float64).mean(1) + 1e-12)
    np.add.at(levels, np.clip(np.round(decibels).astype(int) + 119, 0, len(levels) - 1), 1)


def load_sound(
    path: str | Path,
    sampling_rate: int = 16_000,
    *,
    video_time: bool = False,
    start: float = 0.0,
    seconds: float | None = None,
) -> np.ndarray:
    """Read a whole sound, or `seconds` of it, (N,), float32; see [`SoundReader`].

    Raises:
        FileNotFoundError, SoundError: as [`SoundReader`], and if nothing can be decoded.
    """
    wanted = None if seconds is None else round(seconds * sampling_rate)
    blocks, count = [], 0
    for block in SoundReader(path, sampling_rate, video_time=video_time, start=start):
        blocks.append(block)
        count += len(block)
        if wanted is not None and count >= wanted:
            break
    if not count:
        raise SoundError(f"{str(path)!r} has a sound track but nothing in it could be decoded.")
    return np.concatenate(blocks)[:wanted]


def decode_sound(content: bytes, sampling_rate: int = 16_000) -> np.ndarray:
    """Decode a sound file that is in memory: (N,), float32, mono."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sampling_rate)
    container: Any
    with av.open(io.BytesIO(content)) as container:
        blocks = [block for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    blocks += resampler.resample(None)
    return np.concatenate([block.to_ndarray().reshape(-1) for block in blocks])


def encode_sound(samples: np.ndarray, sampling_rate: int, file: Any, codec: str = "flac") -> None:
    """Write mono sound without loss, in 16 bits.

    Args:
        samples (`np.ndarray` of shape (N,)): float32, full scale being 1.
        sampling_rate (`int`): Hz.
        file: Path or binary file to write to.
        codec (`str`, *optional*, defaults to `"flac"`): `"flac"` or `"wav"`.
    """
    encoder = {"flac": "flac", "wav": "pcm_s16le"}[codec]
    whole = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)
    with av.open(file, "w", format=codec) as container:
        stream: Any = container.add_stream(encoder, rate=sampling_rate, layout="mono")
        stream.format = "s16"
        for start in range(0, len(whole), sampling_rate):
            frame = av.AudioFrame.from_ndarray(whole[None, start : start + sampling_rate], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = sampling_rate, start, Fraction(1, sampling_rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
