"""Key points of clips from files: arrays, lists, OpenPose's folders; what is missing, wrong or too little."""

import json

import numpy as np
import pytest

from adaat_hf import PoseError, read_pose_sequence
from adaat_hf.processing.pose_sequences import is_pose_folder, poses_to_track


@pytest.fixture
def moving(standing_pose):
    pose = standing_pose * [176, 256]
    return np.stack([pose + [5 * n, 0] for n in range(4)]).astype(np.float32)


def test_arrays_bring_rate_size_and_missing_points(tmp_path, moving):
    points = moving.copy()
    points[1] = np.nan
    points[2, 4] = np.nan
    np.savez(tmp_path / "walk.npz", points=points, fps=12.5, size=np.array([256, 176]))
    found = read_pose_sequence(tmp_path / "walk.npz")
    assert found.fps == 12.5 and found.track.size == (256, 176)
    assert found.track.found.tolist() == [True, False, True, True]
    assert found.track.visibility[2, 4] == 0 and found.track.visibility[2].sum() == 17
    np.testing.assert_allclose(found.track.points[3], points[3], atol=1e-3)
    np.save(tmp_path / "walk.npy", np.dstack([moving, np.ones((4, 18))]))
    assert read_pose_sequence(tmp_path / "walk.npy").track.found.all()


def test_a_folder_of_openpose_is_one_clip(tmp_path, moving):
    for number, frame in enumerate(moving):
        person = {"pose_keypoints_2d": np.c_[frame, np.ones(18)].ravel().tolist()}
        other = {"pose_keypoints_2d": np.c_[frame + 500, np.ones(18)].ravel().tolist()}
        people = [] if number == 1 else [person, other]
        (tmp_path / f"clip_{number:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    assert is_pose_folder(tmp_path) and not is_pose_folder(tmp_path / "nothing")
    track = read_pose_sequence(tmp_path).track
    assert track.found.tolist() == [True, False, True, True]
    np.testing.assert_allclose(read_pose_sequence(tmp_path, person=1).track.points[0], moving[0] + 500, atol=1e-3)


def test_a_json_list_is_one_pose_per_frame(tmp_path, moving):
    (tmp_path / "walk.json").write_text(json.dumps(moving.tolist()))
    np.testing.assert_allclose(read_pose_sequence(tmp_path / "walk.json").track.points, moving, atol=1e-3)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"points": np.zeros((3, 21, 2))}, r"There are 21 points, expected 17 \(coco17\), 18"),
        ({"points": np.zeros((3, 18))}, r"'points' of shape \(3, 18\), expected"),
        ({"poses": np.zeros((3, 18, 2))}, "expected 'points'"),
        ({"points": np.full((3, 18, 2), np.nan)}, "None of the 3 frames .* has a pose"),
        ({"points": np.ones((3, 18, 2)), "visibility": np.ones((3, 17))}, r"'visibility' .* expected \(3, 18\)"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(PoseError, match=message):
        read_pose_sequence(tmp_path / "bad.npz")


def test_points_in_another_order_are_refused(moving):
    order = np.random.default_rng(1).permutation(18)
    with pytest.raises(PoseError, match="seem not to be in the order"):
        poses_to_track(moving[:, order])
