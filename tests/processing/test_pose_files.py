"""Poses from files and lists: every documented form is read alike, everything else is refused with a sentence."""

import json

import numpy as np
import pytest
import torch

from adaat_hf import PoseError, as_pose, read_pose_file
from adaat_hf.processing.body_keypoints import COCO17_TO_BODY18


@pytest.fixture
def points(standing_pose):
    return standing_pose * [176, 256]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def openpose(points, **more):
    flat = [value for x, y in points.tolist() for value in (x, y, 0.9)]
    return {"version": 1.3, "people": [{"pose_keypoints_2d": flat}], **more}


def as_coco(points):
    coco = np.zeros((17, 2))
    for index, other in enumerate(COCO17_TO_BODY18):
        if other >= 0:
            coco[other] = points[index]
    return coco


def test_all_json_forms_give_the_same_pose(points, tmp_path):
    coco = [value for x, y in as_coco(points).tolist() for value in (x, y, 2)]
    forms = {
        "openpose": openpose(points, canvas_width=176, canvas_height=256),
        "coco": {
            "images": [{"id": 7, "width": 176, "height": 256}],
            "annotations": [{"image_id": 7, "keypoints": coco}],
        },
        "one annotation": {"keypoints": coco},
        "list": points.tolist(),
        "list with visibility": [[x, y, 1] for x, y in points.tolist()],
        "own": {"keypoints": points.tolist(), "visibility": [1] * 18, "size": [256, 176]},
        "list of one": [points.tolist()],
    }
    for number, (name, form) in enumerate(forms.items()):
        (pose,) = read_pose_file(write(tmp_path / f"{number}.json", form))
        expected = points.copy()
        if "coco" in name or "annotation" in name:
            expected[1] = points[[2, 5]].mean(0)
        np.testing.assert_allclose(pose.points, expected, atol=1e-3, err_msg=name)
        assert pose.visibility.all()
        if name in ("openpose", "coco", "own"):
            assert pose.size == (256, 176), name


def test_numpy_files_may_hold_several_poses(points, tmp_path):
    np.savez(tmp_path / "one.npz", points=points, visibility=np.ones(18), size=np.array([256, 176]))
    np.savez(tmp_path / "two.npz", points=np.stack([points, points + 5]))
    np.save(tmp_path / "three.npy", points)
    assert read_pose_file(tmp_path / "one.npz")[0].size == (256, 176)
    first, second = read_pose_file(tmp_path / "two.npz")
    np.testing.assert_allclose(second.points - first.points, 5, atol=1e-4)
    assert len(read_pose_file(tmp_path / "three.npy")) == 1


def test_several_people_and_several_lists_are_several_poses(points, tmp_path):
    file = openpose(points)
    file["people"] *= 3
    assert len(read_pose_file(write(tmp_path / "people.json", file))) == 3
    assert len(read_pose_file(write(tmp_path / "lists.json", [points.tolist(), (points + 4).tolist()]))) == 2
    assert len(read_pose_file(write(tmp_path / "frames.json", [openpose(points), openpose(points)]))) == 2


@pytest.mark.parametrize(
    "missing", [None, [-1, -1], [50, 80, 0], [float("nan"), 3], {"x": 5, "y": 5, "visibility": 0}]
)
def test_missing_points_in_every_form(points, missing):
    values = points.tolist()
    values[4] = missing
    pose = as_pose(values)
    assert pose.visibility[4] == 0 and pose.visibility.sum() == 17
    assert (pose.points[4] == 0).all() and np.isfinite(pose.points).all()


def test_integers_do_not_collapse(points):
    whole = points.round().astype(int)
    for form in (whole, whole.tolist(), torch.from_numpy(whole)):
        np.testing.assert_array_equal(as_pose(form).points, whole)


def test_shares_of_a_picture_need_its_size(standing_pose):
    pose = as_pose(standing_pose, size=(256, 176))
    np.testing.assert_allclose(pose.points, standing_pose * [176, 256] - 0.5, atol=1e-4)
    with pytest.raises(PoseError, match="shares of a picture whose size must be given"):
        as_pose(standing_pose)


def test_mediapipe_landmarks_as_objects(points):
    landmarks = [{"x": 0.5, "y": 0.5, "z": 0, "visibility": 0.0}] * 33
    from adaat_hf.processing.body_keypoints import MEDIAPIPE33_TO_BODY18

    for index, other in enumerate(MEDIAPIPE33_TO_BODY18):
        if other >= 0:
            landmarks[other] = {"x": points[index, 0] / 176, "y": points[index, 1] / 256, "z": 0, "visibility": 0.9}
    pose = as_pose(landmarks, size=(256, 176))
    np.testing.assert_allclose(pose.points[3], points[3] - 0.5, atol=1e-3)
    assert pose.visibility.all()


def test_points_in_a_wrong_order_are_refused(points):
    swapped = np.random.default_rng(1).permutation(points)
    with pytest.raises(PoseError, match="seem not to be in the order nose, neck"):
        as_pose(swapped)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((19, 2)), "There are 19 points, expected 17 .coco17., 18"),
        ([[-1, -1]] * 18, "0 of 18 points are there, at least 3"),
        ([[30, 40]] * 18, "All points are at the same place"),
        ([[1, 2, 3, 4]] * 18, "has 4 numbers"),
        (["a", "b"] * 9, "is no point"),
        ("text", "The points are a str"),
    ],
)
def test_unusable_lists_are_refused(values, message):
    with pytest.raises(PoseError, match=message):
        as_pose(values)


def test_visibility_must_match(points):
    with pytest.raises(PoseError, match="There are 3 visibilities for 18 points"):
        as_pose(points, visibility=[1, 1, 1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "is no json"),
        ("a.json", "[]", "holds no person"),
        ("a.json", '{"people": []}', "holds no person"),
        ("a.json", '{"people": [{"face": 1}]}', "expected 'pose_keypoints_2d'"),
        ("a.json", '{"frames": 3}', "expected 'people', 'annotations' or 'keypoints'"),
        ("a.json", '{"keypoints": [1, 2, 3, 4]}', "there are 4 numbers"),
        ("a.txt", "1 2", "it is no pose file"),
        ("a.npz", "text", "cannot be read as plain arrays"),
    ],
)
def test_unusable_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(PoseError, match=message):
        read_pose_file(path)


def test_an_npz_without_arrays_says_what_is_missing(tmp_path):
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(PoseError, match=r"it holds \[\], expected an array 'points'"):
        read_pose_file(tmp_path / "empty.npz")


def test_pickles_are_not_loaded(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(PoseError, match="cannot be read as plain arrays"):
        read_pose_file(tmp_path / "evil.npy")
    with pytest.raises(FileNotFoundError, match="'none.json' does not exist"):
        read_pose_file("none.json")
