"""Loading from a Hub over HTTP, each time in a fresh process: an in-process test cannot see missing imports."""

import os
import subprocess
import sys

import pytest
from conftest import MODERN, tiny_config
from loopback_hub import LoopbackHub

from adaat_hf import AdaATGenerator, AdaATImageProcessor, FaceReenactmentPipeline


REPOSITORY = "org/tiny-face"


@pytest.fixture(scope="module")
def hub(tmp_path_factory, face_model):
    folder = tmp_path_factory.mktemp("repository")
    generator = AdaATGenerator(tiny_config(**MODERN))
    FaceReenactmentPipeline(generator, face_model, AdaATImageProcessor()).save_pretrained(folder)
    (folder / "face_landmarker.task").write_bytes(b"a model")
    server = LoopbackHub(folder, REPOSITORY)
    yield server
    server.close()


def run(code, hub, home, **environment):
    settings = {
        **os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0",
        **environment,
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.strip().splitlines(), done.stderr


LOAD = f"""
from adaat_hf import {{cls}}
pipe = {{cls}}.from_pretrained("{REPOSITORY}")
print(type(pipe).__name__, type(pipe.generator).__name__, pipe.generator.config.feature_channels, pipe.landmarker)
"""


@pytest.mark.slow
@pytest.mark.parametrize("cls", ["AdaATPipeline", "FaceReenactmentPipeline"])
def test_loads_from_the_hub_and_then_offline(hub, tmp_path, cls):
    status, lines, errors = run(LOAD.format(cls=cls), hub, tmp_path)
    assert status == 0, errors
    assert lines[-1] == "FaceReenactmentPipeline AdaATGenerator 12 None"
    asked = len(hub.requests)
    status, lines, errors = run(LOAD.format(cls=cls), hub, tmp_path, HF_HUB_OFFLINE="1")
    assert status == 0, errors
    assert len(hub.requests) == asked, "offline means no request"


@pytest.mark.slow
def test_diffusers_itself_loads_it_once_the_package_is_imported(hub, tmp_path):
    code = f"""
import adaat_hf
from diffusers import DiffusionPipeline
pipe = adaat_hf.FaceReenactmentPipeline.from_pretrained("{REPOSITORY}", revision="main")
print(isinstance(pipe, DiffusionPipeline), sorted(name for name, part in pipe.components.items() if part is not None))
"""
    status, lines, errors = run(code, hub, tmp_path)
    assert status == 0, errors
    assert lines[-1] == "True ['face_model', 'generator', 'image_processor']"


@pytest.mark.slow
def test_unknown_repositories_are_named(hub, tmp_path):
    status, _, errors = run(LOAD.format(cls="AdaATPipeline").replace(REPOSITORY, "org/none"), hub, tmp_path)
    assert status != 0 and "org/none" in errors.splitlines()[-1] + errors


@pytest.mark.slow
def test_mediapipes_model_can_come_from_the_hub(hub, tmp_path):
    code = f"""
from adaat_hf.processing.landmarks_mediapipe import fetch_model
print(fetch_model("hub:{REPOSITORY}").read_bytes())
try:
    fetch_model("hub:org/none")
except ValueError as error:
    print(str(error).splitlines()[0])
"""
    status, lines, errors = run(code, hub, tmp_path)
    assert status == 0, errors
    assert lines[0] == "b'a model'" and lines[1].startswith("The MediaPipe model cannot be had from 'hub:org/none'")
