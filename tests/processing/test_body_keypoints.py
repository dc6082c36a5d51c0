"""Layouts of body key points: every joint lands where it belongs, the neck is derived, mirroring swaps the sides."""

import numpy as np
import pytest

from adaat_hf import BodyKeypoints
from adaat_hf.processing.body_keypoints import BODY18, BODY18_NAMES, TO_BODY18


COCO17 = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
    " left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()
# https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
MEDIAPIPE33 = (
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear mouth_left"
    " mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky right_pinky"
    " left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel"
    " right_heel left_foot_index right_foot_index"
).split()
OPENPOSE25 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip right_knee"
    " right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
).split() + ["foot"] * 6
NAMES = {"coco17": COCO17, "mediapipe33": MEDIAPIPE33, "openpose25": OPENPOSE25, "body18": list(BODY18_NAMES)}


@pytest.mark.parametrize("layout", sorted(TO_BODY18))
def test_every_joint_lands_where_it_belongs(layout):
    names = NAMES[layout]
    points = np.array([[10 * n, 10 * n + 3] for n in range(len(names))], np.float32)
    found, visibility = BodyKeypoints(points, layout, np.ones(len(names), np.float32)).as_body18()
    for index, name in enumerate(BODY18_NAMES):
        if name in names:
            np.testing.assert_array_equal(found[index], points[names.index(name)], err_msg=name)
    if "neck" not in names:
        shoulders = [points[names.index(f"{side}_shoulder")] for side in ("left", "right")]
        np.testing.assert_array_equal(found[1], np.mean(shoulders, 0))
    assert visibility.all() and found.dtype == np.float32


def test_a_neck_needs_both_shoulders_and_missing_points_are_zero():
    points = np.full((17, 2), 50.0)
    visibility = np.ones(17)
    visibility[[5, 0]] = 0
    found, seen = BodyKeypoints(points, "coco17", visibility).as_body18()
    assert seen[1] == 0 and seen[5] == 0 and seen[0] == 0 and seen[2] == 1
    assert (found[[0, 1, 5]] == 0).all()


def test_mirroring_swaps_left_and_right():
    for index, name in enumerate(BODY18_NAMES):
        other = BODY18_NAMES[BODY18.mirror[index]]
        assert other == name.replace("left", "x").replace("right", "left").replace("x", "right")
