"""What a face does, measured on faces whose pose, expression and shape are known."""

import numpy as np
import pytest
import torch

from adaat_hf.evaluation.face_measures import (
    BackgroundFlicker,
    FaceClip,
    expression_error,
    jitter,
    keypoint_distance,
    lost_share,
    mouth_distance,
    mouth_shape_distance,
    mouth_sync,
    pose_error,
    shape_error,
)
from adaat_hf.expressions import ARKIT_EXPRESSIONS
from adaat_hf.processing.face_tracking import FaceTrack


FRAMES = 24


def face_track(model, *, turn=0.0, jaw=None, identity=None, moves=None, shift=0.0):
    """A clip of the face model: turned by an angle, its jaw opened over time, of somebody's shape, moved over time."""
    expression = torch.zeros(FRAMES, len(ARKIT_EXPRESSIONS))
    if jaw is not None:
        expression[:, ARKIT_EXPRESSIONS.index("jawOpen")] = torch.as_tensor(jaw).float()
    angle = torch.tensor(turn)
    rotation = torch.tensor([[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]])
    who = torch.zeros(model.config.num_identity) if identity is None else identity
    points = model(
        who.expand(FRAMES, -1), expression, rotation.expand(FRAMES, 3, 3), torch.full((FRAMES,), 80.0),
        torch.full((FRAMES, 2), 128.0 + shift),
    ).numpy()  # fmt: skip
    if moves is not None:
        points = points + np.asarray(moves)[:, None, None]
    return FaceTrack(points.astype(np.float32), np.ones(points.shape[:2], np.float32))


@pytest.fixture
def still(face_model):
    return face_track(face_model)


def test_equal_clips_have_no_errors(still, fitter, face_model):
    clip = FaceClip.fit(still, fitter)
    assert (
        keypoint_distance(still, still)
        == mouth_distance(still, still)
        == jitter(still)
        == lost_share(still, still)
        == 0
    )
    assert expression_error(clip, clip) == shape_error(clip, clip, face_model) == 0
    assert pose_error(clip, clip) == pytest.approx(0, abs=1e-3)


def test_distances_by_hand(still, face_model):
    moved = face_track(face_model, shift=3.0)
    assert keypoint_distance(moved, still) == pytest.approx(3 * 2**0.5, rel=1e-4)
    assert mouth_distance(moved, still) == pytest.approx(0, abs=1e-4), "the mouth's shape is the same"
    wider = FaceTrack(still.points.copy(), still.visibility)
    wider.points[:, 48] -= [4, 0]
    eyes = np.linalg.norm(still.points[0, 36] - still.points[0, 45])
    # One of 20 points moves by 4 px, the centre by 4/20 with it.
    assert mouth_distance(wider, still) == pytest.approx(100 * (19 * 0.2 + 3.8) / 20 / eyes, rel=1e-4)
    assert mouth_shape_distance(wider, still) == pytest.approx(mouth_distance(wider, still), rel=1e-6)


def test_mouths_of_faces_of_another_size_are_compared_by_their_shape(still):
    larger = FaceTrack(3 * still.points, still.visibility)
    assert mouth_shape_distance(larger, still) == pytest.approx(0, abs=1e-4) and mouth_distance(larger, still) > 20
    wider = FaceTrack(still.points.copy(), still.visibility)
    wider.points[:, 48] -= [4, 0]
    larger = FaceTrack(3 * wider.points, still.visibility)
    assert mouth_shape_distance(larger, still) == pytest.approx(mouth_distance(wider, still), rel=1e-4)


def test_head_pose_in_degrees(still, fitter, face_model):
    turned = FaceClip.fit(face_track(face_model, turn=0.2), fitter)
    assert pose_error(turned, FaceClip.fit(still, fitter)) == pytest.approx(np.degrees(0.2), abs=1.0)


def test_expressions_and_shapes_are_told_apart(still, fitter, face_model):
    here = FaceClip.fit(still, fitter)
    jaws = (0.0, 0.3, 0.6)
    errors = [
        expression_error(FaceClip.fit(face_track(face_model, jaw=np.linspace(0, jaw, FRAMES)), fitter), here)
        for jaw in jaws
    ]
    # The fit takes some of the jaw for its neighbours, but more of it is more.
    assert errors[0] == 0 and 0.3 / 2 / 52 < errors[1] < errors[2] < 0.05
    talking = FaceClip.fit(face_track(face_model, jaw=np.linspace(0, 0.6, FRAMES)), fitter)
    who = torch.zeros(face_model.config.num_identity)
    who[:4] = torch.tensor([1.5, -1.5, 1.0, 1.0])
    other = FaceClip.fit(face_track(face_model, identity=who), fitter)
    assert shape_error(other, here, face_model) > 5 * shape_error(FaceClip.fit(still, fitter), here, face_model) + 1
    assert shape_error(other, here, face_model) > 2 * shape_error(talking, here, face_model)


def test_jitter_counts_trembling_and_not_even_motion(face_model):
    even = face_track(face_model, moves=2.0 * np.arange(FRAMES))
    trembling = face_track(face_model, moves=1.0 * (np.arange(FRAMES) % 2))
    eyes = np.linalg.norm(even.points[0, 36] - even.points[0, 45])
    assert jitter(even) == pytest.approx(0, abs=1e-3)
    # Second differences of 0, 1, 0, 1 ... are 2 in x and in y.
    assert jitter(trembling) == pytest.approx(100 * 2 * 2**0.5 / eyes, rel=1e-4)


@pytest.mark.parametrize("delay", [-3, 0, 2])
def test_a_late_or_early_mouth_is_measured_in_milliseconds(face_model, delay):
    curve = 0.3 + 0.3 * np.sin(np.arange(FRAMES + 8) * 0.9) * np.cos(np.arange(FRAMES + 8) * 0.37)
    reference = face_track(face_model, jaw=curve[4 : 4 + FRAMES])
    painted = face_track(face_model, jaw=curve[4 - delay : 4 - delay + FRAMES])
    offset, correlation = mouth_sync(painted, reference, 25.0)
    assert offset == pytest.approx(40 * abs(delay)) and correlation > 0.97


def test_a_mouth_that_stands_still_has_no_offset(still, face_model):
    moving = face_track(face_model, jaw=np.linspace(0, 1, FRAMES))
    assert np.isnan(mouth_sync(still, moving, 25.0)).all()


def test_frames_without_a_face_are_counted_and_left_out(still, fitter, face_model):
    lost = FaceTrack(still.points.copy(), still.visibility.copy())
    lost.visibility[:6], lost.points[:6] = 0, 0
    assert lost_share(lost, still) == 25 and keypoint_distance(lost, still) == 0 and jitter(lost) == 0
    nothing = FaceTrack(np.zeros_like(still.points), np.zeros_like(still.visibility))
    empty, here = FaceClip.fit(nothing, fitter), FaceClip.fit(still, fitter)
    assert empty.face is None and lost_share(nothing, still) == 100
    measured = [
        keypoint_distance(nothing, still), mouth_distance(nothing, still), mouth_shape_distance(nothing, still),
        jitter(nothing), expression_error(empty, here), pose_error(empty, here), shape_error(empty, here, face_model),
    ]  # fmt: skip
    assert np.isnan(measured).all()


def test_flicker_is_counted_beside_the_face_only(still):
    frames = [np.full((400, 400, 3), 100, np.uint8) for _ in range(4)]
    box = still.points.reshape(-1, 2)
    inside = tuple(slice(int(box[:, axis].min()), int(box[:, axis].max())) for axis in (1, 0))
    for number, frame in enumerate(frames):
        frame[inside] = 50 * number
    flicker = BackgroundFlicker(still)
    for frame in frames:
        flicker.add(frame)
    assert flicker.value == 0, "the face may change"
    for number, frame in enumerate(frames):
        frame[:] = 100 + 6 * (number % 2)
        flicker.add(frame)
    assert BackgroundFlicker(still).value != BackgroundFlicker(still).value, "nothing was seen yet"
    everywhere = BackgroundFlicker()
    for frame in frames:
        everywhere.add(frame)
    assert everywhere.value == 6
