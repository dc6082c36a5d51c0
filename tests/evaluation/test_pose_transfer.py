"""Figures of pose transfer, where the right answer is known."""

import numpy as np
import pytest
import torch

from adaat_hf import retarget_body
from adaat_hf.evaluation.body_motion import random_motion, random_photographs
from adaat_hf.evaluation.pose_transfer import (
    background_flicker,
    drive_directly,
    limb_proportions,
    proportion_error,
)
from adaat_hf.processing.body_tracking import BodyTrack
from adaat_hf.processing.pose_files import BodyPose


def test_flicker_counts_the_background_only(standing_pose):
    rng = np.random.default_rng(0)
    points = np.repeat((standing_pose * [50, 70] + [75, 15])[None], 5, 0).astype(np.float32)
    track = BodyTrack(points, np.ones((5, 18), np.float32))
    still = np.full((5, 100, 200, 3), 90, np.uint8)
    noisy = still.copy()
    noisy[:, 30:70, 92:108] = rng.integers(0, 255, (5, 40, 16, 3))
    assert background_flicker(noisy, [track]) == 0
    noisy[1::2, :, :20] = 100
    assert background_flicker(noisy, [track]) == pytest.approx(10 * 20 / 200, rel=0.6)
    everywhere = BodyTrack(points * 8 - [700, 250], track.visibility)
    assert np.isnan(background_flicker(still, [everywhere]))


def test_direct_driving_keeps_the_drivers_proportions_at_the_sources_place(standing_pose):
    frames = np.stack([standing_pose * [60, 120] + [10 + 3 * n, 5] for n in range(3)]).astype(np.float32)
    track = BodyTrack(frames, np.ones((3, 18), np.float32))
    source = BodyPose((standing_pose * [80, 200] + [100, 40]).astype(np.float32), np.ones(18, np.float32))
    placed = drive_directly(track, source)
    zoom = np.ptp(placed[0], 0) / np.ptp(frames[0], 0)
    assert zoom[0] == pytest.approx(zoom[1], rel=1e-3)
    np.testing.assert_allclose(placed[2] - placed[0], np.tile([6 * zoom[0], 0], (18, 1)), atol=0.01)
    assert placed[0][[10, 13], 1].max() == pytest.approx(source.points[[10, 13], 1].max(), abs=1)


def test_proportions_are_the_sources_after_retargeting(body_model):
    source = random_motion(body_model, 1, np.random.default_rng(0))
    driving = random_motion(body_model, 4, np.random.default_rng(1))
    wanted = limb_proportions(body_model, source)
    moved = retarget_body(body_model, source, driving)
    assert proportion_error(limb_proportions(body_model, moved), wanted) < 1e-6
    assert proportion_error(limb_proportions(body_model, driving), wanted) > 0.02
    assert proportion_error(torch.ones(8) * 1.1, torch.ones(8)) == pytest.approx(0.1)


def test_photographs_are_of_one_body_in_poses_of_its_own(body_model):
    found = random_photographs(body_model, 4, np.random.default_rng(0))
    assert len(found) == 4
    apart = (found.pose[1:] - found.pose[:-1]).abs().mean((1, 2))
    assert (apart > 0.01).all()
    again = random_photographs(body_model, 4, np.random.default_rng(1))
    assert proportion_error(limb_proportions(body_model, again), limb_proportions(body_model, found)) > 0.01
