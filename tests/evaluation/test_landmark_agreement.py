"""Agreement of two landmark detectors, and of the bundled one with MediaPipe on clips it was not trained on."""

import numpy as np
import pytest

from adaat_hf import BodyKeypoints, FaceLandmarks, MediaPipeLandmarker, VideoReader
from adaat_hf.evaluation.landmark_agreement import body_error, compare_detectors, face_error, normalised_mean_error
from adaat_hf.processing.backends import open_landmarker


class Fixed:
    """A detector that always returns the same faces."""

    def __init__(self, *faces):
        self.faces = [FaceLandmarks(points.astype(np.float32), "face96", np.ones(96, np.float32)) for points in faces]

    def detect(self, frames):
        return [self.faces for _ in frames]


def test_errors_losses_and_extras_are_counted():
    face = np.random.default_rng(0).uniform(0, 100, (96, 2))
    face[36], face[45] = [0, 0], [50, 0]
    far, small = face + 500, face * 0.1 + 300
    picture = [np.zeros((8, 8, 3), np.uint8)]
    shifted = compare_detectors(picture, Fixed(face + [1, 0]), Fixed(face, small), face_error)
    assert shifted.errors == pytest.approx([0.02], rel=1e-3) and shifted.lost == shifted.extra == 0
    lost = compare_detectors(picture * 3, Fixed(far), Fixed(face), face_error).summary()
    assert lost["count"] == 3 and lost["lost"] == 1 and lost["extra"] == 3
    assert normalised_mean_error(face, face) == 0


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["faces/val", "real/clips"])
def test_the_bundled_landmarker_agrees_with_mediapipe(shared, folder):
    def frames():
        for number, path in enumerate(sorted((shared / "data" / folder).glob("*.mp4"))):
            if folder == "real/clips" or number % 3 == 0:
                yield from (frame for index, frame in enumerate(VideoReader(path)) if index % 40 == 7)

    teacher = MediaPipeLandmarker(shared / "assets" / "mediapipe" / "face_landmarker.task")
    summary = compare_detectors(frames(), open_landmarker("bundled/face"), teacher, face_error).summary()
    assert summary["count"] > 40
    assert summary["error"] < 0.06 and summary["lost"] < 0.02, summary


def test_body_errors_are_in_units_of_the_body(standing_pose):
    points = standing_pose * [176, 256]
    truth = BodyKeypoints(points.astype(np.float32), "body18", np.ones(18, np.float32))
    torso = np.linalg.norm(points[[2, 5]].mean(0) - points[[8, 11]].mean(0))
    seen = np.ones(18, np.float32)
    seen[:9] = 0
    moved = points + [0.1 * torso, 0]
    moved[:9] += 500
    error = body_error(BodyKeypoints(moved.astype(np.float32), "body18", seen), truth)
    assert error == pytest.approx(0.1, rel=0.2), "points that are not seen do not count"
    assert np.isnan(body_error(BodyKeypoints(moved.astype(np.float32), "body18", 0 * seen), truth))
