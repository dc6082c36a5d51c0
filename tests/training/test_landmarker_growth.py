"""A landmarker that is given crops of twice the resolution finds what it found before."""

import pytest
import torch
from torch.nn import functional as F

from adaat_hf import AdaATLandmarker, AdaATLandmarkerConfig
from adaat_hf.training.landmarker_growth import load_for_training


SMALL = {
    "crop_size": 32, "channels": [8, 12, 16], "heatmap_channels": 16, "detector_channels": [8, 8, 12, 12],
    "layout": "body18", "num_keypoints": 18, "visibility": True,
}  # fmt: skip
PARTS = {"parts": True, "parts_channels": [8, 12]}
GROWN = {**SMALL, "crop_size": 64, "channels": [7, 8, 12, 16]}


@pytest.fixture
def small(tmp_path):
    torch.manual_seed(0)
    model = AdaATLandmarker(AdaATLandmarkerConfig(**SMALL))
    for _ in range(3):  # so that batch norms have statistics of their own
        model(torch.rand(4, 3, 32, 32))
        model.find(torch.rand(4, 3, 64, 64))
    model.eval().save_pretrained(tmp_path / "small")
    return model


@torch.no_grad()
def test_a_grown_landmarker_sees_what_the_small_one_sees(small, tmp_path):
    grown = load_for_training(tmp_path / "small", AdaATLandmarkerConfig(**GROWN)).eval()
    crops = F.interpolate(torch.rand(4, 3, 4, 4), (64, 64), mode="bicubic").clamp(0, 1)
    found, before = grown(crops), small(F.avg_pool2d(crops, 2))
    torch.testing.assert_close(found.presence, before.presence, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.visibility, before.visibility, atol=1e-4, rtol=0)
    assert found.heatmaps.shape[-1] == 2 * before.heatmaps.shape[-1]
    assert (found.points - before.points).abs().max() < 0.1
    pictures = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(grown.find(pictures).scores, small.find(pictures).scores)


def test_all_of_a_grown_landmarker_learns(small, tmp_path):
    grown = load_for_training(tmp_path / "small", AdaATLandmarkerConfig(**GROWN)).train()
    before = {name: value.clone() for name, value in grown.landmarks.named_parameters()}
    optimizer = torch.optim.SGD(grown.landmarks.parameters(), 0.1)
    for _ in range(3):
        found = grown(torch.rand(4, 3, 64, 64))
        optimizer.zero_grad()
        (found.heatmaps.square().mean() + found.presence.mean() + found.visibility.mean()).backward()
        optimizer.step()
    weights = {name for name in before if name.endswith("weight")}
    same = [name for name in weights if torch.equal(grown.landmarks.get_parameter(name), before[name])]
    assert not same


def test_another_landmarker_is_refused(small, tmp_path):
    other = AdaATLandmarkerConfig(**{**GROWN, "channels": [7, 8, 12, 20]})
    with pytest.raises(ValueError, match=r"channels \[8, 12, 16\]; expected 64 and \[7, 8, 12, 20\], or 32"):
        load_for_training(tmp_path / "small", other)
    narrow = AdaATLandmarkerConfig(**{**GROWN, "channels": [4, 8, 12, 16]})
    with pytest.raises(ValueError, match="is 4, expected 6 or more"):
        load_for_training(tmp_path / "small", narrow)


@torch.no_grad()
def test_a_landmarker_learns_parts_without_losing_what_it_knows(small, tmp_path):
    able = load_for_training(tmp_path / "small", AdaATLandmarkerConfig(**SMALL, **PARTS)).eval()
    crops, points, seen = torch.rand(2, 3, 32, 32), torch.rand(2, 18, 2) * 2 - 1, torch.ones(2, 18)
    torch.testing.assert_close(able(crops).points, small(crops).points)
    assert able.tell_parts(crops, points, seen).shape == (2, 3, 16, 16)
    able.save_pretrained(tmp_path / "able")
    grown = load_for_training(tmp_path / "able", AdaATLandmarkerConfig(**GROWN, **PARTS)).eval()
    torch.testing.assert_close(grown.tell_parts(crops, points, seen), able.tell_parts(crops, points, seen))
