"""Converted released weights give the golden outputs of the released code."""

import sys

import pytest
import torch
from safetensors.torch import load_file

from adaat_hf import convert_original_discriminator, convert_original_state_dict


@pytest.fixture(scope="module")
def parity(shared):
    sys.path.insert(0, str(shared / "parity"))
    from state_dict import build

    return shared / "parity", build


@pytest.mark.parametrize(
    ("network", "golden", "prefix"),
    [("person", "person_96x64", "module."), ("person", "person_160x96_missing", ""), ("face", "face_128", "module.")],
)
def test_generator_gives_the_golden_output(parity, network, golden, prefix):
    folder, build = parity
    model = convert_original_state_dict({prefix + key: value for key, value in build(network).items()})
    data = load_file(folder / f"{golden}.safetensors")
    with torch.no_grad():
        result = model(
            data["source"].flip(1), data["source_keypoints"], data["driving_keypoints"], output_features=True
        )
    torch.testing.assert_close(result.images.flip(1), data["output"], atol=1e-4, rtol=0)
    for found, name in zip(result.features, ("feature_before", "feature_after"), strict=True):
        torch.testing.assert_close(found[:, ::32], data[name], atol=1e-4, rtol=0)
    assert model.config.num_keypoints == {"person": 18, "face": 68}[network]


def test_operator_gives_the_golden_output(parity):
    folder, build = parity
    operator = convert_original_state_dict(build("person")).alignment.operators[0]
    data = load_file(folder / "operator_16x12.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(operator(data["feature"], data["code"]), data["output"], atol=1e-4, rtol=0)


def test_discriminator_gives_the_golden_output(parity):
    folder, build = parity
    model = convert_original_discriminator(build("discriminator"))
    data = load_file(folder / "discriminator_96x80.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(model.judge(data["input"]), data["output"], atol=1e-4, rtol=0)


def test_converted_weights_survive_saving(parity, tmp_path):
    folder, build = parity
    model = convert_original_state_dict(build("person"))
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    source, points = torch.rand(1, 3, 32, 24), torch.rand(1, 18, 2)
    with torch.no_grad():
        torch.testing.assert_close(loaded(source, points, points).images, model(source, points, points).images)


def test_other_files_are_refused(parity):
    _, build = parity
    with pytest.raises(ValueError, match="it is not a released AdaAT generator"):
        convert_original_state_dict({"weight": torch.zeros(1)})
    damaged = build("person")
    del damaged["adaAT1.scale.0.weight"]
    with pytest.raises(ValueError, match="1 tensors are missing"):
        convert_original_state_dict(damaged)
