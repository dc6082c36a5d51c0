"""`make demo` without make: the script animates the astronaut, lets her talk, and says where the results are."""

import math
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT
from fresh_process import run_fresh
from sounds import lag

from adaat_hf import VideoReader, demo_motion
from adaat_hf.bundled import VOICE_SAMPLE
from adaat_hf.processing.sound import encode_sound, load_sound


@pytest.mark.slow
def test_demo_animates_the_astronaut(tmp_path, astronaut, face_model):
    motion = demo_motion(face_model)
    every = replace(motion, coefficients=motion.coefficients.frames(slice(0, None, 5)))
    voice = load_sound(VOICE_SAMPLE)[: 2 * 16_000]
    encode_sound(voice, 16_000, str(tmp_path / "voice.wav"), "wav")
    options = ["--driving", every.save(tmp_path / "every.safetensors"), "--audio", tmp_path / "voice.wav"]
    done = run_fresh([ROOT / "scripts" / "demo.py", "--output", tmp_path, *options], timeout=500)
    assert done.returncode == 0, done.stderr
    video, sheet = tmp_path / "reenacted.mp4", tmp_path / "contact_sheet.jpg"
    assert str(video.resolve()) in done.stdout and str(sheet.resolve()) in done.stdout
    frames = list(VideoReader(video))
    assert len(frames) == 25 and frames[0].shape == (320, 320, 3)
    change = np.abs(np.stack(frames[::2]).astype(int) - astronaut[:320, 66:386]).mean(-1)
    assert change[:, 60:180, 94:214].mean() > 3, "the face moves"
    assert change[:, 260:, :200].mean() < 3, "the rest, but for the label on the right, does not"
    assert PIL.Image.open(sheet).width == 6 * 240
    talking = tmp_path / "talking.mp4"
    assert str(talking.resolve()) in done.stdout
    assert len(list(VideoReader(talking))) == math.ceil(len(voice) / 16_000 * 25)
    assert abs(lag(load_sound(talking, video_time=True), voice)) <= 8, "the voice is heard in time"
