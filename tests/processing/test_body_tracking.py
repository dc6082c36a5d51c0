"""One person is followed through a clip, whoever else is there, and after a while out of sight."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adaat_hf import BodyKeypoints
from adaat_hf.processing.backends import open_body_detector
from adaat_hf.processing.body_tracking import BodyTracker, track_body


def body(x, size=100.0):
    points = np.random.default_rng(0).uniform(0, 1, (18, 2)) * [0.4 * size, size] + [x, 50]
    return BodyKeypoints(points.astype(np.float32), "body18", np.ones(18, np.float32))


class Listed:
    """A detector that returns what was listed, frame by frame."""

    def __init__(self, frames):
        self.left = list(frames)

    def detect(self, frames):
        return [self.left.pop(0) for _ in frames]


def follow(frames, person=0):
    blank = np.zeros((len(frames), 8, 8, 3), np.uint8)
    return track_body(blank, Listed(frames), person, batch_size=3)


def test_the_followed_person_is_the_nearest_not_the_largest():
    frames = [[body(100 + 5 * n), body(400 - 5 * n, 60 + 20 * n)] for n in range(6)]
    track = follow([sorted(found, key=lambda one: -one.size) for found in frames])
    assert track.found.all() and track.size == (8, 8)
    np.testing.assert_allclose(track.points[:, :, 0].min(1), [100 + 5 * n for n in range(6)], atol=4)


def test_another_person_can_be_followed():
    track = follow([[body(100), body(300, 80)]] * 3, person=1)
    assert (track.points[:, :, 0] > 290).all()


def test_a_stranger_is_not_taken_for_the_person_who_left():
    track = follow([[body(100)], [body(500)], [body(104)], []])
    assert track.found.tolist() == [True, False, True, False]
    assert not track.points[1].any()


def test_somebody_who_walked_on_while_hidden_is_found_again():
    track = follow([[body(100)], [], [], [body(190)]])
    assert track.found.tolist() == [True, False, False, True]


def test_tracking_begins_when_the_wanted_person_appears():
    tracker = BodyTracker(person=1)
    assert tracker.choose([body(0)]) is None
    assert tracker.choose([]) is None
    assert tracker.choose([body(0), body(300, 70)]).points[:, 0].min() > 290


@pytest.fixture(scope="module")
def astronauts_steps(astronaut):
    """A portrait, cut off at the chest, that moves to the right; then she jumps to the left."""
    wide = np.pad(astronaut[:, :400], ((0, 0), (200, 100), (0, 0)), constant_values=110)
    return [np.roll(wide, step, axis=1) for step in (*range(0, 51, 3), *[-60] * 3)]


def test_the_bundled_detector_follows_without_searching(astronauts_steps):
    detector = open_body_detector("bundled/person")
    searched = []

    class Counting:
        detect_near, sure = staticmethod(detector.detect_near), detector.sure

        def detect(self, frames):
            searched.append(len(frames))
            return detector.detect(frames)

    found = track_body(astronauts_steps, Counting())
    assert found.found.all()
    assert sum(searched) <= 1 + 3, "the first frame, and where she jumped"
    shoulders = found.points[:, [2, 5], 0].mean(1)
    np.testing.assert_allclose(np.diff(shoulders[:17]), 3, atol=5)
    assert shoulders[-1] - shoulders[16] == pytest.approx(-108, abs=15)


@pytest.mark.parametrize(
    ("score", "searched", "expected"),
    [
        (0.99, [], 104),
        (0.9, [body(108)], 108),
        (0.9, [body(500)], 104),
        (0.9, [], 104),
        (None, [body(108)], 108),
        (None, [], None),
    ],
)
def test_who_is_not_surely_there_is_searched_for_and_not_given_up(score, searched, expected):
    near = None if score is None else replace(body(104), score=score)
    listed = Listed([[body(100)], searched])

    class Near:
        detect, sure = listed.detect, 0.98
        detect_near = staticmethod(lambda frames, last: [near] * len(frames))

    track = track_body(np.zeros((2, 8, 8, 3), np.uint8), Near())
    assert track.found.tolist() == [True, expected is not None]
    if expected is not None:
        np.testing.assert_allclose(track.points[1], body(expected).points)
    assert bool(listed.left) == (score == 0.99)


@pytest.mark.parametrize(("score", "searches"), [(0.99, 1), (0.95, 2)])
def test_the_bundled_detector_searches_where_the_followed_body_is_unsure(astronaut, monkeypatch, score, searches):
    detector = open_body_detector("bundled/person")
    judge, detect, searched = detector._judge, detector.detect, []

    def judged(crops):
        points, seen, presence = judge(crops)
        return points, seen, torch.full_like(presence, score).logit()

    monkeypatch.setattr(detector, "_judge", judged)
    monkeypatch.setattr(detector, "detect", lambda frames: searched.append(len(frames)) or detect(frames))
    assert track_body([astronaut] * 2, detector).found.all()
    assert sum(searched) == searches
