"""The CUDA kernels of the operator, run by Triton's interpreter on the CPU and, where there is a GPU, on it."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch

from adaat_hf import adaptive_affine


pytest.importorskip("triton")
CASES = [
    {"shape": shape, "align_corners": corners, "channels_last": last, "dtype": dtype, "blocks": blocks, "moved": moved}
    for (shape, blocks, moved), corners, last, dtype in product(
        [([2, 5, 7, 9], 4, 1.0), ([1, 3, 8, 4], 1, 5.0), ([1, 2, 1, 6], 2, 0.3)],
        [True, False],
        [False, True],
        ["float32", "bfloat16", "float16"],
    )
]


@pytest.fixture(scope="module")
def differences() -> list[dict]:
    script = Path(__file__).with_name("interpreted_kernels.py")
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(CASES)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(list(case.values())) for case in CASES])
def test_agrees_with_the_torch_version(differences, number):
    found, exact = differences[number], CASES[number]["dtype"] == "float32"
    assert found["output"] < (1e-5 if exact else 4e-2)
    assert found["feature"] < (1e-4 if exact else 8e-2)
    assert found["matrix"] < (1e-4 if exact else 4e-2)
    assert found["strides"] and found["dtype"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("compiled", [False, True])
def test_on_a_gpu(layout, compiled):
    run = torch.compile(adaptive_affine, fullgraph=True) if compiled else adaptive_affine
    feature = torch.randn(2, 64, 32, 48)
    values = [2 * torch.rand(2, 64), 3 * torch.randn(2, 64), 2 * torch.rand(2, 64, 2) - 1]
    here = [value.clone().requires_grad_() for value in (feature, *values)]
    there = [value.cuda().requires_grad_() for value in (feature.to(memory_format=layout), *values)]
    wanted, found = adaptive_affine(*here), run(*there)
    gradient = torch.randn_like(wanted)
    wanted.backward(gradient)
    found.backward(gradient.cuda())
    torch.testing.assert_close(found.cpu(), wanted, atol=1e-5, rtol=1e-4)
    for one, other in zip(there, here, strict=True):
        torch.testing.assert_close(one.grad.cpu(), other.grad, atol=1e-3, rtol=1e-3)
