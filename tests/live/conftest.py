"""A driver of one face that moves sideways, and a pipeline whose untrained generator returns the warped photograph."""

import numpy as np
import pytest
import torch
from conftest import MODERN, tiny_config

from adaat_hf import AdaATGenerator, AdaATImageProcessor, AdaATLandmarker, FaceReenactmentPipeline, VideoWriter
from adaat_hf.bundled import bundled_path
from adaat_hf.control.fitting import FaceFitter
from adaat_hf.live import LiveAnimator
from adaat_hf.pipelines.sources import read_source


@pytest.fixture(scope="session")
def live_pipe(face_model):
    landmarker = AdaATLandmarker.from_pretrained(
        bundled_path("bundled/face"), subfolder="landmarker", dtype=torch.float32
    )
    torch.manual_seed(0)
    generator = AdaATGenerator(tiny_config(**MODERN)).eval()
    return FaceReenactmentPipeline(generator, face_model, AdaATImageProcessor(), landmarker)


@pytest.fixture
def animator(live_pipe, face_model, astronaut):
    landmarker = live_pipe.own_landmarker()
    photo = read_source(astronaut[:300, 70:390], landmarker, FaceFitter(face_model), 128)
    return LiveAnimator(live_pipe, photo, landmarker)


@pytest.fixture(scope="session")
def frames(astronaut):
    portrait = astronaut[:300, 70:390]
    return [np.roll(portrait, shift, axis=1) for shift in [0] * 10 + list(range(0, 40, 2))]


@pytest.fixture(scope="session")
def clip(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("live") / "driver.mp4"
    with VideoWriter(path, 15, 320, 300) as writer:
        for frame in frames:
            writer.write(frame)
    return path
