"""Joints of a photograph, moved along their limbs to where the fitted body has them."""

import numpy as np
import pytest

from adaat_hf.pipelines.joint_places import LARGEST_CHANGE, settle_joints
from adaat_hf.pipelines.persons import SourcePerson
from adaat_hf.processing.body_keypoints import ARM_AND_LEG_BONES, HIPS, SHOULDERS
from adaat_hf.processing.pose_files import BodyPose


SIZE = (300, 260)
FACE = [0, 14, 15, 16, 17]
RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST = 2, 3, 4


@pytest.fixture
def found(standing_pose):
    return (standing_pose * [170, 230] + [45, 20]).astype(np.float32)


@pytest.fixture
def fitted(found):
    """The same body of other proportions, each joint a little away."""
    random = np.random.default_rng(0)
    return (found * [1.0, 1.04] + random.normal(0, 1.5, found.shape)).astype(np.float32)


def settle(points, expected, hidden=()):
    visibility = np.ones(len(points), np.float32)
    visibility[list(hidden)] = 0
    person = SourcePerson(np.zeros((*SIZE, 3), np.uint8), BodyPose(points.copy(), visibility, SIZE))
    settled = settle_joints(person, expected)
    assert np.array_equal(person.pose.points, points), "the photograph's own pose stays as it was"
    assert np.array_equal(settled.pose.visibility, visibility)
    return settled.pose.points


def limbs(points):
    return np.stack([points[end] - points[start] for start, end in ARM_AND_LEG_BONES])


def lengths(points):
    return np.linalg.norm(limbs(points), axis=1)


def trunk(points):
    return np.linalg.norm(points[list(SHOULDERS)].mean(0) - points[list(HIPS)].mean(0))


def test_limbs_and_trunk_get_the_fitted_lengths_and_keep_their_directions(found, fitted):
    settled = settle(found, fitted)
    np.testing.assert_allclose(lengths(settled), lengths(fitted), rtol=1e-4)
    assert trunk(settled) == pytest.approx(trunk(fitted), rel=1e-4)
    before, after = (limbs(points) / lengths(points)[:, None] for points in (found, settled))
    np.testing.assert_allclose(before, after, atol=1e-4)
    assert np.abs(lengths(found) - lengths(fitted)).max() > 1


def test_the_head_goes_with_the_shoulders(found, fitted):
    settled = settle(found, fitted)
    moved = settled - found
    np.testing.assert_allclose(moved[FACE], np.tile(moved[RIGHT_SHOULDER], (len(FACE), 1)), atol=1e-4)


def test_a_fit_that_is_far_off_changes_little(found, fitted):
    fitted[RIGHT_ELBOW] = fitted[RIGHT_SHOULDER] + 2 * (fitted[RIGHT_ELBOW] - fitted[RIGHT_SHOULDER])
    arm = ARM_AND_LEG_BONES.index((RIGHT_SHOULDER, RIGHT_ELBOW))
    assert lengths(settle(found, fitted))[arm] == pytest.approx((1 + LARGEST_CHANGE) * lengths(found)[arm], rel=1e-4)


def test_a_limb_that_points_to_the_camera_keeps_its_length(found, fitted):
    found[RIGHT_WRIST] = found[RIGHT_ELBOW] + [3, 1]
    forearm = ARM_AND_LEG_BONES.index((RIGHT_ELBOW, RIGHT_WRIST))
    assert lengths(settle(found, fitted))[forearm] == pytest.approx(lengths(found)[forearm], rel=1e-4)


def test_without_hips_the_trunk_stays_and_arms_settle(found, fitted):
    settled = settle(found, fitted, hidden=HIPS)
    np.testing.assert_array_equal(settled[[*SHOULDERS, *HIPS]], found[[*SHOULDERS, *HIPS]])
    arms = [number for number, bone in enumerate(ARM_AND_LEG_BONES) if max(bone) < min(HIPS)]
    np.testing.assert_allclose(lengths(settled)[arms], lengths(fitted)[arms], rtol=1e-4)
