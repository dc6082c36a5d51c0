"""The face model's fitting on synthetic truth, its speed, outliers, gaps, and the cross-identity error."""

import time

import pytest
import torch

from adaat_hf import FaceCoefficients, retarget
from adaat_hf.control.rotation import rotation_matrix


def random_clip(face_model, frames, seed, size=256):
    """A random face that moves smoothly: identity, expression, head pose."""
    generator = torch.Generator().manual_seed(seed)
    time_ = torch.linspace(0, 3, frames)[:, None]

    def wave(count, amount):
        phase, speed = (torch.rand(count, generator=generator) * k for k in (6.3, 2.5))
        return amount * torch.sin(phase + (0.5 + speed) * time_)

    active = torch.rand(52, generator=generator) < 0.2
    return FaceCoefficients(
        identity=torch.randn(face_model.config.num_identity, generator=generator),
        offset=torch.zeros_like(face_model.mean),
        expression=(wave(52, 0.7).clamp_min(0) * active).clamp(0, 1),
        rotation=wave(3, 1.0) * torch.deg2rad(torch.tensor([15.0, 28.0, 10.0])),
        scale=0.36 * size * (1 + wave(1, 0.08)[:, 0]),
        translation=size / 2 + wave(2, 0.05 * size),
        valid=torch.ones(frames, dtype=torch.bool),
    )


def noisy(points, seed, pixels=1.0):
    return points + pixels * torch.randn(points.shape, generator=torch.Generator().manual_seed(1000 + seed))


def mean_distance(first, second):
    return (first - second).norm(dim=-1).mean().item()


def test_reprojection_error_with_one_pixel_of_noise(face_model, fitter):
    errors = []
    for seed in range(8):
        truth = random_clip(face_model, 40, seed).project(face_model)
        fitted = fitter.fit(noisy(truth, seed), torch.ones(truth.shape[:2]))
        errors.append(mean_distance(fitted.project(face_model), truth))
    assert sum(errors) / len(errors) < 1.5 and max(errors) < 2.0


def test_expressions_stay_in_their_bounds(face_model, fitter):
    truth = random_clip(face_model, 20, 3).project(face_model)
    fitted = fitter.fit(noisy(truth, 3, 3.0), torch.ones(truth.shape[:2]))
    assert 0 <= fitted.expression.min() and fitted.expression.max() <= 1


def test_head_rotation_is_recovered(face_model, fitter):
    clip = random_clip(face_model, 40, 5)
    fitted = fitter.fit(noisy(clip.project(face_model), 5), torch.ones(40, 96))
    relative = rotation_matrix(fitted.rotation) @ rotation_matrix(clip.rotation).transpose(1, 2)
    angle = torch.rad2deg(torch.acos(((relative.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1)))
    assert angle.median() < 4


def test_outliers_hardly_matter(face_model, fitter):
    truth = random_clip(face_model, 30, 7).project(face_model)
    spoilt = noisy(truth, 7)
    spoilt[:, ::12] += 40
    good = torch.ones(96, dtype=torch.bool)
    good[::12] = False
    fitted = fitter.fit(spoilt, torch.ones(30, 96)).project(face_model)
    assert mean_distance(fitted[:, good], truth[:, good]) < 2.0


def test_missing_points_are_filled_in(face_model, fitter):
    truth = random_clip(face_model, 30, 8).project(face_model)
    visibility = torch.ones(30, 96)
    visibility[:, 68:] = 0
    fitted = fitter.fit(noisy(truth, 8)[:, :68], visibility[:, :68]).project(face_model)
    assert mean_distance(fitted[:, 68:], truth[:, 68:]) < 5.0


def test_missing_frames_hold_the_last_one(face_model, fitter):
    truth = random_clip(face_model, 12, 9).project(face_model)
    visibility = torch.ones(12, 96)
    visibility[[0, 5, 6]] = 0
    fitted = fitter.fit(truth, visibility)
    assert fitted.valid.tolist() == [n not in (0, 5, 6) for n in range(12)]
    torch.testing.assert_close(fitted.rotation[5], fitted.rotation[4])
    torch.testing.assert_close(fitted.expression[6], fitted.expression[4])
    torch.testing.assert_close(fitted.rotation[0], fitted.rotation[1])


@pytest.mark.parametrize("motion", ["absolute"])
def test_swap_halves_the_cross_identity_error(face_model, fitter, motion):
    """Truth: the source's identity with the driver's expression and pose. Rival: the driver's points as they are."""
    swapped, direct = [], []
    for seed in range(12):
        driver, other = random_clip(face_model, 40, 100 + seed), random_clip(face_model, 1, 200 + seed)
        wanted = FaceCoefficients(
            other.identity,
            other.offset,
            driver.expression,
            driver.rotation,
            driver.scale,
            driver.translation,
            driver.valid,
        ).project(face_model)
        driving_points = noisy(driver.project(face_model), seed)
        source = fitter.fit(noisy(other.project(face_model), 50 + seed), torch.ones(1, 96))
        fitted = fitter.fit(driving_points, torch.ones(40, 96))
        swapped.append(mean_distance(retarget(source, fitted, motion=motion).project(face_model), wanted))
        direct.append(mean_distance(driving_points, wanted))
    assert sum(swapped) / sum(direct) <= 0.5, f"{sum(swapped) / 12:.2f} px against {sum(direct) / 12:.2f} px"


def test_fits_a_hundred_frames_per_second_on_one_core(face_model, fitter):
    points = noisy(random_clip(face_model, 300, 11).project(face_model), 11)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fitter.fit(points[:50], torch.ones(50, 96))
        started = time.process_time()
        fitter.fit(points, torch.ones(300, 96))
        rate = 300 / (time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    assert rate > 100


def test_impossible_input_is_refused(fitter):
    with pytest.raises(ValueError, match="None of the 3 frames shows a face"):
        fitter.fit(torch.zeros(3, 96, 2), torch.zeros(3, 96))
    points = torch.rand(2, 96, 2) * 100
    points[0, 4, 1] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        fitter.fit(points, torch.ones(2, 96))
    with pytest.raises(ValueError, match=r"points have shape \(2, 120, 2\)"):
        fitter.fit(torch.zeros(2, 120, 2), torch.ones(2, 120))


def test_parts_of_a_long_clip_are_fitted_as_one(face_model, fitter, monkeypatch):
    faces = random_clip(face_model, 40, seed=3)
    points, seen = faces.project(face_model), torch.ones(40, 96)
    seen[[7, 20]] = 0
    whole = fitter.fit(points, seen)
    monkeypatch.setattr("adaat_hf.control.fitting.FRAMES_AT_ONCE", 16)
    parts = fitter.fit(points, seen)
    for name in ("identity", "expression", "rotation", "scale", "translation"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), atol=1e-3, rtol=1e-4)
    assert parts.valid.tolist() == whole.valid.tolist()
