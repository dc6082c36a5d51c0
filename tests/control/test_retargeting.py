"""Motion transfer: what follows the driver and what stays the source's."""

from dataclasses import replace

import pytest
import torch

from adaat_hf import ARKIT_EXPRESSIONS, FaceCoefficients, Strengths, demo_motion, retarget, smooth
from adaat_hf.control.retargeting import neutral_frame, separate_lids
from adaat_hf.control.rotation import rotation_matrix, rotation_vector
from adaat_hf.expressions import EXPRESSION_GROUPS


@pytest.fixture
def driver(face_model):
    return demo_motion(face_model, seconds=4).coefficients


@pytest.fixture
def source(face_model):
    expression = torch.zeros(1, 52)
    expression[0, ARKIT_EXPRESSIONS.index("jawOpen")] = 0.2
    return FaceCoefficients(
        identity=torch.randn(face_model.config.num_identity),
        offset=0.01 * torch.randn_like(face_model.mean),
        expression=expression,
        rotation=torch.tensor([[0.05, 0.2, -0.1]]),
        scale=torch.tensor([80.0]),
        translation=torch.tensor([[120.0, 140.0]]),
        valid=torch.ones(1, dtype=torch.bool),
    )


def test_identity_always_stays_the_sources(source, driver):
    for motion in ("relative", "absolute"):
        result = retarget(source, driver, motion=motion)
        assert result.identity is source.identity and result.offset is source.offset and len(result) == len(driver)


def test_absolute_motion_takes_the_drivers_pose_and_expression(source, driver):
    result = retarget(source, driver, motion="absolute")
    torch.testing.assert_close(result.expression, driver.expression)
    torch.testing.assert_close(rotation_matrix(result.rotation), rotation_matrix(driver.rotation), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.scale, driver.scale)
    torch.testing.assert_close(result.translation, driver.translation)


def test_relative_motion_starts_from_the_source(source, driver):
    start = neutral_frame(driver)
    result = retarget(source, driver, motion="relative").frames(torch.tensor([start]))
    torch.testing.assert_close(result.expression, source.expression)
    torch.testing.assert_close(result.rotation, source.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(result.scale, source.scale)
    torch.testing.assert_close(result.translation, source.translation)


def test_relative_motion_scales_the_drivers_shift_to_the_source(source, driver):
    double = replace(driver, scale=2 * driver.scale, translation=2 * driver.translation)
    torch.testing.assert_close(
        retarget(source, double, reference=0).translation, retarget(source, driver, reference=0).translation
    )


def test_control_selects_expression_or_pose(source, driver):
    expression, pose = (retarget(source, driver, control=part, motion="absolute") for part in ("expression", "pose"))
    torch.testing.assert_close(expression.expression, driver.expression)
    assert (expression.rotation == source.rotation).all()
    assert (pose.expression == source.expression).all() and (pose.rotation != source.rotation).any()


def test_strengths_act_on_their_group_only(source, driver):
    full = retarget(source, driver, motion="absolute")
    still = retarget(source, driver, motion="absolute", strengths=Strengths(mouth=0))
    mouth = list(EXPRESSION_GROUPS["mouth"])
    others = [n for n in range(52) if n not in mouth]
    assert (still.expression[:, mouth] == source.expression[:, mouth]).all()
    torch.testing.assert_close(still.expression[:, others], full.expression[:, others])
    half = retarget(source, driver, motion="absolute", strengths=Strengths(head=0.5))
    turned = rotation_vector(rotation_matrix(full.rotation) @ rotation_matrix(source.rotation).transpose(1, 2))
    less = rotation_vector(rotation_matrix(half.rotation) @ rotation_matrix(source.rotation).transpose(1, 2))
    torch.testing.assert_close(less, turned / 2, atol=1e-5, rtol=0)


def test_wrong_options_are_named(source, driver):
    for options, message in (
        ({"control": "mouth"}, "control is 'mouth'"),
        ({"motion": "fast"}, "motion is 'fast'"),
        ({"reference": 999}, "The reference frame is 999"),
    ):
        with pytest.raises(ValueError, match=message):
            retarget(source, driver, **options)
    with pytest.raises(ValueError, match="strength of eyes is -1"):
        Strengths(eyes=-1)
    with pytest.raises(ValueError, match="expected exactly one"):
        retarget(driver, driver)


def test_every_expression_belongs_to_one_group():
    members = sorted(n for group in EXPRESSION_GROUPS.values() for n in group)
    assert members == list(range(52)) and len(set(ARKIT_EXPRESSIONS)) == 52


def test_smoothing_removes_jitter_and_keeps_blinks(driver):
    noise = 0.03 * torch.randn(len(driver), 3)
    shaky = replace(driver, rotation=driver.rotation + noise)
    steady = smooth(shaky, 25)
    jitter = lambda clip: (clip.rotation - driver.rotation).diff(n=2, dim=0).abs().mean()  # noqa: E731
    assert jitter(steady) < 0.35 * jitter(shaky)
    blink = ARKIT_EXPRESSIONS.index("eyeBlinkLeft")
    assert smooth(driver, 25).expression[:, blink].max() > 0.75 * driver.expression[:, blink].max()
    lag = (smooth(driver, 25).rotation - driver.rotation).abs().max()
    assert lag < 0.05


def test_rotation_vectors_round_trip():
    vectors = torch.randn(50, 3)
    vectors = vectors / vectors.norm(dim=1, keepdim=True) * torch.rand(50, 1) * 3
    torch.testing.assert_close(rotation_vector(rotation_matrix(vectors)), vectors, atol=1e-4, rtol=1e-4)


def test_lids_and_lips_never_cross(face_model):
    face = face_model.mean[None, :, :2].float() * 100
    upper, lower = [37, 38, 43, 44, 61, 62, 63], [41, 40, 47, 46, 67, 66, 65]
    crossed = face.clone()
    crossed[:, upper, 1] = crossed[:, lower, 1] + 5
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    for rotation in (torch.eye(2), turn):
        mended = separate_lids(crossed @ rotation.T) @ rotation
        gap = (mended[:, lower, 1] - mended[:, upper, 1])[0]
        assert (gap[:4] > 0).all() and (gap[:4] < 3).all() and gap[4:].abs().max() < 0.5
        torch.testing.assert_close(mended[:, lower], crossed[:, lower], atol=1e-4, rtol=0)
        for iris, over, under in ((68, [37, 38], [41, 40]), (69, [43, 44], [47, 46])):
            assert mended[0, over, 1].mean() - 0.01 <= mended[0, iris, 1] <= mended[0, under, 1].mean() + 0.01
    wide = face.clone()
    wide[:, upper, 1] -= 10
    torch.testing.assert_close(separate_lids(wide), wide)
