"""Whether a prepared clip is whole, and whether its key points can be those of a face or a person."""

import io
import json
from typing import Any

import av
import numpy as np
import PIL.Image
import torch
from safetensors.torch import load as load_tensors

from ..processing.body_keypoints import BODY18
from ..processing.keypoints import EYES, FACE96, MOUTH
from ..processing.pose_files import MIN_POINTS, PoseError, check_point_order
from ..processing.sound import decode_sound
from ..training.packs import FACTS, PICTURES, SOUND, TENSORS, VIDEO, read_picture
from .clips import SOUND_RATE


# In units of the crop: how far key points may lie beyond it, and how large a subject must be.
BEYOND, SMALLEST = 0.5, 0.12
# A point set that moves further than this between frames, in units of its size, has jumped to something else.
JUMP = 0.5
# Shares of frames that may be out of order, or jump, before a clip is refused.
MOST_WRONG, MOST_JUMPS = 0.5, 0.05
# Sound and picture may differ by this much, in seconds.
SOUND_TOLERANCE = 0.1
# What decoders and parsers raise for damaged content.
DAMAGE = (ValueError, LookupError, TypeError, OSError, SyntaxError, RuntimeError, av.FFmpegError)


class InsaneClip(ValueError):
    """A clip must not be trained on; the message says why."""


def check_clip(parts: dict[str, bytes]) -> np.ndarray:
    """Decode every part of a clip and check it.

    Args:
        parts (`dict[str, bytes]`): By suffix.

    Returns:
        `np.ndarray` of shape (H, W, 3), uint8: its middle frame.

    Raises:
        InsaneClip: if a part is missing or damaged, or parts contradict one another.
    """
    try:
        facts: dict[str, Any] = json.loads(parts[FACTS])
        count = int(facts["frames"])
        tensors = {name: value.numpy() for name, value in load_tensors(parts[TENSORS]).items()}
        frame, found = _pictures(parts, facts) if PICTURES in facts else _video(parts[VIDEO], count)
        if found != count:
            raise InsaneClip(f"it has {found} frames, {count} are stated")
        points, visibility = tensors["points"], tensors["visibility"]
        _check_points(points, visibility, count, frame.shape[:2])
        follows = PICTURES not in facts and float(facts["fps"]) > 1
        _check_subject(points, visibility, frame.shape[:2], facts.get("kind", "face"), follows)
        if SOUND in parts:
            _check_sound(parts[SOUND], count / float(facts["fps"]))
        for name, value in tensors.items():
            if not np.isfinite(value).all():
                raise InsaneClip(f"{name} has values that are not finite")
    except InsaneClip:
        raise
    except DAMAGE as error:
        raise InsaneClip(f"it cannot be read ({type(error).__name__}: {error})") from error
    return frame


def _video(content: bytes, count: int) -> tuple[np.ndarray, int]:
    """Its middle frame, and how many there are."""
    number, middle = 0, None
    container: Any
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for frame in container.decode(stream):
            if number == count // 2:
                middle = frame.to_ndarray(format="rgb24")
            number += 1
    if middle is None:
        raise InsaneClip(f"it has {number} frames, {count} are stated")
    return middle, number


def _pictures(parts: dict[str, bytes], facts: dict[str, Any]) -> tuple[np.ndarray, int]:
    names, last = facts[PICTURES], facts["frames"] - 1
    pictures = [read_picture(parts[name]) for name in names]
    if len({picture.shape for picture in pictures}) != 1:
        raise InsaneClip("its pictures differ in size")
    if any(not 0 <= number <= last for pair in facts.get("pairs", ()) for number in pair):
        raise InsaneClip(f"its pairs name pictures beyond number {last}")
    return pictures[len(pictures) // 2], len(pictures)


def _check_points(points: np.ndarray, visibility: np.ndarray, count: int, extent: tuple[int, ...]) -> None:
    if points.ndim != 3 or points.shape[0] != count or points.shape[1] not in (FACE96.count, BODY18.count):
        raise InsaneClip(f"points have shape {points.shape} for {count} frames")
    if visibility.shape != points.shape[:2]:
        raise InsaneClip(f"visibility has shape {visibility.shape}, points {points.shape}")
    seen = points[visibility > 0]
    if not len(seen):
        raise InsaneClip("no frame has a key point")
    if not np.isfinite(seen).all():
        raise InsaneClip("key points are not finite")
    extent_xy = np.array([extent[1], extent[0]])
    beyond = ((seen < -BEYOND * extent_xy) | (seen > (1 + BEYOND) * extent_xy)).any(1).mean()
    if beyond > 0.01:
        raise InsaneClip(f"{beyond:.0%} of its key points lie far beyond the picture")


def _check_subject(
    points: np.ndarray, visibility: np.ndarray, extent: tuple[int, ...], kind: str, follows: bool
) -> None:
    frames = [(p, v) for p, v in zip(points, visibility, strict=True) if (v > 0).sum() >= MIN_POINTS]
    if not frames:
        raise InsaneClip("no frame has enough key points")
    sizes = np.array([np.ptp(p[v > 0], axis=0).max() for p, v in frames])
    if np.median(sizes) < SMALLEST * max(extent):
        raise InsaneClip(f"its subject takes {np.median(sizes):.0f} of {max(extent)} pixels")
    wrong = np.mean([_out_of_order(p, v, kind) for p, v in frames])
    if wrong > MOST_WRONG:
        raise InsaneClip(f"in {wrong:.0%} of its frames the key points are out of order")
    if follows and len(frames) > 1:
        centres = np.array([p[v > 0].mean(0) for p, v in frames])
        jumps = np.mean(np.linalg.norm(np.diff(centres, axis=0), axis=1) > JUMP * np.median(sizes))
        if jumps > MOST_JUMPS:
            raise InsaneClip(f"its key points jump in {jumps:.0%} of the frames")


def _out_of_order(points: np.ndarray, visibility: np.ndarray, kind: str) -> bool:
    """Whether the mouth is on the wrong side of the eyes, or bones run back and forth through a body."""
    if kind == "person":
        try:
            check_point_order(points, visibility)
        except PoseError:
            return True
        return False
    eyes = points[EYES]
    across = eyes[6:].mean(0) - eyes[:6].mean(0)
    down = points[MOUTH].mean(0) - eyes.mean(0)
    return bool(across[0] * down[1] - across[1] * down[0] <= 0)


def _check_sound(content: bytes, seconds: float) -> None:
    found = len(decode_sound(content, SOUND_RATE)) / SOUND_RATE
    if found > seconds + SOUND_TOLERANCE:
        raise InsaneClip(f"its sound lasts {found:.2f} s, its frames {seconds:.2f} s")


def fingerprint(frame: np.ndarray) -> int:
    """256 bits that pictures share when they look alike: whether brightness grows from each of 16x17 cells to the next."""
    gray = PIL.Image.fromarray(frame).convert("L").resize((17, 16), PIL.Image.Resampling.BOX)
    cells = torch.from_numpy(np.asarray(gray).astype(np.int16))
    bits = (cells[:, 1:] > cells[:, :-1]).flatten().tolist()
    return int("".join("1" if bit else "0" for bit in bits), 2)
