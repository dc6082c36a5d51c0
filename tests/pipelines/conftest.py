"""A pipeline whose untrained generator returns the warped source: real components, and faces that really move."""

import numpy as np
import pytest
import torch
from conftest import MODERN, tiny_config

from adaat_hf import AdaATGenerator, AdaATImageProcessor, AdaATLandmarker, FaceReenactmentPipeline, VideoWriter
from adaat_hf.bundled import bundled_path


@pytest.fixture(scope="session")
def landmark_networks() -> AdaATLandmarker:
    return AdaATLandmarker.from_pretrained(bundled_path("bundled/face"), subfolder="landmarker", dtype=torch.float32)


@pytest.fixture(scope="session")
def pipe(face_model, landmark_networks) -> FaceReenactmentPipeline:
    torch.manual_seed(0)
    generator = AdaATGenerator(tiny_config(**MODERN)).eval()
    pipeline = FaceReenactmentPipeline(generator, face_model, AdaATImageProcessor(), landmark_networks)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def portrait(astronaut) -> np.ndarray:
    """The astronaut's head and shoulders, (300, 320, 3)."""
    return np.ascontiguousarray(astronaut[:300, 70:390])


@pytest.fixture(scope="session")
def driving_clip(tmp_path_factory, portrait):
    """A clip of 12 frames in which the astronaut moves sideways and vanishes for two frames, with sound."""
    import av

    path = tmp_path_factory.mktemp("clips") / "driver.mp4"
    sound = path.with_name("sound.mp4")
    with av.open(str(sound), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        for start in range(0, 44100, 1024):
            wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / 44100)
            chunk = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = 44100, start
            file.mux(stream.encode(chunk))
        file.mux(stream.encode(None))
    with VideoWriter(path, 20, 320, 300, sound_from=sound) as writer:
        for number in range(12):
            frame = np.roll(portrait, 2 * number, axis=1)
            writer.write(np.full_like(frame, 90) if number in (4, 5) else frame)
    return path
