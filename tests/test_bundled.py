"""The weights that the package brings along."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

import adaat_hf


BUNDLED = Path(adaat_hf.__file__).parent / "bundled"
WEIGHTS = sorted(file.relative_to(BUNDLED).as_posix() for file in BUNDLED.rglob("*.safetensors"))


@pytest.mark.parametrize("file", WEIGHTS)
def test_weights_are_finite(file):
    found = {name: value for name, value in load_file(BUNDLED / file).items() if value.is_floating_point()}
    assert [name for name, value in found.items() if not value.isfinite().all()] == []


def test_weights_of_networks_are_found():
    assert {"face/generator/model.safetensors", "person/generator/model.safetensors"} <= set(WEIGHTS)
