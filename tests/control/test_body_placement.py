"""A pose takes over size, ground and place of the body that it is to be shown with."""

import numpy as np
import pytest

from adaat_hf import PoseError, as_pose
from adaat_hf.control.body_placement import place_pose


@pytest.fixture
def body(standing_pose):
    return as_pose(standing_pose * [176, 256])


def test_a_larger_pose_elsewhere_comes_back(body):
    other = as_pose(body.points * 3.5 + [400, 90])
    np.testing.assert_allclose(place_pose(other, body), body.points, atol=0.05)


def test_feet_stay_on_the_ground_when_somebody_squats(body):
    points = body.points.copy()
    upper = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 15, 16, 17]
    points[upper, 1] += 40
    squat = as_pose((points - [20, 60]) * 2.0)
    placed = place_pose(squat, body)
    assert placed[[10, 13], 1].max() == pytest.approx(body.points[[10, 13], 1].max(), abs=0.5)
    assert placed[0, 1] > body.points[0, 1] + 20


def test_without_feet_hips_are_laid_upon_each_other(body):
    seen = np.ones(18)
    seen[[10, 13]] = 0
    cut = as_pose(body.points * 2, visibility=seen)
    np.testing.assert_allclose(place_pose(cut, body)[[8, 11]], body.points[[8, 11]], atol=0.5)


def test_poses_that_cannot_be_compared_are_refused(body):
    head = np.zeros(18)
    head[[0, 14, 15]] = 1
    with pytest.raises(PoseError, match="shows no limb from end to end"):
        place_pose(as_pose(body.points, visibility=head), body)
    arm, leg = np.zeros(18), np.zeros(18)
    arm[[2, 3, 4]], leg[[8, 9, 10]] = 1, 1
    with pytest.raises(PoseError, match="no visible point in common"):
        place_pose(as_pose(body.points, visibility=arm), as_pose(body.points, visibility=leg))
    with pytest.raises(PoseError, match="scaled by 0.01"):
        place_pose(as_pose(body.points * 100), body)
