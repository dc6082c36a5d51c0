"""A loopback Hub, and fresh processes that use it: an in-process test cannot see missing imports."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import MODERN, tiny_config
from fresh_process import run_fresh
from loopback_hub import LoopbackHub

from adaat_hf import AdaATGenerator, AdaATImageProcessor, FaceReenactmentPipeline


@dataclass
class Visitor:
    """Somebody with a cache of their own."""

    hub: LoopbackHub
    home: Path

    def run(self, code, **environment):
        """Status, lines and errors of a fresh Python process."""
        return self._call(["-c", code], environment)

    def adaat(self, *arguments, **environment):
        """The same of the command line."""
        return self._call(["-m", "adaat_hf.cli", *arguments], environment)

    def _call(self, arguments, environment):
        settings = {
            **os.environ, "HF_ENDPOINT": self.hub.address, "HF_HOME": str(self.home), "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0", **environment,
        }  # fmt: skip
        settings.pop("HF_TOKEN", None) if "HF_TOKEN" not in environment else None
        done = run_fresh(arguments, settings)
        return done.returncode, done.stdout.strip().splitlines(), done.stderr


@pytest.fixture
def hub():
    server = LoopbackHub()
    yield server
    server.close()


@pytest.fixture
def visitor(hub, tmp_path):
    return Visitor(hub, tmp_path / "home")


@pytest.fixture(scope="session")
def tiny_pipeline(face_model):
    return FaceReenactmentPipeline(AdaATGenerator(tiny_config(**MODERN)), face_model, AdaATImageProcessor())


@pytest.fixture(scope="session")
def folder(tmp_path_factory, tiny_pipeline):
    """The pipeline's folder, with a MediaPipe file beside it."""
    path = tmp_path_factory.mktemp("repository")
    tiny_pipeline.save_pretrained(path)
    (path / "face_landmarker.task").write_bytes(b"a model")
    return path
