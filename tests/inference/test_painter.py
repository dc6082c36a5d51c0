"""What paints is chosen as asked for, follows changed weights, and goes back to 32 bits where 16 fail."""

from functools import partialmethod

import pytest
import torch

from adaat_hf import AdaATGenerator
from adaat_hf.inference import InferencePlan, precision
from adaat_hf.inference.painter import HookedPainter, PaintingOptions, describe, open_painter
from adaat_hf.inference.precision import GuardedPainter, probed_dtype


CPU = torch.device("cpu")


def painted(pipe, frames=3):
    torch.manual_seed(1)
    source, points = torch.rand(3, 32, 32), 1.6 * torch.rand(frames + 1, 96, 2) - 0.8
    return torch.cat(list(pipe.paint_tensors(source, points[0], points[1:])))


def test_the_plan_paints_by_default_and_is_kept(pipe):
    painter = pipe.painter()
    assert isinstance(painter, InferencePlan)
    assert pipe.painter() is painter
    assert describe(painter) == "PyTorch plan, torch.float32"


@torch.no_grad()
def test_changed_weights_are_noticed(pipe):
    before = painted(pipe)
    pipe.generator.to_picture.bias.fill_(0.3)
    assert (painted(pipe) - before).abs().max() > 0.05
    changed = painted(pipe)
    pipe.generator.load_state_dict(AdaATGenerator(pipe.generator.config).state_dict())
    assert (painted(pipe) - changed).abs().max() > 0.05


def test_generators_with_hooks_paint_themselves(pipe):
    plain = painted(pipe)
    pipe.generator._hf_hook = object()
    assert isinstance(pipe.painter(), HookedPainter)
    torch.testing.assert_close(painted(pipe), plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"backend": "tensorflow"}, "backend is 'tensorflow'"), ({"dtype": "half"}, "dtype is 'half'")],
)
def test_unknown_options_are_refused(pipe, options, message):
    with pytest.raises(ValueError, match=message):
        pipe.optimize(**options)


def test_a_missing_package_is_named(pipe, monkeypatch):
    for module in ("runtimes", "painter"):
        monkeypatch.setattr(f"adaat_hf.inference.{module}.is_installed", lambda name: False)
    with pytest.raises(ImportError, match=r"pip install 'adaat-hf\[openvino\]'"):
        pipe.optimize("openvino")
    assert isinstance(pipe.painter(), InferencePlan)


def test_other_runtimes_paint_on_the_cpu_only(tiny_generator):
    with pytest.raises(ValueError, match="paints on the CPU, but the pipeline is on meta"):
        open_painter(tiny_generator, PaintingOptions("onnxruntime"), torch.device("meta"))


@pytest.mark.slow
def test_compiled(pipe, monkeypatch):
    """All parts become graphs; the machine code that Inductor makes of them would take a minute."""
    graphs = []

    def kept(graph, example):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend=kept, fullgraph=True)
    )
    plain = painted(pipe)
    torch.testing.assert_close(painted(pipe.optimize("torch", compile=True)), plain, atol=1e-4, rtol=0)
    assert len(graphs) >= 5


def test_sixteen_bits_where_they_are_asked_for(pipe):
    exact = painted(pipe)
    pipe.optimize(dtype=torch.bfloat16)
    assert isinstance(pipe.painter(), GuardedPainter)
    found = painted(pipe)
    assert 0 < (found - exact).abs().max() < 0.05


def test_sixteen_bits_that_overflow_are_painted_again(pipe, monkeypatch):
    """Features that pass float16's largest number, 65504, but not float32's."""
    warned = []
    monkeypatch.setattr(precision.logger, "warning", lambda text, *values: warned.append(text % values))
    with torch.no_grad():
        pipe.generator.stem.norm.weight.fill_(1e7)
        pipe.generator.down[0].conv.weight.mul_(1e-7)
        pipe.generator.skips["1"].merge.conv.weight.mul_(1e-7)
    exact = painted(pipe)
    assert exact.isfinite().all()
    pipe.optimize(dtype=torch.float16)
    torch.testing.assert_close(painted(pipe), exact)
    assert len(warned) == 1 and "values that are not finite" in warned[0]
    assert pipe.painter().dtype == torch.float32


def test_the_probe_passes_over_a_type_that_fails(tiny_generator, monkeypatch):
    plan = InferencePlan(tiny_generator)
    tried = []

    def difference(plan, dtype, device):
        tried.append(dtype)
        return {torch.bfloat16: float("inf"), torch.float16: 0.001}[dtype]

    monkeypatch.setattr("adaat_hf.inference.precision._difference", difference)
    assert probed_dtype(plan, torch.device("mps")) == torch.float16
    assert tried == [torch.bfloat16, torch.float16]
    monkeypatch.setattr("adaat_hf.inference.precision._difference", lambda *_: 0.1)
    assert probed_dtype(plan, torch.device("mps")) == torch.float32


@pytest.mark.parametrize("able", [True, False])
def test_processors_that_multiply_bfloat16_paint_in_it_when_asked(pipe, monkeypatch, able):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr("adaat_hf.inference.precision._difference", lambda *_: 0.001)
    exact = painted(pipe)
    assert describe(pipe.painter()) == "PyTorch plan, torch.float32", "exact until asked"
    pipe.optimize(dtype="auto")
    assert describe(pipe.painter()) == f"PyTorch plan, torch.{'bfloat16' if able else 'float32'}"
    assert (painted(pipe) - exact).abs().mean() < 0.02


def test_the_probe_measures_what_a_type_changes(tiny_generator):
    from adaat_hf.inference.precision import _difference

    plan = InferencePlan(tiny_generator)
    assert _difference(plan, torch.float32, CPU) == 0
    assert 0 < _difference(plan, torch.bfloat16, CPU) < 0.05
