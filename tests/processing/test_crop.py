"""Steady boxes, cutting out and pasting back."""

import cv2
import numpy as np
import pytest

from adaat_hf.processing.crop import CROP_SCALE, FaceBox, cut_out, face_box, paste_back, soft_mask


@pytest.fixture
def face_points(face_model):
    """The mean face, 100 px between the outer eye corners, around (300, 200)."""
    return face_model.mean[:, :2].float().numpy() * 100 + [300, 200]


def turned(points, degrees):
    angle = np.deg2rad(degrees)
    middle = points.mean(0)
    return (points - middle) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + middle


def test_box_surrounds_the_face(face_points):
    box = face_box(face_points[None])
    extent = np.ptp(face_points, axis=0).max()
    assert abs(box.side - CROP_SCALE * extent) < 1 and box.angle == 0
    inside = box.points_to_crop(face_points, 256)
    assert inside.min() > 20 and inside.max() < 240


def test_one_steady_box_for_a_shaking_clip(face_points):
    random = np.random.default_rng(0)
    clip = face_points + random.normal(0, 3, (50, 1, 2))
    box, calm = face_box(clip), face_box(face_points[None])
    assert abs(box.x - calm.x) < 2 and abs(box.y - calm.y) < 2


def test_frames_without_a_face_do_not_move_the_box(face_points):
    clip = np.stack([face_points, np.zeros_like(face_points)])
    visibility = np.stack([np.ones(96), np.zeros(96)])
    assert face_box(clip, visibility) == face_box(face_points[None])
    with pytest.raises(ValueError, match="No landmark is visible"):
        face_box(clip, np.zeros((2, 96)))


@pytest.mark.parametrize("degrees", [0, 20, 60, 90, 180])
def test_strongly_tilted_faces_become_upright(face_points, degrees):
    points = turned(face_points, degrees)
    box = face_box(points[None])
    inside = box.points_to_crop(points, 256)
    eyes = inside[42:48].mean(0) - inside[36:42].mean(0)
    tilt = np.degrees(np.arctan2(eyes[1], eyes[0]))
    assert abs(tilt - (degrees if degrees < 35 else 0)) < 4
    np.testing.assert_allclose(box.points_to_picture(inside, 256), points, atol=0.01)


def test_cutting_out_agrees_with_the_point_mapping():
    picture = np.zeros((400, 500, 3), np.uint8)
    cv2.circle(picture, (260, 180), 6, (255, 255, 255), -1)
    for box in (FaceBox(250, 200, 200), FaceBox(250, 200, 200, 0.8), FaceBox(250, 200, 390)):
        crop = cut_out(picture, box, 128)
        rows, columns = np.nonzero(crop[..., 0] > 100)
        expected = box.points_to_crop(np.array([[260.0, 180.0]]), 128)[0]
        np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.7)


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_pasting_back_an_unchanged_crop_changes_little(astronaut, angle):
    box = FaceBox(220, 120, 180, angle)
    result = paste_back(astronaut, cut_out(astronaut, box, 256), box)
    assert np.abs(result.astype(int) - astronaut).mean() < 0.5


def test_pixels_outside_the_box_stay_untouched(astronaut):
    box = FaceBox(220, 120, 180)
    result = paste_back(astronaut, np.zeros((256, 256, 3), np.uint8), box)
    outside = np.ones(astronaut.shape[:2], bool)
    outside[29:212, 129:312] = False
    assert np.array_equal(result[outside], astronaut[outside])
    assert result[120, 220].max() == 0, "the middle is the crop's"


def test_the_seam_is_soft():
    mask = soft_mask(256)
    assert mask[128, 128] == 1 and mask[0].max() < 0.01 and np.abs(np.diff(mask[128])).max() < 0.06


@pytest.mark.parametrize("box", [FaceBox(10, 10, 100), FaceBox(500, 500, 90), FaceBox(2000, 2000, 50)])
def test_boxes_across_the_border(astronaut, box):
    crop = cut_out(astronaut, box, 64)
    assert crop.shape == (64, 64, 3)
    assert paste_back(astronaut, crop, box).shape == astronaut.shape
