"""The page, served on loopback with the bundled networks, and small files to give it."""

import json

import numpy as np
import PIL.Image
import pytest
from sounds import tone

from adaat_hf import SoundReader, VideoWriter, demo_motion
from adaat_hf.bundled import FIGURE_SAMPLE, VOICE_SAMPLE
from adaat_hf.control.demo_body_motion import demo_body_motion
from adaat_hf.processing.sound import encode_sound


pytest.importorskip("gradio", reason="needs gradio")
MAX_SECONDS = 4
MAX_MEGABYTES = 25


@pytest.fixture(scope="session")
def studio():
    from adaat_hf.app import Studio

    return Studio.load(device="cpu")


@pytest.fixture(scope="session")
def address(studio):
    from adaat_hf.app import AppSettings, build_app, launch_app

    settings = AppSettings(max_seconds=MAX_SECONDS, max_upload_megabytes=MAX_MEGABYTES, max_size=320)
    app = build_app(studio, settings)
    _, url, _ = launch_app(app, settings, prevent_thread_lock=True, quiet=True)
    yield url
    app.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory, astronaut, face_model, body_model):
    """Paths by name: photo, driver (a video with sound), motion, voice, figure, wave, pose."""
    folder = tmp_path_factory.mktemp("given")
    photo = astronaut[:320, 66:386]
    PIL.Image.fromarray(photo).save(folder / "photo.png")
    encode_sound(tone(1.0), 16_000, str(folder / "tone.wav"), "wav")
    with VideoWriter(folder / "driver.mp4", 8, 320, 320, sound_from=folder / "tone.wav") as writer:
        for number in range(8):
            writer.write(np.roll(photo, 2 * number, axis=1))
    demo_motion(face_model, seconds=1, fps=6).save(folder / "motion.safetensors")
    samples = np.concatenate(list(SoundReader(VOICE_SAMPLE)))[8_000:24_000]
    encode_sound(samples, 16_000, str(folder / "voice.wav"), "wav")
    wave = demo_body_motion(body_model, seconds=1, fps=6)
    wave.save(folder / "wave.safetensors")
    (folder / "pose.json").write_text(json.dumps(wave.coefficients.project(body_model)[3].tolist()))
    names = ("photo.png", "driver.mp4", "motion.safetensors", "voice.wav", "wave.safetensors", "pose.json")
    return {name.split(".")[0]: str(folder / name) for name in names} | {"figure": str(FIGURE_SAMPLE)}
