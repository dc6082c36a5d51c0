"""A talking video whose mouth is late is found out, against its sound and against the recording."""

import numpy as np
import pytest
from sounds import write_sound

from adaat_hf import FaceLandmarks, VideoWriter
from adaat_hf.evaluation.sync import measure_sync


FPS, FRAMES = 25, 60
OPENING = np.clip(np.sin(np.arange(FRAMES) / 4), 0, 1) * (np.arange(FRAMES) > 12)


class BrightMouth:
    """Sees a face whose mouth is open as far as the frame is bright; dark frames show none."""

    def detect(self, frames):
        faces = []
        for frame in frames:
            points = np.zeros((96, 2), np.float32)
            points[[36, 45]] = [10, 20], [54, 20]
            points[[67, 66, 65], 1] = 40 + 0.1 * frame.mean()
            points[[61, 62, 63], 1] = 40
            points[8] = 32, 60
            face = FaceLandmarks(points, "face96", np.ones(96, np.float32))
            faces.append([face] if frame.mean() > 20 else [])
        return faces


def film(path, sound, late=0, dark=()):
    with VideoWriter(path, FPS, 64, 64, sound_from=sound, crf=8) as writer:
        for number, value in enumerate(np.concatenate([np.zeros(late), OPENING])[:FRAMES]):
            writer.write(np.full((64, 64, 3), 0 if number in dark else 60 + 150 * value, np.uint8))
    return path


@pytest.fixture
def sound(tmp_path):
    loud = np.interp(np.arange(FRAMES * 640) / 640, np.arange(FRAMES), OPENING)
    noise = np.random.default_rng(0).standard_normal(len(loud)) * (0.003 + 0.2 * loud)
    return write_sound(tmp_path / "a.wav", noise.astype(np.float32), 16_000, "pcm_s16le")


@pytest.mark.parametrize("late", [0, 3])
def test_offsets(sound, tmp_path, late):
    recording = film(tmp_path / "recording.mp4", sound)
    video = film(tmp_path / "video.mp4", sound, late)
    report = measure_sync(video, BrightMouth(), recording)
    assert report.frames == FRAMES and report.offset == late / FPS and report.correlation > 0.95
    assert abs(report.longer) < 0.1
    heard = measure_sync(video, BrightMouth())
    assert abs(heard.offset - late / FPS) <= 0.05 and heard.correlation > 0.6
    assert abs(heard.mouth_onset - heard.sound_onset - late / FPS) <= 0.09
    assert f"mouth {40 * late:+.0f} ms" in str(report)


def test_frames_without_a_face_are_bridged(sound, tmp_path):
    recording = film(tmp_path / "recording.mp4", sound)
    gaps = film(tmp_path / "gaps.mp4", sound, dark=(20, 21, 40))
    assert measure_sync(gaps, BrightMouth(), recording).offset == 0
    hidden = film(tmp_path / "hidden.mp4", sound, dark=range(5, FRAMES))
    with pytest.raises(ValueError, match="a face in 5 frames, at least 10"):
        measure_sync(hidden, BrightMouth())
