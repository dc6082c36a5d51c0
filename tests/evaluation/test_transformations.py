"""What operators do, read from networks whose operators are known; and the figures drawn of it."""

import math

import numpy as np
import pytest
import torch
from conftest import MODERN, tiny_config

from adaat_hf import AdaATGenerator
from adaat_hf.evaluation.drawing import picture_rows, transformation_histograms
from adaat_hf.evaluation.transformations import REGIONS, read_transformations, region_masks
from adaat_hf.processing.image_processing_adaat import AdaATImageProcessor


@pytest.fixture
def landmarks(face_model):
    """A face in the middle of a 64 px picture, (1, 96, 2) in [-1, 1]."""
    points = face_model.mean[None, :, :2] * 26 + torch.tensor([32.0, 34.0])
    return AdaATImageProcessor.normalize_keypoints(points, 64, 64)


@pytest.fixture
def pairs(landmarks):
    torch.manual_seed(0)
    return [(torch.rand(1, 3, 64, 64), landmarks, landmarks + 0.02 * n) for n in range(3)]


def logit(share):
    return math.log(share / (1 - share))


def test_known_parameters_are_read_in_plain_units(pairs):
    model = AdaATGenerator(tiny_config(**MODERN)).eval()
    operator = model.alignment.operators[0]
    channels = operator.scale.out_features
    with torch.no_grad():
        for head in (operator.scale, operator.rotation, operator.translation):
            head.weight.zero_()
        operator.scale.bias.fill_(logit(0.6))
        operator.rotation.bias.fill_(math.atanh(0.25))
        operator.translation.bias.copy_(torch.tensor([math.atanh(0.5), math.atanh(-0.2)]).repeat(channels))
    found = read_transformations(model, pairs)
    assert found.scale.shape == (3, channels) and found.scale == pytest.approx(1.2, abs=1e-5)
    assert found.rotation == pytest.approx(45, abs=1e-3)
    assert found.translation[..., 0] == pytest.approx(0.25, abs=1e-5), "half of 0.5: 1 is half of the map"
    assert found.translation[..., 1] == pytest.approx(-0.1, abs=1e-5)
    summary = found.summary()
    assert summary["scale, mean"] == pytest.approx(1.2) and summary["rotation, deviation over channels (deg)"] < 1e-3
    assert summary["translation, mean length (%)"] == pytest.approx(100 * math.hypot(0.25, 0.1), rel=1e-4)


def test_channels_are_served_where_they_vary(landmarks):
    masks = region_masks(landmarks[0].numpy(), 64, 64)
    assert masks.shape == (5, 64, 64) and (masks.sum(0) == 1).all(), "regions cover the picture and do not overlap"
    centres = [np.argwhere(mask).mean(0) for mask in masks[:3]]
    assert centres[0][0] < centres[1][0] < centres[2][0], "eyes above the nose, the nose above the mouth"
    assert masks[:, 0, 0].tolist() == [False] * 4 + [True] and masks[3].any()


@pytest.mark.parametrize("region", range(5))
def test_a_map_that_varies_in_one_region_serves_it(landmarks, region):
    from adaat_hf.evaluation.transformations import _energy

    masks = region_masks(landmarks[0].numpy(), 64, 64)
    feature = np.random.default_rng(0).normal(0, 0.1, (1, 64, 64))
    feature[0] += 3 * masks[region] * np.random.default_rng(1).normal(size=(64, 64))
    assert _energy(feature, masks).argmax(1).tolist() == [region]


def test_networks_without_operators_are_refused(pairs):
    model = AdaATGenerator(tiny_config(alignment="dense_flow"))
    with pytest.raises(ValueError, match="alignment is 'dense_flow', only 'adaat' has operators"):
        read_transformations(model, pairs)
    with pytest.raises(ValueError, match="no pictures"):
        read_transformations(AdaATGenerator(tiny_config()), [])


def test_figures_have_every_picture(pairs):
    model = AdaATGenerator(tiny_config(**MODERN)).eval()
    drawn = transformation_histograms(read_transformations(model, pairs), "three pairs")
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.std() > 5
    red, blue = (np.zeros((40, 40, 3), np.uint8) for _ in range(2))
    red[..., 0], blue[..., 2] = 255, 255
    rows = picture_rows([("first", [red, blue]), ("second", [blue])], ["one", "two"])
    assert (rows == [255, 0, 0]).all(-1).sum() > 5000
    assert (rows == [0, 0, 255]).all(-1).sum() == pytest.approx(2 * (rows == [255, 0, 0]).all(-1).sum(), rel=0.05)
    assert len(REGIONS) == 5
