"""Figures of pose transfer, where the right answer is known."""

from importlib import import_module

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT

from adaat_hf import retarget_body
from adaat_hf.control.body_joints import LIMB_BONES
from adaat_hf.control.body_priors import usual_pose
from adaat_hf.evaluation.body_motion import random_motion, random_photographs
from adaat_hf.evaluation.pose_transfer import (
    background_flicker,
    drive_directly,
    limb_lengths,
    limb_proportions,
    proportion_error,
)
from adaat_hf.processing.body_keypoints import BODY18_NAMES
from adaat_hf.processing.body_tracking import BodyTrack
from adaat_hf.processing.pose_files import BodyPose


# The joints at the upper and the lower end of each limb.
JOINTS_OF = {
    "thigh": ("hip", "knee"), "shin": ("knee", "ankle"), "upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist")
}  # fmt: skip


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


@pytest.mark.slow
def test_rendered_people_of_unlike_limbs_do_one_motion(monkeypatch):
    """scripts/evaluate_proportions.py: who is compared differs, and is the same person before the same wall in all frames."""
    for package in ("anny", "warp"):
        pytest.importorskip(package, reason="needs anny and warp-lang")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    proportions, bodies = import_module("evaluate_proportions"), import_module("render_bodies")
    maker = bodies.BodyMaker(np.random.default_rng(3))
    pair = proportions.Actor.unlike_pair(maker)
    lengths = [limb_lengths(torch.from_numpy(maker.bodies.rest(actor.build)))[0] for actor in pair]
    assert (lengths[0] / lengths[1] - 1).abs().mean() > 0.08
    pose = usual_pose().expand(3, -1, -1).clone()
    pose[2, 16, 2] = 0.5
    made = pair[0].film(pose)
    film = made.frames.astype(int)
    assert film.shape == (3, bodies.SIDE, bodies.SIDE, 3) and (film[0] == film[1]).all()
    changed = np.abs(film[2] - film[0]).max(-1) > 8
    assert 0.002 < changed.mean() < 0.1, "an arm"
    assert np.ptp(film[:, 0, 0], 0).max() == 0, "the wall"
    ringed = import_module("ringed_limbs")
    joints = {name: made.points[0, BODY18_NAMES.index(name)] for name in BODY18_NAMES}
    limbs = [
        tuple(f"{name.split('_')[0]}_{joint}" for joint in JOINTS_OF[name.split("_", 1)[1]]) for name in LIMB_BONES
    ]
    lengths = np.array([np.linalg.norm(joints[start] - joints[end]) for start, end in limbs])
    np.testing.assert_allclose(ringed.ring_distances(made.ringed[0])[:8], lengths / 2, rtol=0.15)
    np.testing.assert_allclose(ringed.limb_changes(made.ringed, made.ringed), 1)
    assert np.isnan(ringed.ring_distances(np.full((40, 40, 3), 90, np.uint8))).all()


def test_limbs_are_asked_for_by_key_points_and_photograph_together(standing_pose, monkeypatch):
    """scripts/evaluate_proportions.py: what both have wrong alike is painted right; a foreshortened limb does not count."""
    for package in ("anny", "warp"):
        pytest.importorskip(package, reason="needs anny and warp-lang")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    asked_changes = import_module("evaluate_proportions").asked_changes
    body = (standing_pose * [50, 70] + [75, 15]).astype(np.float64)
    wrist, elbow = BODY18_NAMES.index("left_wrist"), BODY18_NAMES.index("left_elbow")
    limb = list(LIMB_BONES).index("left_forearm")
    wrong = body.copy()
    wrong[wrist] = body[elbow] + 1.2 * (body[wrist] - body[elbow])
    true = np.stack([body * 2, body * 3])
    np.testing.assert_allclose(asked_changes(np.stack([wrong * 2, wrong * 3]), wrong, true, body), 1)
    found = asked_changes(np.stack([wrong * 2, wrong * 3]), body, true, body)
    assert found[limb] == pytest.approx(1.2) and np.delete(found, limb) == pytest.approx(1)
    near = body.copy()
    near[wrist] = body[elbow] + 0.3 * (body[wrist] - body[elbow])
    found = asked_changes(np.stack([body, wrong]), body, np.stack([body, near]), body)
    assert found[limb] == pytest.approx(1)


def rings_on_bars(shin: float, trunk: float = 60.0) -> np.ndarray:
    """Somebody of grey bars in rings, whose shins have some length, in pixels."""
    ringed = import_module("ringed_limbs")
    picture = np.full((300, 200, 3), 200, np.uint8)

    def bar(x: float, top: float, length: float, hues: tuple[float, float]) -> None:
        for (low, high), hue in zip(ringed.RINGS, hues, strict=True):
            colour = cv2.cvtColor(np.array([[[hue / 2, 255, 215]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].tolist()
            corners = [(round(x + side), round(top + length * end)) for side, end in ((-4, low), (4, high))]
            cv2.rectangle(picture, *corners, colour, -1)

    bar(100, 40, trunk, ringed.TRUNK_HUES)
    for side, x in (("right", 60), ("left", 140)):
        for chain, top in ((("upper_arm", "forearm"), 40), (("thigh", "shin"), 40 + trunk)):
            for part in chain:
                length = {"upper_arm": 60, "forearm": 40, "thigh": 60, "shin": shin}[part]
                aside = 30 * (part in ("upper_arm", "forearm")) * (1 if side == "left" else -1)
                bar(x + aside, top, length, (ringed.HUES[f"{side}_{part}"],) * 2)
                top += length
    return picture


def test_limbs_in_rings_are_measured_without_a_detector(monkeypatch):
    """A longer shin is found, whatever the size of the picture, and a frame in which it is hidden does not count."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    ringed = import_module("ringed_limbs")
    truth, longer = rings_on_bars(60), rings_on_bars(80)
    twice = cv2.resize(longer, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    hidden = truth.copy()
    hidden[170:] = 200
    found = ringed.limb_changes(np.stack([twice] * 3), np.stack([truth, truth, hidden]))
    names = list(LIMB_BONES)
    for side in ("left", "right"):
        assert found[names.index(f"{side}_shin")] == pytest.approx(4 / 3, abs=0.02)
        for part in ("thigh", "upper_arm", "forearm"):
            assert found[names.index(f"{side}_{part}")] == pytest.approx(1, abs=0.02)
    short = ringed.limb_changes(np.stack([rings_on_bars(60, trunk=80)]), np.stack([truth]))
    assert short.mean() == pytest.approx(60 / 80, abs=0.02)
