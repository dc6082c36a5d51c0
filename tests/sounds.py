"""Sound files for tests, written with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def tone(seconds: float, rate: int = 16_000, frequency: float = 220.0) -> np.ndarray:
    """A tone that swells twice per second, so that it has a level, a shape and an onset."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * time) * (1 - np.cos(4 * np.pi * time)) / 2).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, rate: int, codec: str, layout: str = "mono", at: float = 0.0) -> Path:
    """Encode mono samples at 16 kHz in another format; `at` shifts the start of the track, in seconds."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
        whole = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
        whole.sample_rate, whole.pts, whole.time_base = 16_000, 0, Fraction(1, 16_000)
        waiting = av.AudioFifo()
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            frame.pts = None
            waiting.write(frame)
        size, done = stream.codec_context.frame_size or 1024, round(at * rate)
        while waiting.samples:
            frame = waiting.read(min(size, waiting.samples))
            frame.pts, frame.time_base = done, Fraction(1, rate)
            done += frame.samples
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def lag(first: np.ndarray, second: np.ndarray) -> int:
    """Samples by which the first sound is late against the second (cross correlation)."""
    size = 2 * max(len(first), len(second))
    match = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)))
    best = int(match.argmax())
    return best if best < size // 2 else best - size
