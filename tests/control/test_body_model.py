"""The kinematic body model: rest shape, forward kinematics, gradients, mirror symmetry, and anny itself where it is installed."""

import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from huggingface_hub.errors import StrictDataclassClassValidationError

from adaat_hf import AdaATBodyModel, AdaATBodyModelConfig
from adaat_hf.control.body_joints import BONE_STARTS, MIRROR_POINTS, NUM_JOINTS, POINT_NAMES, to_body18
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.processing.body_keypoints import BODY18


LEFT_ELBOW, LEFT_WRIST, LEFT_SHOULDER = (POINT_NAMES.index(f"left_{name}") for name in ("elbow", "wrist", "shoulder"))


def lengths(points):
    return (points[..., 1:, :] - points[..., BONE_STARTS[1:], :]).norm(dim=-1)


def test_the_average_body_is_a_person_at_rest(body_model):
    points = dict(zip(POINT_NAMES, body_model.mean.numpy(), strict=True))
    height = points["left_eye"][1] - points["left_foot"][1]
    assert 1.3 < height < 1.75, "metres, of people of all ages"
    assert points["left_wrist"][0] > 0.4 > -0.4 > points["right_wrist"][0], "arms are stretched out sideways"
    assert points["nose"][2] > points["head"][2], "it looks along z"
    mirrored = body_model.mean[list(MIRROR_POINTS)] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored, body_model.mean, atol=1e-4, rtol=0)


def test_a_bent_elbow_moves_the_hand_and_nothing_else(body_model):
    pose = torch.zeros(1, NUM_JOINTS, 3)
    pose[0, LEFT_ELBOW, 1] = -np.pi / 2
    shape = torch.zeros(1, body_model.config.num_shape)
    before, after = body_model(shape, torch.zeros_like(pose))[0], body_model(shape, pose)[0]
    forearm = after[LEFT_WRIST] - after[LEFT_ELBOW]
    torch.testing.assert_close(forearm / forearm.norm(), torch.tensor([0.0, 0, 1]), atol=1e-5, rtol=0)
    still = [n for n in range(len(POINT_NAMES)) if n not in (LEFT_WRIST, POINT_NAMES.index("left_hand"))]
    torch.testing.assert_close(after[still], before[still])


def test_poses_keep_bone_lengths_and_shapes_change_them(body_model):
    pose = torch.randn(5, NUM_JOINTS, 3)
    shape = torch.randn(5, body_model.config.num_shape)
    posed = body_model(shape, pose)
    torch.testing.assert_close(lengths(posed), lengths(body_model.rest(shape)), atol=1e-5, rtol=0)
    assert (lengths(posed).std(0) > 0.002).float().mean() > 0.5
    torch.testing.assert_close(body_model(shape, rotation_matrix(pose)), posed)


def test_bone_scale_stretches_one_bone(body_model):
    scale = torch.ones(len(POINT_NAMES))
    scale[LEFT_WRIST] = 1.5
    shape = torch.zeros(body_model.config.num_shape)
    ratio = lengths(body_model.rest(shape, scale)) / lengths(body_model.rest(shape))
    assert ratio[LEFT_WRIST - 1] == pytest.approx(1.5, abs=1e-4)
    ratio[LEFT_WRIST - 1] = 1
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=1e-4, rtol=0)


def test_gradients_reach_shape_pose_and_bones(body_model):
    inputs = [
        torch.zeros(2, body_model.config.num_shape), torch.zeros(2, NUM_JOINTS, 3), torch.ones(2, len(POINT_NAMES))
    ]  # fmt: skip
    for value in inputs:
        value.requires_grad_()
    body_model(*inputs).square().sum().backward()
    for value in inputs:
        assert torch.isfinite(value.grad).all() and value.grad.abs().max() > 0


def test_key_points_are_in_the_networks_order(body_model):
    points = to_body18(body_model.mean)
    assert points.shape == (18, 3)
    torch.testing.assert_close(points[1], body_model.mean[[16, 17]].mean(0))
    mirrored = points[list(BODY18.mirror)] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored, points, atol=1e-4, rtol=0)


def test_wrong_bases_and_sizes_are_refused():
    with pytest.raises(StrictDataclassClassValidationError, match="num_shape is 0, expected at least 1"):
        AdaATBodyModelConfig(num_shape=0)
    model = AdaATBodyModel(AdaATBodyModelConfig(num_shape=2))
    with pytest.raises(ValueError, match=r"shape \(24, 3\), expected \(29, 3\)"):
        model.set_basis(np.zeros((24, 3)), np.zeros((2, 29, 3)))


@pytest.mark.slow
def test_joints_agree_with_anny_on_bodies_that_the_basis_has_not_seen(body_model):
    pytest.importorskip("anny", reason="needs anny: pip install adaat-hf[face-model]")
    sys.path.insert(0, str(ROOT / "scripts"))
    import build_body_model

    errors = build_body_model.check(body_model, build_body_model.AnnyJoints(), 50, np.random.default_rng(7))
    assert errors["joints of posed bodies"] < 2 and errors["worst joint"] < 10, errors
    assert errors["bone lengths"] < 1, errors
