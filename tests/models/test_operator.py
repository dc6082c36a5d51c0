"""The adaptive affine transformation against a slow loop, its gradients, types and the released variant."""

import math

import pytest
import torch
from torch.nn import functional as F

from adaat_hf import AdaptiveAffine, adaptive_affine
from adaat_hf.evaluation import released
from adaat_hf.models.operator import blend_channel_neighbours


def slow_adaptive_affine(feature, scale, rotation, translation):
    """Channel by channel, pixel by pixel, straight from equations 1 and 2."""
    batch, channels, height, width = feature.shape
    result = torch.zeros_like(feature)
    for b in range(batch):
        for c in range(channels):
            s, r = scale[b, c].item(), rotation[b, c].item()
            tx, ty = translation[b, c].tolist()
            for row in range(height):
                for column in range(width):
                    x, y = 2 * column / (width - 1) - 1, 2 * row / (height - 1) - 1
                    u = s * math.cos(r) * x - s * math.sin(r) * y + tx
                    v = s * math.sin(r) * x + s * math.cos(r) * y + ty
                    i, j = (u + 1) / 2 * (width - 1), (v + 1) / 2 * (height - 1)
                    result[b, c, row, column] = bilinear(feature[b, c], i, j)
    return result


def bilinear(channel, i, j):
    total = 0.0
    for column in (math.floor(i), math.floor(i) + 1):
        for row in (math.floor(j), math.floor(j) + 1):
            if 0 <= column < channel.shape[1] and 0 <= row < channel.shape[0]:
                total += (1 - abs(i - column)) * (1 - abs(j - row)) * channel[row, column].item()
    return total


def random_parameters(batch, channels, dtype=torch.float32):
    scale = torch.rand(batch, channels, dtype=dtype) * 2
    rotation = (torch.rand(batch, channels, dtype=dtype) * 2 - 1) * math.pi
    translation = torch.rand(batch, channels, 2, dtype=dtype) * 2 - 1
    return scale, rotation, translation


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (9, 4)])
def test_agrees_with_the_slow_loop(size):
    feature = torch.randn(2, 3, *size, dtype=torch.float64)
    parameters = random_parameters(2, 3, torch.float64)
    torch.testing.assert_close(adaptive_affine(feature, *parameters), slow_adaptive_affine(feature, *parameters))


def test_identity_parameters_change_nothing():
    feature = torch.randn(2, 4, 6, 9)
    same = adaptive_affine(feature, torch.ones(2, 4), torch.zeros(2, 4), torch.zeros(2, 4, 2))
    torch.testing.assert_close(same, feature, atol=1e-5, rtol=0)


def test_shift_by_one_pixel():
    feature = torch.randn(1, 1, 5, 5)
    shift = torch.tensor([[[2 / 4, 0.0]]])
    moved = adaptive_affine(feature, torch.ones(1, 1), torch.zeros(1, 1), shift)
    torch.testing.assert_close(moved[..., :-1], feature[..., 1:], atol=1e-5, rtol=0)
    assert moved[..., -1].abs().max() < 1e-5


def test_gradients():
    feature = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    parameters = [value.requires_grad_() for value in random_parameters(1, 2, torch.float64)]
    assert torch.autograd.gradcheck(adaptive_affine, (feature, *parameters), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_low_precision_features_are_sampled_at_float32_places(dtype, tolerance):
    feature = torch.randn(1, 8, 64, 48).to(dtype)
    parameters = random_parameters(1, 8)
    found = adaptive_affine(feature, *parameters)
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.float(), adaptive_affine(feature.float(), *parameters), atol=tolerance, rtol=tolerance
    )


def test_wrong_shapes_are_named():
    feature = torch.randn(1, 4, 8, 8)
    with pytest.raises(ValueError, match=r"translation has shape \(1, 4\), expected \(1, 4, 2\)"):
        adaptive_affine(feature, torch.ones(1, 4), torch.zeros(1, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="feature has shape"):
        adaptive_affine(feature[0], torch.ones(1, 4), torch.zeros(1, 4), torch.zeros(1, 4, 2))


def naive_5d(feature, scale, rotation, translation):
    """The released form: a 3-D grid whose channel axis is built for `align_corners=True` and sampled with `False`."""
    batch, channels, height, width = feature.shape
    axis = lambda n: 2 * torch.arange(n, dtype=feature.dtype) / (n - 1) - 1  # noqa: E731
    z, y, x = torch.meshgrid(axis(channels), axis(height), axis(width), indexing="ij")
    cosine, sine = (scale * rotation.cos())[..., None, None], (scale * rotation.sin())[..., None, None]
    u = cosine * x - sine * y + translation[..., 0, None, None]
    v = sine * x + cosine * y + translation[..., 1, None, None]
    grid = torch.stack([u, v, z.expand_as(u)], -1)
    return F.grid_sample(feature[:, None], grid, align_corners=False)[:, 0]


def test_released_flags_reproduce_the_5d_operator():
    feature = torch.randn(2, 16, 12, 9)
    parameters = random_parameters(2, 16)
    found = adaptive_affine(blend_channel_neighbours(feature), *parameters, align_corners=False)
    torch.testing.assert_close(found, naive_5d(feature, *parameters), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        released.naive_5d(feature, *parameters), naive_5d(feature, *parameters), atol=1e-5, rtol=0
    )


def test_module_predicts_parameters_in_their_ranges():
    module = AdaptiveAffine(16, 8)
    scale, rotation, translation = module.parameters_of(100 * torch.randn(64, 16))
    assert 0 <= scale.min() and scale.max() <= 2 and scale.max() - scale.min() > 1
    assert rotation.abs().max() <= math.pi and rotation.abs().max() > 1
    assert translation.shape == (64, 8, 2) and translation.abs().max() <= 1
    assert module(torch.randn(64, 8, 6, 5), torch.randn(64, 16)).shape == (64, 8, 6, 5)
