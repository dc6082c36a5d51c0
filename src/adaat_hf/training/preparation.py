"""Turn a folder of clips into packs: follow the face, fit the face model, cut a steady square, encode it again."""

import csv
import hashlib
import io
import json
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from safetensors.torch import save as save_tensors

from ..control.face_model import load_face_model
from ..control.fitting import FaceFitter
from ..processing.backends import open_landmarker
from ..processing.crop import FaceBox, cut_out, face_box
from ..processing.face_tracking import track_face
from ..processing.images import IMAGE_SUFFIXES, load_image
from ..processing.sound import SoundError, encode_sound, load_sound
from ..video import VideoError, VideoReader
from .packs import FACTS, SOUND, TENSORS, VIDEO


VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
# A short distance between key frames makes single frames cheap to decode.
KEY_FRAME_DISTANCE = 12
SOUND_RATE = 16_000


@dataclass(frozen=True)
class PreparationSettings:
    """How clips are prepared.

    Args:
        landmarker (`str`): Detector, as [`open_landmarker`] takes it.
        face_model (`str`): Folder of the face model.
        size (`int`, *optional*, defaults to 256): Side of the crops, in pixels.
        crop (`bool`, *optional*, defaults to `True`): Cut out the face; otherwise whole square frames are kept.
        max_frames (`int`, *optional*, defaults to 250): Frames used per clip, from its start.
        max_fps (`float`, *optional*, defaults to 30): Faster clips are thinned out to this rate.
        min_found (`float`, *optional*, defaults to 0.9): Share of frames that must show the face.
        quality (`int`, *optional*, defaults to 16): h264 crf of the packed clips.
    """

    landmarker: str
    face_model: str
    size: int = 256
    crop: bool = True
    max_frames: int = 250
    max_fps: float = 30.0
    min_found: float = 0.9
    quality: int = 16


@dataclass(frozen=True)
class ClipSource:
    """What becomes one packed clip: a video, or several pictures of one person.

    Args:
        key (`str`): Unique name.
        files (`tuple[Path, ...]`): One video, or the pictures.
        facts (`dict[str, str]`): Row of the index file, if there is one.
    """

    key: str
    files: tuple[Path, ...]
    facts: dict[str, str] = field(default_factory=dict)


class UnusableClip(ValueError):
    """A clip is left out; the message says why."""


def find_sources(folder: Path, index: Path | None = None) -> list[ClipSource]:
    """Videos below a folder, and pictures grouped by their name up to the last underscore.

    Args:
        folder (`Path`): Searched recursively.
        index (`Path`, *optional*): csv whose column `file` holds paths relative to the index; its other columns become
            facts of the clips. Files that it does not list are used without facts.

    Raises:
        FileNotFoundError: if nothing usable is found.
    """
    rows = _read_index(index) if index is not None else {}
    sources, groups = [], defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            sources.append(ClipSource(_key(folder, path), (path,), rows.get(path.resolve(), {})))
        elif path.suffix.lower() in IMAGE_SUFFIXES and "_" in path.stem:
            groups[path.with_name(path.stem.rpartition("_")[0])].append(path)
    for name, files in groups.items():
        if len(files) > 1:
            sources.append(ClipSource(_key(folder, name), tuple(files), rows.get(files[0].resolve(), {})))
    if not sources:
        raise FileNotFoundError(f"There is no video and no group of pictures below {str(folder)!r}.")
    return sources


def _read_index(index: Path) -> dict[Path, dict[str, str]]:
    with open(index, newline="", encoding="utf-8") as file:
        return {(index.parent / row.pop("file")).resolve(): row for row in csv.DictReader(file)}


def _key(folder: Path, path: Path) -> str:
    """A readable name without dots, which separate key and suffix in a pack, made unique by a hash."""
    relative = path.relative_to(folder).as_posix()
    readable = "".join(c if c.isalnum() or c in "-_" else "_" for c in path.stem)[-60:]
    return f"{readable}-{hashlib.sha1(relative.encode()).hexdigest()[:8]}"


@cache
def _tools(landmarker: str, face_model: str) -> tuple[Any, FaceFitter]:
    torch.set_num_threads(1)
    return open_landmarker(landmarker), FaceFitter(load_face_model(face_model))


def prepare_clip(source: ClipSource, settings: PreparationSettings) -> dict[str, bytes]:
    """Prepare one clip.

    Returns:
        `dict[str, bytes]`: The parts of a packed clip by suffix: the video; tensors `points` (T, 96, 2) in crop pixels,
        `visibility` (T, 96) and the fields of [`FaceCoefficients`] in crop pixels; the sound of those frames at 16 kHz,
        if the video has any; facts as json.

    Raises:
        UnusableClip: if the clip is damaged or does not show a face.
    """
    landmarker, fitter = _tools(settings.landmarker, settings.face_model)
    try:
        frames, fps = _read_frames(source, settings)
    except (VideoError, ValueError) as error:
        raise UnusableClip(str(error)) from error
    if len(frames) < 2:
        raise UnusableClip("it has fewer than two frames")
    if len(source.files) > 1:
        frames = [_frame_still(frame, landmarker, settings.size) for frame in frames]
    track = track_face(frames, landmarker)
    if track.found.mean() < settings.min_found:
        raise UnusableClip(f"only {track.found.mean():.0%} of its frames show a face")
    cropped = settings.crop and len(source.files) == 1
    box = face_box(track.points, track.visibility) if cropped else _whole_frame(frames[0])
    points = box.points_to_crop(track.points, settings.size)
    visibility = torch.from_numpy(track.visibility)
    coefficients = fitter.fit(torch.from_numpy(points), visibility)
    tensors = {"points": torch.from_numpy(points), "visibility": visibility}
    tensors |= {name: value.contiguous() for name, value in vars(coefficients).items()}
    crops = [cut_out(frame, box, settings.size) for frame in frames]
    facts = {**source.facts, "source_file": source.files[0].name, "frames": len(frames), "fps": float(fps)}
    parts = {
        VIDEO: encode_clip(crops, fps, settings.quality),
        TENSORS: save_tensors(tensors),
        FACTS: json.dumps(facts).encode(),
    }
    sound = _read_sound(source, len(frames) / float(fps)) if len(source.files) == 1 else None
    return parts if sound is None else {SOUND: sound, **parts}


def _read_sound(source: ClipSource, seconds: float) -> bytes | None:
    """The clip's sound from its first frame on, encoded; `None` if it has none that can be read."""
    try:
        samples = load_sound(source.files[0], SOUND_RATE, video_time=True)
    except SoundError:
        return None
    buffer = io.BytesIO()
    encode_sound(samples[: round(seconds * SOUND_RATE)], SOUND_RATE, buffer)
    return buffer.getvalue()


def _read_frames(source: ClipSource, settings: PreparationSettings) -> tuple[list[np.ndarray], Fraction]:
    if len(source.files) > 1:
        return [load_image(path) for path in source.files], Fraction(1)
    reader = VideoReader(source.files[0])
    if reader.fps > settings.max_fps:
        reader = VideoReader(source.files[0], settings.max_fps)
    frames = []
    for frame in reader:
        frames.append(frame)
        if len(frames) == settings.max_frames:
            break
    return frames, reader.fps


def _frame_still(picture: np.ndarray, landmarker: Any, size: int) -> np.ndarray:
    faces = landmarker.detect(picture[None])[0]
    if not faces:
        raise UnusableClip("one of its pictures shows no face")
    points, visibility = faces[0].as_face96()
    return cut_out(picture, face_box(points[None], visibility[None]), size)


def _whole_frame(frame: np.ndarray) -> FaceBox:
    height, width = frame.shape[:2]
    return FaceBox(width / 2, height / 2, float(min(height, width)))


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


__all__ = ["ClipSource", "PreparationSettings", "UnusableClip", "encode_clip", "find_sources", "prepare_clip"]
