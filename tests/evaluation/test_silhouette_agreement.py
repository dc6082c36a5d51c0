"""Silhouettes by colours, by a network and by both, compared with a teacher's."""

import numpy as np
import pytest
from red_bodies import RedAndBlue, red_before_green

from adaat_hf import AdaATLandmarker, AdaATLandmarkerConfig, BodyKeypoints, TorchBodyDetector
from adaat_hf.evaluation.silhouette_agreement import compare_silhouettes


class Teacher:
    """Knows where a body stands, and takes all that is red for it."""

    def __init__(self, points):
        self.points = points

    def detect(self, frames):
        red = (frames[0, ..., 0] > 128) & (frames[0, ..., 1] < 128)
        if not red.any():
            return [[]]
        return [[BodyKeypoints(self.points, "body18", np.ones(18, np.float32), silhouette=red.astype(np.float32))]]


@pytest.fixture
def points(standing_pose):
    return (standing_pose * [170, 230] + [45, 20]).astype(np.float32)


def test_each_way_is_compared_with_the_teachers_silhouette(points):
    plain = red_before_green(points, 300, 260)
    shared = plain.copy()
    # A red wall beside the person, which the network calls body as well.
    shared[:, :80] = (255, 0, 0)
    summary = compare_silhouettes([plain, np.zeros_like(plain)], TorchBodyDetector(RedAndBlue()), Teacher(points))
    assert summary["count"] == 1
    assert summary["network"] > 0.9 and summary["both"] > 0.9 and summary["colours"] > 0.9
    worse = compare_silhouettes([plain, shared], TorchBodyDetector(RedAndBlue()), Teacher(points))
    assert worse["count"] == 2 and worse["colours"] < summary["colours"]


def test_what_cannot_be_compared_is_refused(points):
    blank = np.zeros((300, 260, 3), np.uint8)
    with pytest.raises(ValueError, match="None of the pictures shows a body of at least 80 px"):
        compare_silhouettes([blank], TorchBodyDetector(RedAndBlue()), Teacher(points))
    settings = {"layout": "body18", "num_keypoints": 18, "crop_size": 64, "channels": (8, 8, 8)}
    unable = TorchBodyDetector(AdaATLandmarker(AdaATLandmarkerConfig(**settings)))
    with pytest.raises(ValueError, match=r"config\.parts is False, expected True"):
        compare_silhouettes([blank], unable, Teacher(points))
