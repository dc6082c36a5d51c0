"""Is a talking video in time? Its decoded sound against the mouth in its decoded frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..processing.face_tracking import track_face
from ..processing.landmarks import FaceLandmarker
from ..processing.sound import load_sound
from ..video import VideoReader


RATE = 16_000
# Somebody speaks where the level is within this of the speech level; the mouth is open from this share of its range on.
ONSET_DB, ONSET_OPENING = 25.0, 0.25
LARGEST_OFFSET = 0.5


@dataclass(frozen=True)
class SyncReport:
    """How mouth and sound agree.

    Args:
        frames (`int`), fps (`float`): Of the video.
        offset (`float`): Seconds by which the mouth's opening follows the sound's level, or the recorded mouth (negative:
            it leads), where the two correlate best. Mouths move a little ahead of what they say.
        correlation (`float`): At that offset.
        sound_onset, mouth_onset (`float`): Seconds at which the sound, and the mouth, first become active.
        longer (`float`): Seconds by which the pictures outlast the sound.
    """

    frames: int
    fps: float
    offset: float
    correlation: float
    sound_onset: float
    mouth_onset: float
    longer: float

    def __str__(self) -> str:
        return (
            f"{self.frames} frames at {self.fps:g} frames/s: mouth {1000 * self.offset:+.0f} ms from what it follows "
            f"(correlation {self.correlation:.2f}); sound begins at {self.sound_onset:.2f} s, the mouth at "
            f"{self.mouth_onset:.2f} s; pictures last {1000 * self.longer:+.0f} ms longer than the sound"
        )


def measure_sync(video: str | Path, landmarker: FaceLandmarker, recording: str | Path | None = None) -> SyncReport:
    """Decode a video and compare the opening of its mouth with its sound.

    Args:
        video (`str` or `Path`): A video with sound and one talking face.
        landmarker ([`FaceLandmarker`]): Finds the mouth.
        recording (`str` or `Path`, *optional*): The filmed face that the sound comes from. Its mouth then takes the place
            of the sound's level, which says little about single mouth shapes.

    Raises:
        SoundError, VideoError: if the video lacks sound or pictures.
        ValueError: if fewer than ten frames show a face.
    """
    fps, opening = _openings(video, landmarker)
    sound = load_sound(video, RATE, video_time=True)
    level = frame_levels(sound, fps, len(opening))
    guide = level
    if recording is not None:
        rate, recorded = _openings(recording, landmarker)
        times = np.arange(min(len(opening), int(len(recorded) * fps / rate))) / fps
        guide = np.interp(times, np.arange(len(recorded)) / rate, recorded)
    shift, correlation = best_offset(opening[: len(guide)], guide, fps)
    lowest, highest = np.quantile(opening, (0.05, 0.95))
    open_from = np.argmax(opening > lowest + ONSET_OPENING * (highest - lowest))
    loud_from = np.argmax(level > np.quantile(level, 0.9) - ONSET_DB)
    return SyncReport(
        len(opening), fps, shift / fps, correlation, loud_from / fps, open_from / fps,
        len(opening) / fps - len(sound) / RATE,
    )  # fmt: skip


def best_offset(opening: np.ndarray, guide: np.ndarray, fps: float) -> tuple[int, float]:
    """Frames by which a mouth's opening (T,) follows what guides it (T,), at most half a second either way, and the
    correlation there; -1 if one of them stands still."""
    largest = round(LARGEST_OFFSET * fps)
    curve = {shift: _correlation(guide, opening, shift) for shift in range(-largest, largest + 1)}
    best = max(curve, key=lambda shift: (curve[shift], -abs(shift)))
    return best, curve[best]


def _openings(video: str | Path, landmarker: FaceLandmarker) -> tuple[float, np.ndarray]:
    """Frame rate, and the mouth's opening (T,) in every frame; where no face is seen, it is interpolated."""
    reader = VideoReader(video)
    track = track_face(reader, landmarker)
    if track.found.sum() < 10:
        raise ValueError(f"{str(video)!r} shows a face in {track.found.sum()} frames, at least 10 are needed.")
    return float(reader.fps), filled(mouth_opening(track.points), track.found)


def filled(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Values (T,), interpolated where they were not `found` (T,)."""
    return np.interp(np.arange(len(values)), np.flatnonzero(found), values[found])


def mouth_opening(points: np.ndarray) -> np.ndarray:
    """Distance of the inner lips of landmarks (T, 96, 2) in units of the outer eye corners' distance; (T,)."""
    gaps = np.linalg.norm(points[:, [67, 66, 65]] - points[:, [61, 62, 63]], axis=-1).mean(1)
    return gaps / eye_distance(points)


def eye_distance(points: np.ndarray) -> np.ndarray:
    """Distance (T,) of the outer eye corners of landmarks (T, 96, 2), never 0."""
    return np.maximum(np.linalg.norm(points[:, 45] - points[:, 36], axis=-1), 1e-6)


def frame_levels(sound: np.ndarray, fps: float, frames: int) -> np.ndarray:
    """Level of the sound around each frame (T,) in dB, not below -60."""
    reach = int(RATE / fps)
    middles = (np.arange(frames) / fps * RATE).astype(int)
    parts = [sound[max(0, middle - reach // 2) : middle + reach // 2 + 1] for middle in middles]
    return np.array(
        [10 * np.log10(np.square(part, dtype=np.float64).mean() + 1e-6) if len(part) else -60.0 for part in parts]
    )


def _correlation(level: np.ndarray, opening: np.ndarray, shift: int) -> float:
    sound = level[max(0, -shift) : len(level) - max(0, shift)]
    mouth = opening[max(0, shift) : len(opening) - max(0, -shift)]
    if len(sound) < 10 or sound.std() < 1e-6 or mouth.std() < 1e-9:
        return -1.0
    return float(np.corrcoef(sound, mouth)[0, 1])
