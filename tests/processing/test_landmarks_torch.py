"""The bundled landmarker on a photograph that nobody trained it on."""

import cv2
import numpy as np
import pytest

from adaat_hf.processing.backends import open_landmarker


@pytest.fixture(scope="module")
def landmarker():
    return open_landmarker("bundled/face")


def test_the_face_of_a_whole_photograph_is_found(landmarker, astronaut):
    (face,) = landmarker.detect(astronaut[None])[0]
    points = face.points
    assert np.linalg.norm(points[30] - [225, 125]) < 25, "the nose's tip"
    assert points[36:42, 0].mean() < points[30, 0] < points[42:48, 0].mean()
    assert points[36:48, 1].mean() < points[30, 1] < points[48:68, 1].mean() < points[8, 1]
    assert face.layout == "face96" and face.visibility.all() and 0.5 <= face.score <= 1


@pytest.mark.parametrize("size", [180, 900])
def test_landmarks_scale_with_the_picture(landmarker, astronaut, size):
    expected = landmarker.detect(astronaut[None])[0][0].points * size / 512
    way = cv2.INTER_AREA if size < 512 else cv2.INTER_CUBIC
    scaled = cv2.resize(astronaut, (size, size), interpolation=way)
    found = landmarker.detect(scaled[None])[0][0].points
    unit = np.linalg.norm(expected[36] - expected[45])
    assert np.linalg.norm(found - expected, axis=-1).mean() / unit < 0.06


def test_batches_give_the_same_as_single_frames(landmarker, astronaut):
    frames = np.stack([np.roll(astronaut, shift, axis=1) for shift in (0, 40, 80)] + [np.full_like(astronaut, 90)])
    batch = landmarker.detect(frames)
    assert [len(faces) for faces in batch] == [1, 1, 1, 0]
    for frame, faces in zip(frames[:3], batch[:3], strict=True):
        np.testing.assert_allclose(landmarker.detect(frame[None])[0][0].points, faces[0].points, atol=0.05)


def test_several_faces_come_largest_first(landmarker, astronaut):
    portrait = astronaut[:300, 70:390]
    small = cv2.resize(portrait, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    both = np.full((300, 520, 3), 120, np.uint8)
    both[100 : 100 + small.shape[0], 4 : 4 + small.shape[1]] = small
    both[:, 200:] = portrait
    first, second = landmarker.detect(both[None])[0]
    assert first.size > second.size and first.points[30, 0] > 200 > second.points[30, 0]
