"""One face is followed: near its last place without a search, and by a search where it is not there."""

import numpy as np
import pytest

from adaat_hf.processing.backends import open_landmarker
from adaat_hf.processing.face_tracking import track_face


class Counting:
    """The bundled landmarker, with the number of frames that it searched."""

    def __init__(self, landmarker, near=True):
        self.landmarker, self.searched = landmarker, 0
        if near:
            self.detect_near, self.sure = landmarker.detect_near, landmarker.sure

    def detect(self, frames):
        self.searched += len(frames)
        return self.landmarker.detect(frames)


@pytest.fixture(scope="module")
def landmarker():
    return open_landmarker("bundled/face")


def moving(astronaut, steps):
    return [np.roll(astronaut[:300, 70:390], step, axis=1) for step in steps]


def eye_distance(points):
    return np.linalg.norm(points[:, 36] - points[:, 45], axis=-1).mean()


def test_following_finds_what_searching_finds(landmarker, astronaut):
    frames = moving(astronaut, range(0, 48, 2))
    followed, searched = Counting(landmarker), Counting(landmarker, near=False)
    near, full = (track_face(frames, detector) for detector in (followed, searched))
    assert near.found.all() and full.found.all()
    difference = np.linalg.norm(near.points - full.points, axis=-1).mean() / eye_distance(full.points)
    assert difference < 0.01
    assert searched.searched == 24 and followed.searched == 1, "only the first frame is searched"


def test_a_face_that_jumps_or_vanishes_is_searched_for(landmarker, astronaut):
    frames = moving(astronaut, [0] * 9 + [90] * 4)
    frames += [np.full_like(frames[0], 90)] * 3 + frames[9:10]
    detector = Counting(landmarker)
    track = track_face(frames, detector)
    assert track.found.tolist() == [True] * 13 + [False] * 3 + [True]
    assert detector.searched == 9
    moved = track.points[9:13].mean((0, 1)) - track.points[:9].mean((0, 1))
    np.testing.assert_allclose(moved, [90, 0], atol=2)


def test_a_second_face_does_not_draw_the_track_away(landmarker, astronaut):
    portrait = astronaut[:300, 70:390]
    alone = np.concatenate([portrait, np.full_like(portrait, 90)], 1)
    both = np.concatenate([portrait, portrait[:, ::-1]], 1)
    track = track_face([alone] * 8 + [both] * 8, landmarker)
    assert track.found.all() and np.ptp(track.points.mean(1), axis=0).max() < 2
