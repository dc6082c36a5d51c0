"""Prepare one clip: follow the subject, cut it out steadily, fit the control model, encode pictures and sound."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch
from safetensors.torch import save as save_tensors

from ..processing.images import ImageError, load_image
from ..processing.sound import SoundError, encode_sound, load_sound
from ..training.packs import FACTS, SOUND, TENSORS, VIDEO
from ..video import VideoError, VideoReader
from .pictures import prepare_pictures
from .settings import PreparationSettings
from .smpl import smpl_tensors
from .sources import ClipSource, UnusableClip
from .subjects import Frame, open_subject


# A short distance between key frames makes single frames cheap to decode.
KEY_FRAME_DISTANCE = 12
SOUND_RATE = 16_000
# Pictures of one person do not follow one another; as a clip, they have this rate.
STILLS_RATE = Fraction(1)


def prepare_clip(source: ClipSource, settings: PreparationSettings) -> dict[str, bytes]:
    """Prepare one clip.

    Returns:
        `dict[str, bytes]`: Its parts by suffix: the video; tensors `points` (T, K, 2) in crop pixels, `visibility` (T, K), the
        fields of [`FaceCoefficients`] or [`BodyCoefficients`] in crop pixels, and `smpl_*` where SMPL coefficients are
        published; the sound of those frames at 16 kHz, if the video has any; facts as json. DeepFashion's pictures: see
        [`prepare_pictures`].

    Raises:
        UnusableClip: if the clip is damaged or does not show the subject.
        FileNotFoundError: if a file has gone since it was listed, as when a disk is lost.
    """
    if source.poses:
        return prepare_pictures(source)
    try:
        reel = _open(source, settings)
        frame = _frame(source, settings, reel)
        crops = [frame.cut(picture) for picture in reel]
    except (VideoError, ImageError) as error:
        raise UnusableClip(str(error)) from error
    if len(crops) < 2:
        raise UnusableClip("it has fewer than two frames")
    subject = open_subject(settings)
    track = subject.follow(crops) if frame.track is None else subject.in_crop(frame)
    found = float(track.found.mean())
    if found < settings.min_found:
        raise UnusableClip(f"only {found:.0%} of its frames show {subject.name}")
    points, visibility = torch.from_numpy(track.points), torch.from_numpy(track.visibility)
    tensors = {"points": points, "visibility": visibility, **subject.fit(points, visibility, float(reel.fps))}
    note: dict[str, str] = {}
    if source.smpl is not None:
        first = round(source.start * float(reel.fps))
        published, note = smpl_tensors(source.smpl, slice(first, first + len(crops)), frame.to_crop, reel.size[0])
        tensors |= published
    facts = {**source.facts, "kind": settings.kind, "frames": len(crops), "fps": float(reel.fps), **note}
    facts |= {"start": round(source.start, 3)} if source.start else {}
    sound = _read_sound(source, len(crops) / float(reel.fps)) if reel.has_sound else None
    return {
        VIDEO: encode_clip(crops, reel.fps, settings.quality),
        **({} if sound is None else {SOUND: sound}),
        TENSORS: save_tensors({name: value.contiguous() for name, value in tensors.items()}),
        FACTS: json.dumps(facts).encode(),
    }


@dataclass(frozen=True)
class _Reel:
    """The frames of a source, as often as they are asked for, so that they never lie in memory at full size."""

    open: Callable[[], Iterable[np.ndarray]]
    size: tuple[int, int]
    fps: Fraction
    has_sound: bool = False

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.open())


def _open(source: ClipSource, settings: PreparationSettings) -> _Reel:
    if len(source.files) > 1:
        fps = STILLS_RATE if source.end is None else Fraction(source.frames / (source.end - source.start))
        height, width = load_image(source.files[0]).shape[:2]
        return _Reel(lambda: map(load_image, source.files), (height, width), fps.limit_denominator(1000))
    reader = VideoReader(source.files[0], start=source.start, end=source.end)
    if reader.fps > settings.max_fps:
        reader = VideoReader(source.files[0], settings.max_fps, start=source.start, end=source.end)
    return _Reel(lambda: reader, (reader.height, reader.width), reader.fps, reader.has_sound)


def _frame(source: ClipSource, settings: PreparationSettings, reel: _Reel) -> Frame:
    """What is cut out of every frame: the published box, the whole picture, or what a first pass finds."""
    subject, (height, width) = open_subject(settings), reel.size
    if source.box is not None:
        return subject.boxed(source.box.in_picture(height, width), height, width)
    if len(source.files) > 1 and source.end is None:
        return subject.each()
    if not settings.crop:
        return subject.whole(height, width)
    track = subject.follow(reel)
    if not track.found.any():
        raise UnusableClip(f"none of its frames shows {subject.name}")
    return subject.around(track, height, width)


def _read_sound(source: ClipSource, seconds: float) -> bytes | None:
    """The clip's sound from its first frame on, encoded; `None` if it has none that can be read."""
    try:
        samples = load_sound(source.files[0], SOUND_RATE, video_time=True, start=source.start, seconds=seconds)
    except SoundError:
        return None
    buffer = io.BytesIO()
    encode_sound(samples, SOUND_RATE, buffer)
    return buffer.getvalue()


def encode_clip(frames: list[np.ndarray], fps: Fraction, quality: int) -> bytes:
    """Encode frames (H, W, 3), uint8, as an mp4 whose single frames are cheap to decode."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"crf": str(quality), "preset": "slow", "bf": "0"}
        stream: Any = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv444p"
        stream.codec_context.gop_size = KEY_FRAME_DISTANCE
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


__all__ = ["KEY_FRAME_DISTANCE", "SOUND_RATE", "encode_clip", "prepare_clip"]
