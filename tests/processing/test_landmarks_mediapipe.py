"""Where MediaPipe's model file comes from, and that only the official one is accepted."""

import hashlib

import pytest
from loopback_hub import LoopbackHub

from adaat_hf.processing import landmarks_mediapipe
from adaat_hf.processing.backends import open_landmarker
from adaat_hf.processing.landmarks_mediapipe import MediaPipeLandmarker, fetch_model


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub with one repository; its file stands in for the official one, too."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "face_landmarker.task").write_bytes(b"a model")
    server = LoopbackHub()
    server.add("org/mediapipe", folder)
    monkeypatch.setattr(landmarks_mediapipe, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        landmarks_mediapipe, "MODEL_URL", f"{server.address}/org/mediapipe/resolve/main/face_landmarker.task"
    )
    yield server
    server.close()


def test_the_official_file_is_downloaded_once_and_checked(hub, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="cannot be had from 'official': invalid hash value"):
        fetch_model("official")
    assert not (tmp_path / "home" / "adaat_hf" / "face_landmarker.task").exists()
    monkeypatch.setattr(landmarks_mediapipe, "MODEL_SHA256", hashlib.sha256(b"a model").hexdigest())
    assert fetch_model("official").read_bytes() == b"a model"
    asked = len(hub.requests)
    assert fetch_model("official").read_bytes() == b"a model" and len(hub.requests) == asked


def test_other_files_and_missing_files_are_refused(tmp_path):
    (tmp_path / "other.task").write_bytes(b"another model")
    with pytest.raises(ValueError, match="the official Face Landmarker"):
        open_landmarker(f"mediapipe:{tmp_path / 'other.task'}")
    with pytest.raises(FileNotFoundError, match="its official address is https"):
        open_landmarker("mediapipe:none.task")


def test_the_official_model_finds_the_astronaut(shared, astronaut):
    landmarker = MediaPipeLandmarker(shared / "assets" / "mediapipe" / "face_landmarker.task")
    (face,) = landmarker.detect(astronaut[None])[0]
    points, visibility = face.as_face96()
    assert face.layout == "mesh478" and visibility.all() and abs(points[30, 0] - 225) < 25
