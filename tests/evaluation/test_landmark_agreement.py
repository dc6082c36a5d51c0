"""Agreement of two landmark detectors, and of the bundled one with MediaPipe on clips it was not trained on."""

import numpy as np
import pytest

from adaat_hf import FaceLandmarks, MediaPipeLandmarker, VideoReader
from adaat_hf.evaluation.landmark_agreement import compare_landmarkers, normalised_mean_error
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
    shifted = compare_landmarkers(picture, Fixed(face + [1, 0]), Fixed(face, small))
    assert shifted.errors == pytest.approx([0.02], rel=1e-3) and shifted.lost == shifted.extra == 0
    lost = compare_landmarkers(picture * 3, Fixed(far), Fixed(face)).summary()
    assert lost["faces"] == 3 and lost["lost"] == 1 and lost["extra"] == 3
    assert normalised_mean_error(face, face) == 0


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["faces/val", "real/clips"])
def test_the_bundled_landmarker_agrees_with_mediapipe(shared, folder):
    def frames():
        for number, path in enumerate(sorted((shared / "data" / folder).glob("*.mp4"))):
            if folder == "real/clips" or number % 3 == 0:
                yield from (frame for index, frame in enumerate(VideoReader(path)) if index % 40 == 7)

    teacher = MediaPipeLandmarker(shared / "assets" / "mediapipe" / "face_landmarker.task")
    summary = compare_landmarkers(frames(), open_landmarker("bundled/face"), teacher).summary()
    assert summary["faces"] > 40
    assert summary["nme"] < 0.06 and summary["lost"] < 0.02, summary
