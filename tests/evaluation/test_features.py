"""Features of pictures and the Fréchet distance of sets of them."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from adaat_hf.evaluation.features import align_face, cosine_similarity, frechet_distance, open_features


CPU = torch.device("cpu")


def test_frechet_distance_by_its_formula():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(300, 6)), rng.normal(size=(200, 6)) * 2 + 1
    (mean, covariance), (other, other_covariance) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (first, second))
    wanted = ((mean - other) ** 2).sum() + np.trace(
        covariance + other_covariance - 2 * sqrtm(covariance @ other_covariance).real
    )
    assert frechet_distance(first, second) == pytest.approx(wanted, abs=1e-6)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_by_hand():
    # One feature: variances 1 and 4 (unbiased), means 0 and 3: 9 + (1 - 2)^2.
    first = np.array([[-1.0], [0.0], [1.0]])
    assert frechet_distance(first, 2 * first + 3) == pytest.approx(10, abs=1e-9)


def test_one_picture_has_no_distribution():
    with pytest.raises(ValueError, match="at least two pictures on both sides, there are 1 painted and 3"):
        frechet_distance(np.zeros((1, 4)), np.zeros((3, 4)))


def test_vgg_features_tell_pictures_apart(backbone, astronaut):
    features = open_features(f"vgg16:{backbone / 'vgg16.safetensors'}", CPU)
    found = features(np.stack([astronaut[:128, :128], astronaut[:128, :128], astronaut[128:256, 128:256]]))
    assert found.shape == (3, 512) and np.allclose(found[0], found[1]) and not np.allclose(found[0], found[2])


def test_onnx_networks_of_a_fixed_size(tmp_path, astronaut):
    class Means(nn.Module):
        def forward(self, pictures):
            return pictures.mean((2, 3))

    file = tmp_path / "means.onnx"
    torch.onnx.export(Means().eval(), (torch.zeros(1, 3, 32, 32),), str(file), dynamo=True, verbose=False)
    found = open_features(f"onnx:{file}", CPU)(astronaut[None, :64, :64])
    assert found == pytest.approx(astronaut[:64, :64].mean((0, 1))[None] / 127.5 - 1, abs=0.01)


@pytest.mark.parametrize(("name", "words"), [("arcface", "no features 'arcface'"), ("onnx:none.onnx", "none.onnx")])
def test_unknown_features_are_named(name, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        open_features(name, CPU)


def test_inception_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ImportError, match="pip install torch-fidelity"):
        open_features("inception", CPU)


def test_cosines_by_hand():
    rows = np.array([[1.0, 0.0], [1.0, 1.0], [-2.0, 0.0]])
    assert cosine_similarity(rows, np.array([[3.0, 0.0]])) == pytest.approx([1, 0.5**0.5, -1])


def test_aligned_faces_do_not_depend_on_where_the_face_is(astronaut, face_model):
    """The same face, turned, larger and elsewhere, is cut out alike."""
    points = (face_model.mean[:, :2].numpy() * 60 + [220, 110]).astype(np.float32)
    angle, zoom = 0.3, 1.4
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.concatenate([turn, [[60.0], [-90.0]]], 1)
    import cv2

    moved = cv2.warpAffine(astronaut, matrix, (640, 640), flags=cv2.INTER_CUBIC)
    there = (points @ turn.T + matrix[:, 2]).astype(np.float32)
    first, second = align_face(astronaut, points), align_face(moved, there)
    assert first.shape == (112, 112, 3)
    assert np.abs(first.astype(int) - second).mean() < 6
