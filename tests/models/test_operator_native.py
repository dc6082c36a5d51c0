"""The operator's C code against PyTorch's sampler, and what happens where it cannot be compiled."""

import math
import os
import subprocess
from multiprocessing import get_context

import pytest
import torch

from adaat_hf import adaptive_affine
from adaat_hf.models import operator, operator_native


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(operator_native, "COMPILERS", ("no-such-compiler",))
    monkeypatch.setattr(operator_native, "HF_HOME", "/nowhere")
    operator_native.native_library.cache_clear()
    yield
    operator_native.native_library.cache_clear()


@pytest.fixture
def native():
    if operator_native.native_library() is None:
        pytest.skip("no C compiler on this machine")


def in_pytorch(feature, scale, rotation, translation, align_corners):
    turned = torch.stack([scale * rotation.cos(), scale * rotation.sin()], -1)
    return operator._sampled(feature, torch.cat([turned, translation], -1), align_corners)


def parameters(batch, channels, moved=1.0):
    return (
        2 * torch.rand(batch, channels),
        math.pi * (2 * torch.rand(batch, channels) - 1),
        moved * (2 * torch.rand(batch, channels, 2) - 1),
    )


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (1, 9), (9, 1), (2, 3), (31, 17), (8, 40)])
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("moved", [0.2, 1.0, 4.0])
def test_agrees_with_pytorchs_sampler(native, size, align_corners, moved):
    torch.manual_seed(0)
    values = parameters(2, 24, moved)
    for feature, tolerance in ((torch.randn(2, 24, *size), None), (smooth_maps(2, 24, *size), 1e-3 * max(size))):
        here, there = ([value.clone().requires_grad_() for value in (feature, *values)] for _ in range(2))
        found, wanted = adaptive_affine(*here, align_corners=align_corners), in_pytorch(*there, align_corners)
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)
        gradient = torch.randn_like(wanted)
        found.backward(gradient)
        wanted.backward(gradient)
        torch.testing.assert_close(here[0].grad, there[0].grad, atol=1e-3, rtol=1e-3)
        if tolerance is not None:
            for one, other in zip(here[1:], there[1:], strict=True):
                torch.testing.assert_close(one.grad, other.grad, atol=tolerance, rtol=1e-3)


def smooth_maps(batch, channels, height, width):
    """Random maps that end in zeros and whose slope changes slowly: where a place falls on a pixel's centre, rounding decides which
    neighbour's slope counts, so that gradients of places in other maps can be compared only roughly."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    a, b, c, d = torch.randn(4, batch, channels, 1, 1)
    return ((1 - x**2) * (1 - y**2)) ** 2 * (a + b * x + c * y + d * x * y)


def test_extreme_parameters_read_nothing_they_should_not(native):
    feature = torch.ones(1, 6, 16, 16)
    scale = torch.tensor([[0.0, 1e-20, 1e20, math.nan, math.inf, 1.0]])
    translation = torch.zeros(1, 6, 2)
    translation[0, 5] = torch.tensor([math.nan, 1e30])
    found = adaptive_affine(feature, scale, torch.zeros(1, 6), translation)
    torch.testing.assert_close(found[0, :2], torch.ones(2, 16, 16))
    assert found[0, 3:].eq(0).all()
    assert found.isfinite().all()


def test_maps_of_any_memory_layout_and_type(native):
    feature = torch.randn(2, 12, 10, 14)
    values = parameters(2, 12)
    wanted = adaptive_affine(feature, *values)
    for other in (
        feature.to(memory_format=torch.channels_last),
        torch.randn(2, 24, 10, 14)[:, ::2].copy_(feature),
        feature.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        torch.testing.assert_close(adaptive_affine(other, *values), wanted)
    half = adaptive_affine(feature.half(), *values)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), adaptive_affine(feature.half().float(), *values), atol=2e-3, rtol=2e-3)


def test_the_number_of_threads_changes_nothing(native):
    feature, values = torch.randn(3, 67, 64, 64), parameters(3, 67)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = adaptive_affine(feature, *values)
        torch.set_num_threads(5)
        assert torch.equal(adaptive_affine(feature, *values), one)
    finally:
        torch.set_num_threads(before)


def test_without_a_compiler_pytorch_does_it(no_compiler):
    assert operator_native.native_library() is None
    feature, values = torch.randn(1, 4, 8, 8), parameters(1, 4)
    torch.testing.assert_close(adaptive_affine(feature, *values), in_pytorch(feature, *values, True))


@pytest.mark.parametrize("failure", ["error", "hangs"])
def test_a_compiler_that_fails_is_survived(monkeypatch, tmp_path, failure):
    def run(command, **kwargs):
        if failure == "hangs":
            raise subprocess.TimeoutExpired(command, kwargs["timeout"])
        raise subprocess.CalledProcessError(1, command, stderr=b"no")

    monkeypatch.setattr(operator_native, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(operator_native.subprocess, "run", run)
    operator_native.native_library.cache_clear()
    try:
        assert operator_native.native_library() is None
        assert adaptive_affine(torch.ones(1, 1, 4, 4), *parameters(1, 1)).shape == (1, 1, 4, 4)
        assert not list((tmp_path / "adaat_hf").iterdir())
    finally:
        operator_native.native_library.cache_clear()


def test_compiles_once(native, monkeypatch, tmp_path):
    monkeypatch.setattr(operator_native, "HF_HOME", str(tmp_path))
    path = operator_native._compiled()
    made = path.stat().st_mtime_ns
    assert operator_native._compiled().stat().st_mtime_ns == made
    assert [file.name for file in (tmp_path / "adaat_hf").iterdir()] == [path.name]


def test_under_torch_compile(native):
    feature, values = torch.randn(1, 6, 9, 9, requires_grad=True), parameters(1, 6)
    compiled = torch.compile(adaptive_affine, fullgraph=True, backend="aot_eager")
    found = compiled(feature, *values)
    torch.testing.assert_close(found, adaptive_affine(feature, *values))
    found.sum().backward()
    assert feature.grad.abs().sum() > 0


def test_on_systems_without_uname(native, monkeypatch, tmp_path):
    monkeypatch.setattr(operator_native, "HF_HOME", str(tmp_path))
    monkeypatch.delattr(operator_native.os, "uname")
    assert operator_native._compiled().is_file()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own(native):
    operator_native._threads()
    with get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_cached_pools).get(timeout=60) == 0


def _cached_pools() -> int:
    return operator_native._threads.cache_info().currsize
