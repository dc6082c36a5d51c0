"""What pipelines return."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

import numpy as np
import PIL.Image
from diffusers.utils import BaseOutput

from ..processing.images import load_image
from ..processing.sound import encode_sound
from ..video import VideoError, VideoReader, write_video


class StoredSound(os.PathLike[str]):
    """Sound without a file of its own (an array, synthetic speech): a temporary file that lives as long as this object.

    Args:
        samples (`np.ndarray` of shape (N,)): float32, full scale being 1.
        sampling_rate (`int`): Hz.
    """

    def __init__(self, samples: np.ndarray, sampling_rate: int) -> None:
        self._folder = TemporaryDirectory(prefix="adaat-sound-")
        self._path = str(Path(self._folder.name) / "sound.wav")
        encode_sound(samples, sampling_rate, self._path, "wav")

    def __fspath__(self) -> str:
        return self._path


SoundFile = Path | StoredSound


class LazyFrames(Sequence[PIL.Image.Image]):
    """Frames that are put together only when they are looked at, so that a full photograph is not kept once per frame.

    Args:
        count (`int`): Number of frames.
        make (`Callable[[int], np.ndarray]`): Returns frame n as (H, W, 3), RGB, uint8.
    """

    def __init__(self, count: int, make: Callable[[int], np.ndarray]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> PIL.Image.Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[PIL.Image.Image]: ...
    def __getitem__(self, index: int | slice) -> PIL.Image.Image | list[PIL.Image.Image]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(f"Frame {index} of {self._count} was asked for.")
        return PIL.Image.fromarray(self._make(index % self._count))

    def arrays(self) -> Iterator[np.ndarray]:
        """The frames as arrays (H, W, 3), RGB, uint8, one at a time."""
        return (self._make(number) for number in range(self._count))


class VideoFrames(LazyFrames):
    """The frames of a written video, decoded when they are looked at.

    Args:
        path (`Path`): The video.
        count (`int`): Number of its frames.
    """

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(count, self._decode)
        self.path = path

    def _decode(self, number: int) -> np.ndarray:
        for index, frame in enumerate(VideoReader(self.path)):
            if index == number:
                return frame
        raise VideoError(f"{str(self.path)!r} ends before frame {number}.")

    def arrays(self) -> Iterator[np.ndarray]:
        """See [`LazyFrames.arrays`]; decodes the video once."""
        return iter(VideoReader(self.path))


@dataclass(frozen=True)
class AnimationStatistics:
    """What happened while a clip was made.

    Args:
        frames (`int`): Frames written; always as many as the driver has.
        frames_without_face (`tuple[int, ...]`): Numbers of the driver's frames in which no face (or person) was found.
        frame_policy (`str`): What was done with them.
        device (`str`): Where the network ran.
        seconds (`dict[str, float]`): Time spent on `driving` (reading, landmarks, fitting), `painting` (network) and
            `total`.
        subject (`str`): What is looked for: `"face"` or `"person"`.
    """

    frames: int
    frames_without_face: tuple[int, ...] = ()
    frame_policy: str = "hold"
    device: str = "cpu"
    seconds: dict[str, float] = field(default_factory=dict)
    subject: str = "face"

    def __str__(self) -> str:
        missing = len(self.frames_without_face)
        rate = self.frames / max(self.seconds.get("total", 0.0), 1e-9)
        note = f", {missing} without a {self.subject} ({self.frame_policy})" if missing else ""
        return f"{self.frames} frames on {self.device} at {rate:.1f} frames/s{note}"


@dataclass
class AdaATPipelineOutput(BaseOutput):
    """
    An animated picture.

    Args:
        frames (`Sequence[PIL.Image.Image]`, `np.ndarray` of shape (T, H, W, 3) in [0, 1] or `Tensor` of shape
            (T, 3, H, W) in [0, 1]): The frames, as `output_type` asked for.
        fps (`Fraction`): Frame rate.
        statistics ([`AnimationStatistics`]): Counts and times.
        sound_from (`os.PathLike`, *optional*): File whose sound belongs to the frames.
        path (`Path`, *optional*): The video that was written while the frames were made.
        mark (`bool`): Whether `save` marks the file as synthetic (see `adaat_hf.marking`).
    """

    frames: Any = None
    fps: Fraction = Fraction(25)
    statistics: AnimationStatistics | None = None
    sound_from: SoundFile | None = None
    path: Path | None = None
    mark: bool = True

    def save(self, path: str | Path, crf: int = 17) -> Path:
        """Write an mp4 (h264, yuv420p) with the driver's sound.

        Args:
            path (`str` or `Path`): The file; it appears when it is complete.
            crf (`int`, *optional*, defaults to 17): Quality, 0 (lossless) to 51.

        Raises:
            VideoError: if the file cannot be written.
        """
        return write_video(self.arrays(), path, self.fps, self.sound_from, crf, self.mark)

    def arrays(self) -> Iterator[np.ndarray]:
        """The frames as arrays (H, W, 3), RGB, uint8, whatever the output type."""
        if isinstance(self.frames, LazyFrames):
            return self.frames.arrays()
        return (load_image(frame) for frame in self.frames)
