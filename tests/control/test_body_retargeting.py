"""Whose proportions, place and size a moved body has."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adaat_hf import BodyMotionTemplate, retarget_body
from adaat_hf.control.body_joints import LIMB_BONES, SMPL24_NAMES
from adaat_hf.control.body_model import world_rotations
from adaat_hf.control.body_priors import usual_pose
from adaat_hf.control.body_retargeting import LEGS, stature, visible_points
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.evaluation.body_motion import random_motion
from adaat_hf.models.limbs import BEHIND


ANKLES = [10, 13]


@pytest.fixture(scope="module")
def bodies(body_model):
    """A source of one frame and a driver of another build."""
    source = random_motion(body_model, 1, np.random.default_rng(0), facing=0.2)
    source.shape[0] -= 1.5  # smaller
    driving = random_motion(body_model, 20, np.random.default_rng(1), facing=0.5)
    assert abs(stature(body_model, source) / stature(body_model, driving) - 1) > 0.1
    return source, driving


def limb_lengths(model, body):
    points = body.points(model)
    return torch.stack([(points[:, end] - points[:, start]).norm(dim=-1) for start, end in LIMB_BONES.values()], 1)


def ground(model, body):
    return body.project(model)[:, ANKLES, 1].amax(1)


def test_the_source_keeps_its_proportions_and_takes_the_pose(body_model, bodies):
    source, driving = bodies
    moved = retarget_body(body_model, source, driving)
    torch.testing.assert_close(
        limb_lengths(body_model, moved), limb_lengths(body_model, source).expand(20, -1), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(moved.pose, driving.pose)
    other = retarget_body(body_model, source, driving, swap=False)
    torch.testing.assert_close(limb_lengths(body_model, other), limb_lengths(body_model, driving))


@pytest.mark.parametrize("swap", [True, False])
def test_relative_motion_starts_where_the_source_stands(body_model, bodies, swap):
    source, driving = bodies
    moved = retarget_body(body_model, source, driving, swap=swap)
    assert ground(body_model, moved)[0] == pytest.approx(float(ground(body_model, source)), abs=5)
    assert moved.translation[0, 0] == pytest.approx(float(source.translation[0, 0]), abs=1)
    tall = moved.scale[0] * stature(body_model, moved)
    assert tall == pytest.approx(float(source.scale[0]) * stature(body_model, source), rel=1e-3)


def test_a_step_is_as_long_as_the_body_is_large(body_model, bodies):
    source, driving = bodies
    moved = retarget_body(body_model, source, driving)
    unit = [float(one.scale[0]) * stature(body_model, one) for one in (moved, driving)]
    steps = [
        (one.translation[:, 0] - one.translation[0, 0]) / size
        for one, size in zip((moved, driving), unit, strict=True)
    ]
    torch.testing.assert_close(steps[0], steps[1], atol=1e-4, rtol=0)


def test_absolute_placement_stands_on_the_drivers_ground(body_model, bodies):
    source, driving = bodies
    moved = retarget_body(body_model, source, driving, placement="absolute", zoom=2.0, shift=torch.tensor([30.0, 5.0]))
    torch.testing.assert_close(ground(body_model, moved), 2 * ground(body_model, driving) + 5, atol=8.0, rtol=0)
    torch.testing.assert_close(
        moved.scale * stature(body_model, moved), 2 * driving.scale * stature(body_model, driving)
    )


def test_legs_that_the_driver_does_not_show_stay_as_they_are(body_model, bodies):
    source, driving = bodies
    known = torch.ones(24, dtype=torch.bool)
    below = [SMPL24_NAMES.index(f"{side}_{name}") for side in ("left", "right") for name in ("knee", "ankle")]
    known[list(LEGS)] = False
    pose = driving.pose.clone()
    pose[:, 0] = torch.stack([torch.zeros(20), torch.linspace(0, 1.5, 20), torch.zeros(20)], 1)
    half = replace(driving, pose=pose, known=known)
    moved = retarget_body(body_model, source, half)
    torch.testing.assert_close(moved.pose[:, below], source.pose[:, below].expand(20, -1, -1))
    torch.testing.assert_close(moved.pose[:, 16], driving.pose[:, 16])
    # In the picture they are as they were photographed, however far the trunk turns.
    hips_to_feet = [8, 9, 10, 11, 12, 13]
    places = [
        body.project(body_model)[:, hips_to_feet] for body in (source, replace(moved, scale=source.scale.expand(20)))
    ]
    still, turned = (found - found.mean(1, keepdim=True) for found in places)
    torch.testing.assert_close(turned, still.expand(20, -1, -1), atol=0.05, rtol=0)
    chest = SMPL24_NAMES.index("spine3")
    above = [world_rotations(rotation_matrix(body.pose))[:, chest] for body in (moved, half)]
    torch.testing.assert_close(above[0], above[1], atol=1e-4, rtol=0)


def test_a_face_that_is_turned_away_is_not_drawn(body_model, bodies):
    source, _ = bodies
    turns = torch.tensor([0.0, np.pi / 2, np.pi])
    pose = torch.zeros(3, 24, 3)
    pose[:, 0, 1] = turns
    body = type(source)(**{
        **vars(source), "pose": pose, "scale": torch.ones(3), "translation": torch.zeros(3, 2),
        "valid": torch.ones(3, dtype=torch.bool),
    })  # fmt: skip
    seen = visible_points(body_model, body)
    names = {"nose": 0, "right_eye": 14, "left_eye": 15, "right_ear": 16, "left_ear": 17}
    shown = [{name for name, number in names.items() if seen[frame, number]} for frame in range(3)]
    assert shown[0] == set(names)
    assert shown[1] == {"nose", "right_eye", "right_ear", "left_ear"}, "turned to its left, it shows its right side"
    assert shown[2] == {"right_ear", "left_ear"}
    assert seen[:, 1:14].all()


def test_the_far_arm_of_somebody_seen_from_the_side_is_behind_the_body(body_model, bodies):
    turns = torch.tensor([0.0, np.pi / 2, np.pi, -np.pi / 2])
    pose = usual_pose().repeat(4, 1, 1)
    pose[:, 0] = torch.stack([0 * turns, turns, 0 * turns], 1)
    body = type(bodies[0])(**{
        **vars(bodies[0]), "pose": pose, "scale": torch.ones(4), "translation": torch.zeros(4, 2),
        "valid": torch.ones(4, dtype=torch.bool),
    })  # fmt: skip
    right, left = visible_points(body_model, body)[:, [3, 4, 6, 7]].split(2, 1)
    assert (right[[0, 1, 2]] > 0.9).all() and (left[[0, 2, 3]] > 0.9).all()
    torch.testing.assert_close(left[1], torch.full((2,), BEHIND), atol=0.05, rtol=0)
    torch.testing.assert_close(right[3], torch.full((2,), BEHIND), atol=0.05, rtol=0)


def test_references_beyond_the_clip_are_refused(body_model, bodies):
    with pytest.raises(ValueError, match="reference is 20, but the driver has 20 frames"):
        retarget_body(body_model, *bodies, reference=20)


def test_templates_hold_the_motion_and_refuse_others(body_model, bodies, tmp_path):
    template = BodyMotionTemplate(bodies[1], 25.0, (480, 640))
    again = BodyMotionTemplate.load(template.save(tmp_path / "dance.safetensors"))
    assert (again.fps, again.size) == (25.0, (480, 640))
    for name, value in vars(bodies[1]).items():
        torch.testing.assert_close(getattr(again.coefficients, name), value)
    broken = type(bodies[1])(**{**vars(bodies[1]), "scale": bodies[1].scale * float("nan")})
    BodyMotionTemplate(broken, 25.0).save(tmp_path / "broken.safetensors")
    with pytest.raises(ValueError, match="scale in .* not finite"):
        BodyMotionTemplate.load(tmp_path / "broken.safetensors")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        BodyMotionTemplate.load(tmp_path / "nothing.safetensors")


def test_a_motion_of_a_face_is_no_motion_of_a_body(short_motion, tmp_path):
    with pytest.raises(ValueError, match="adaat-face-motion.*expected 'adaat-body-motion'"):
        BodyMotionTemplate.load(short_motion.save(tmp_path / "face.safetensors"))


def test_the_head_turns_alone(body_model, bodies):
    """Rotations are those of the joints, not of what is seen: a turned head leaves shoulders alone."""
    source, driving = bodies
    turned = driving.pose.clone()
    turned[:, SMPL24_NAMES.index("head"), 1] += 0.5
    moved = retarget_body(body_model, source, type(driving)(**{**vars(driving), "pose": turned}))
    plain = retarget_body(body_model, source, driving)
    torch.testing.assert_close(moved.project(body_model)[:, 2:14], plain.project(body_model)[:, 2:14])
    assert (moved.project(body_model)[:, 0] - plain.project(body_model)[:, 0]).norm(dim=-1).min() > 1
    assert rotation_matrix(moved.pose).shape == (20, 24, 3, 3)


def test_somebody_without_legs_neither_rises_nor_shrinks(body_model, bodies):
    """A photograph that ends at the waist has nothing to show below it."""
    source, driving = bodies
    known = source.known.clone()
    known[list(LEGS)] = False
    away = replace(
        driving,
        scale=driving.scale * torch.linspace(1, 0.6, 20),
        translation=driving.translation - torch.stack([torch.zeros(20), torch.linspace(0, 80, 20)], 1),
    )
    whole = retarget_body(body_model, source, away)
    half = retarget_body(body_model, replace(source, known=known), away)
    assert whole.scale[-1] < 0.8 * source.scale and whole.translation[-1, 1] < source.translation[0, 1] - 20
    assert (half.scale >= half.scale[0] - 1e-4).all()
    assert (half.translation[:, 1] >= source.translation[0, 1] - 1e-3).all()
    assert torch.equal(half.pose[:, 16], driving.pose[:, 16]), "the arms move"
    shoulders = [body.project(body_model)[0, [2, 5]].mean(0) for body in (source, half)]
    assert float(shoulders[1][0]) == pytest.approx(float(shoulders[0][0]), abs=1), "they begin where they are"
