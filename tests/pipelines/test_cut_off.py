"""People whom their photograph cuts off."""

import numpy as np
import pytest

from adaat_hf.pipelines.cut_off import continue_limbs, head_extent, round_head
from adaat_hf.pipelines.persons import SourcePerson
from adaat_hf.processing.pose_files import BodyPose


HEIGHT, WIDTH = 130, 260
HIPS, KNEES, WRIST = [8, 11], [9, 12], 4


@pytest.fixture
def whole(standing_pose):
    return (standing_pose * [170, 230] + [45, 20]).astype(np.float32)


def person(points, hidden=(), height=HEIGHT):
    visibility = (points[:, 1] < height - 0.5).astype(np.float32)
    visibility[list(hidden)] = 0
    return SourcePerson(np.zeros((height, WIDTH, 3), np.uint8), BodyPose(points, visibility, (height, WIDTH)))


def test_limbs_that_leave_the_photograph_end_beyond_its_border(whole):
    height = int(whole[HIPS, 1].min()) - 5
    source = person(whole, height=height)
    assert not source.pose.visibility[HIPS].any()
    fitted = whole + [3, -2]
    found = continue_limbs(source, fitted.astype(np.float32)).pose
    assert (found.visibility[HIPS] == 1).all()
    assert np.abs(found.points[HIPS] - whole[HIPS]).max() < 1e-3, "moved by what the fit errs where the limb is seen"
    assert not found.visibility[KNEES].any(), "of the next limb nothing is seen"
    seen = source.pose.visibility > 0
    assert np.array_equal(found.points[seen], whole[seen]) and not source.pose.visibility[HIPS].any()


def test_what_is_hidden_inside_the_photograph_is_not_made_up_but_for_the_trunk(whole):
    hidden = continue_limbs(person(whole, [WRIST, *HIPS], height=300), whole).pose
    assert hidden.visibility[WRIST] == 0 and (hidden.visibility[HIPS] == 1).all()


def test_a_wrist_whose_hand_the_border_cuts_off_is_continued(whole):
    forearm = whole[WRIST] - whole[WRIST - 1]
    assert forearm[1] > 10, "the arm hangs"
    for share, found in ((0.3, 1), (0.7, 0)):
        height = int(whole[WRIST, 1] + share * forearm[1])
        assert continue_limbs(person(whole, [WRIST], height=height), whole).pose.visibility[WRIST] == found


def test_a_whole_person_stays_as_is(whole):
    source = person(whole, height=300)
    found = continue_limbs(source, whole + 20).pose
    assert np.array_equal(found.points, source.pose.points) and np.array_equal(
        found.visibility, source.pose.visibility
    )


@pytest.mark.parametrize("cut", [0.2, 0.6])
def test_a_head_that_is_cut_is_closed_above(whole, cut):
    """The hair gets narrower from row to row until it is gone; the photograph itself stays."""
    points = whole + np.array([0, 60], np.float32)
    middle, top, left, right = head_extent(points, np.ones(18))
    border = int(middle[1] - cut * (middle[1] - top[1]))
    crop = np.full((300, WIDTH, 3), 200, np.uint8)
    half = (right[0] - left[0]) / 2 * np.sqrt(1 - (cut / 0.8) ** 2)
    crop[:150, round(middle[0] - half) : round(middle[0] + half)] = 20
    closed = round_head(crop, border, points, np.ones(18))
    width = (closed[:, :, 0] < 110).sum(1)
    assert np.array_equal(closed[border:], crop[border:])
    assert width[border - 1] >= 0.8 * width[border] and (np.diff(width[:border].astype(int)) >= -1).all()
    highest = np.nonzero(width)[0].min()
    assert abs(highest - (middle[1] - 0.8 * (middle[1] - top[1]))) <= 2, "an ellipse of a head's usual height"


def test_nothing_is_closed_without_a_head_at_the_border(whole):
    crop = np.random.default_rng(0).integers(0, 255, (100, 80, 3), np.uint8)
    top = head_extent(whole, np.ones(18))[1, 1]
    assert top > 1 and round_head(crop, int(top) - 1, whole, np.ones(18)) is crop
    assert round_head(crop, 0, whole, np.ones(18)) is crop
    assert round_head(crop, 20, whole, np.zeros(18)) is crop
    above = whole - np.array([0, top + 30], np.float32)
    for border in (0, -5):
        assert round_head(crop, border, above, np.ones(18)) is crop, "the crop's border cuts it, not the photograph's"
    assert head_extent(whole, np.zeros(18)) is None
