"""Fitting the body model to key points of which the truth is known: noise, outliers, gaps, turns, depth, long clips."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adaat_hf import BodyFitSettings, BodyFitter
from adaat_hf.control.body_fitting import known_joints
from adaat_hf.control.body_joints import POINT_NAMES, SMPL24_NAMES, to_body18
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.evaluation.body_motion import body_errors, count_flips, random_motion
from adaat_hf.evaluation.pose_transfer import limb_proportions


FRAMES = 50


def observed(model, truth, rng, depth=False, noise=2.0, missing=0.15, outliers=0.02):
    """Key points as a detector would find them: noisy, some missing, some quite wrong."""
    points = truth.project(model)
    if depth:
        far = -truth.scale[:, None] * to_body18(truth.points(model))[..., 2]
        points = torch.cat([points, far[..., None]], 2)
    points = points + torch.from_numpy(rng.normal(0, noise, points.shape)).float()
    wrong = torch.from_numpy(rng.random(points.shape[:2]) < outliers)
    points[..., :2] += 60 * wrong[..., None]
    seen = torch.from_numpy((rng.random(points.shape[:2]) >= missing).astype(np.float32))
    return points, seen


@pytest.mark.parametrize("depth, limit", [(False, 90), (True, 40)])
def test_truth_is_recovered_from_what_a_detector_sees(body_model, body_fitter, depth, limit):
    for seed, facing in ((0, 1.0), (1, 3.0)):
        rng = np.random.default_rng(seed)
        truth = random_motion(body_model, FRAMES, rng, facing=facing)
        points, seen = observed(body_model, truth, rng, depth)
        errors = body_errors(body_model, body_fitter.fit(points, seen), truth)
        assert errors.joints < limit and errors.keypoints < 0.1, errors
        assert errors.flips == 0, errors


def test_frames_without_anybody_hold_the_last_pose(body_model, body_fitter):
    rng = np.random.default_rng(2)
    truth = random_motion(body_model, FRAMES, rng)
    points, seen = observed(body_model, truth, rng)
    seen[20:24] = 0
    found = body_fitter.fit(points, seen)
    assert found.valid.tolist() == [not 20 <= number < 24 for number in range(FRAMES)]
    torch.testing.assert_close(found.pose[20:24], found.pose[[19]].expand(4, -1, -1))
    shown = found.valid
    apart = (found.project(body_model) - truth.project(body_model)).norm(dim=-1)[shown].mean(1)
    assert apart.max() < 12, "the gap does not pull at its neighbours"


def test_a_joint_that_is_hidden_for_a_while_moves_on_smoothly(body_model, body_fitter):
    rng = np.random.default_rng(3)
    truth = random_motion(body_model, FRAMES, rng)
    points, seen = observed(body_model, truth, rng, missing=0, outliers=0)
    seen[15:25, [3, 4]] = 0
    found = body_fitter.fit(points, seen)
    assert count_flips(found.points(body_model)[:, :24]) == count_flips(truth.points(body_model)[:, :24]) == 0
    steps = (found.project(body_model)[1:, 4] - found.project(body_model)[:-1, 4]).norm(dim=-1)
    assert steps.max() < 40


def test_frames_in_which_the_detector_was_mistaken_are_bridged(body_model, body_fitter):
    """Twice it takes the head for the whole body, of which it is quite sure."""
    rng = np.random.default_rng(4)
    truth = random_motion(body_model, 30, rng)
    points, seen = observed(body_model, truth, rng, missing=0, outliers=0)
    wrong = [8, 9, 10, 21, 22]
    head = points[wrong][:, [0, 14, 15, 16, 17]].mean(1, keepdim=True)
    points[wrong] = head + 0.3 * torch.from_numpy(rng.permuted(points[wrong] - head, axis=1)).float()
    found = body_fitter.fit(points, seen)
    trusting = BodyFitter(body_model, replace(body_fitter.settings, mistaken=0.0)).fit(points, seen)
    apart = [
        (body.project(body_model) - truth.project(body_model)).norm(dim=-1)[wrong].mean() for body in (found, trusting)
    ]
    assert apart[0] < 0.6 * apart[1], apart
    assert found.valid.all()
    misfit = body_fitter.misfit(found, points, seen)
    assert (misfit > body_fitter.settings.misfit).nonzero().flatten().tolist() == wrong
    beside = [number + step for number in wrong for step in (-1, 1) if number + step not in wrong]
    assert misfit[beside].max() < 0.5 * body_fitter.settings.misfit


def test_nobody_shrinks_within_a_moment(body_model, body_fitter):
    """At the end of the clip the detector finds a smaller body, which could be one."""
    truth = random_motion(body_model, FRAMES, np.random.default_rng(5), fps=50.0)
    truth = replace(truth, scale=truth.scale.median().expand(FRAMES))
    points = truth.project(body_model)
    middle = points[-8:].mean(1, keepdim=True)
    points[-8:] = middle + 0.55 * (points[-8:] - middle)
    scale = body_fitter.fit(points, torch.ones(FRAMES, 18)).scale
    assert 0.9 < scale[-8:].min() / scale.median() and scale.max() / scale.median() < 1.1


def test_somebody_fast_is_followed(body_model, body_fitter):
    """Motions of up to 3 Hz: kicks and turns, which count as unlikely."""
    rng = np.random.default_rng(22)
    truth = random_motion(body_model, 60, rng, fps=25 / 3, facing=2.0)
    errors = body_errors(body_model, body_fitter.fit(*observed(body_model, truth, rng), 25.0), truth)
    assert errors.keypoints < 0.1


def test_an_arm_is_followed_from_afar(body_model, body_fitter):
    """Hands rest on the head in all frames: at first they are so far from the usual pose's that they look like errors."""
    rng = np.random.default_rng(3)
    truth = random_motion(body_model, 20, rng, liveliness=0.1)
    pose = truth.pose.clone()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pose[:, SMPL24_NAMES.index(f"{side}_shoulder")] = torch.tensor([0.0, 0.0, 0.9 * sign])
        pose[:, SMPL24_NAMES.index(f"{side}_elbow")] = torch.tensor([0.0, -2.2 * sign, 0.0])
    truth = replace(truth, pose=pose)
    points, seen = observed(body_model, truth, rng)
    found = body_fitter.fit(points, seen, 25.0)
    assert body_errors(body_model, found, truth).keypoints < 0.06


def test_somebody_upside_down_is_fitted_upside_down(body_model, body_fitter):
    rng = np.random.default_rng(4)
    truth = random_motion(body_model, 12, rng, facing=0.3)
    points, seen = observed(body_model, truth, rng, missing=0, outliers=0)
    found = body_fitter.fit(500 - points, seen)
    up = rotation_matrix(found.pose[:, 0])[:, 1, 1]
    assert up.max() < -0.7


def test_one_shape_serves_all_frames_and_can_be_kept(body_model, body_fitter):
    rng = np.random.default_rng(5)
    truth = random_motion(body_model, 30, rng)
    points, seen = observed(body_model, truth, rng)
    found = body_fitter.fit(points, seen)
    again = body_fitter.fit(points[:5], seen[:5], body=found)
    torch.testing.assert_close(again.shape, found.shape)
    torch.testing.assert_close(again.bone_scale, found.bone_scale)


def test_limbs_that_always_look_short_are_short(body_model, body_fitter):
    """Short shins, and not long ones that always point to the camera as much as knees usually bend."""
    rng = np.random.default_rng(8)
    stands = random_motion(body_model, 12, rng, facing=0.2, liveliness=0.1)
    shins = [POINT_NAMES.index(f"{side}_ankle") for side in ("left", "right")]
    bones = torch.ones_like(stands.bone_scale)
    bones[shins] = 0.8
    truth = replace(stands, bone_scale=bones, shape=torch.zeros_like(stands.shape))
    points, seen = observed(body_model, truth, rng, noise=1.0, outliers=0)
    wanted = limb_proportions(body_model, truth)[2:4]
    indifferent = BodyFitter(body_model, BodyFitSettings(flat=100.0))
    found, longer = (
        limb_proportions(body_model, fitter.fit(points, seen))[2:4] / wanted - 1
        for fitter in (body_fitter, indifferent)
    )
    assert found.abs().max() < 0.04, found
    assert longer.min() > 0.1, longer


def test_windows_of_a_long_clip_join_without_a_step(body_model):
    rng = np.random.default_rng(6)
    truth = random_motion(body_model, 70, rng)
    points, seen = observed(body_model, truth, rng, missing=0, outliers=0)
    settings = BodyFitSettings(window=40, overlap=10, start_steps=40, steps=60)
    found = BodyFitter(body_model, settings).fit(points, seen)
    assert len(found) == 70
    errors = body_errors(body_model, found, truth)
    assert errors.flips == 0 and errors.keypoints < 0.1, errors


def test_a_half_body_says_what_it_knows(body_model, body_fitter):
    truth = random_motion(body_model, 10, np.random.default_rng(7), facing=0.3)
    seen = torch.ones(10, 18)
    seen[:, [9, 10, 12, 13]] = 0
    found = body_fitter.fit(truth.project(body_model), seen)
    known = {name for name, there in zip(SMPL24_NAMES, found.known.tolist(), strict=True) if there}
    assert {"pelvis", "left_shoulder", "right_elbow", "head"} <= known
    assert not {"left_hip", "right_hip", "left_knee", "right_ankle", "left_foot"} & known
    assert known_joints(torch.ones(1, 18)).all()


def test_what_cannot_be_fitted_is_refused(body_fitter):
    points, seen = torch.rand(3, 18, 2) * 100, torch.ones(3, 18)
    with pytest.raises(ValueError, match=r"points have shape \(3, 17, 2\)"):
        body_fitter.fit(points[:, :17], seen[:, :17])
    with pytest.raises(ValueError, match=r"visibility has shape \(3, 17\), expected \(3, 18\)"):
        body_fitter.fit(points, seen[:, :17])
    with pytest.raises(ValueError, match="None of the 3 frames shows 5 points of a person"):
        body_fitter.fit(points, seen * (torch.arange(18) < 4))
    points[1, 2, 0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        body_fitter.fit(points, seen)
    assert len(body_fitter.fit(points, torch.where(torch.isfinite(points).all(-1), seen, 0))) == 3


def test_truth_without_noise_has_no_flips_and_flips_are_counted(body_model):
    truth = random_motion(body_model, 20, np.random.default_rng(8))
    joints = truth.points(body_model)[:, :24]
    assert count_flips(joints, joints) == 0
    flipped = joints.clone()
    flipped[10, 20] = flipped[10, 18] - (flipped[10, 20] - flipped[10, 18])
    assert count_flips(flipped, joints) == 2, "there and back"
    assert body_errors(body_model, truth, truth) == replace(body_errors(body_model, truth, truth), flips=0)
