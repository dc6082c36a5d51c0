"""The rectangle around a person: it has the wanted shape, holds everybody, and maps points as it maps pixels."""

import numpy as np
import pytest

from adaat_hf.processing.person_crop import PersonBox, cut_person, fit_inside, person_box, shift_inside


def test_the_box_has_the_shape_and_holds_all_visible_points(standing_pose):
    points = np.stack([standing_pose * [300, 400], standing_pose * [300, 400] + [60, 0]])
    seen = np.ones((2, 18))
    seen[1, 4] = 0
    points[1, 4] = [5000, 5000]
    box = person_box(points, seen, 176 / 256)
    assert box.width / box.height == pytest.approx(176 / 256)
    inside = points[seen > 0]
    assert (inside > [box.left, box.top]).all() and (inside < [box.left + box.width, box.top + box.height]).all()
    with pytest.raises(ValueError, match="No key point is visible"):
        person_box(points, np.zeros((2, 18)), 1.0)


def test_points_land_where_their_pixels_land():
    picture = np.zeros((120, 90, 3), np.uint8)
    picture[70:72, 40:42] = 255
    box = PersonBox(20, 40, 40, 60)
    crop = cut_person(picture, box, 240, 160)
    y, x = np.nonzero(crop[..., 0] > 128)
    np.testing.assert_allclose(box.points_to_crop(np.array([40.5, 70.5]), 240, 160), [x.mean(), y.mean()], atol=0.3)


def test_a_box_moves_inside_as_far_as_it_fits():
    assert shift_inside(PersonBox(-10, 95, 30, 20), 100, 80) == PersonBox(0, 80, 30, 20)
    assert shift_inside(PersonBox(0, 0, 100, 50), 100, 80) == PersonBox(-10, 0, 100, 50)
    assert PersonBox(-10, 0, 20, 20).outside(100, 100) == pytest.approx(0.5)


def test_points_beyond_the_picture_keep_a_box_where_they_are():
    box = PersonBox(-10, -40, 60, 80)
    assert shift_inside(box, 200, 200) == PersonBox(0, 0, 60, 80)
    shown = np.array([[5.0, -30.0], [30.0, 35.0]])
    assert shift_inside(box, 200, 200, shown) == PersonBox(0, -30, 60, 80)
    assert shift_inside(box, 200, 200, shown + [0, 40]) == PersonBox(0, 0, 60, 80)


def test_a_box_that_is_larger_than_the_picture_shrinks_until_little_of_it_is_border():
    box = PersonBox(-200, 300, 550, 800)
    fitted = fit_inside(box, 720, 400, 0.12)
    assert fitted.outside(720, 400) <= 0.12 and fitted.width / fitted.height == pytest.approx(550 / 800)
    assert 0.85 * 400 < fitted.width < 1.14 * 400 and fitted.top + fitted.height <= 720 + 1e-6
    assert fit_inside(PersonBox(10, 10, 110, 160), 720, 400, 0.12) == PersonBox(10, 10, 110, 160)


def test_a_box_grows_to_hold_points_and_keeps_its_proportions():
    box = PersonBox(10, 20, 30, 60)
    assert box.holding(np.array([[20.0, 30.0]])) == box
    grown = box.holding(np.array([[20.0, -20.5], [39.0, 40.0]]))
    assert grown == PersonBox(0, -20, 50, 100)
