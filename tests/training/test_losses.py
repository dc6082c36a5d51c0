"""The losses against hand-computed cases."""

import pytest
import torch

from adaat_hf.evaluation.backbones import VGGFeatures, lpips_metric
from adaat_hf.training.losses import (
    PerceptualLoss,
    discriminator_adversarial_loss,
    feature_weights,
    generator_adversarial_loss,
    inner_face,
    weighted_l1,
)


def test_least_squares_adversarial_losses():
    assert generator_adversarial_loss(torch.tensor([1.0, 0.0])).item() == pytest.approx(0.5)
    assert discriminator_adversarial_loss(torch.tensor([1.0, 0.5]), torch.tensor([0.0, 1.0])).item() == pytest.approx(
        0.3125
    )


def test_perceptual_loss_of_the_paper(backbone):
    loss = PerceptualLoss(f"vgg16:{backbone / 'vgg16.safetensors'}", [1.0, 0.5])
    pictures, target = torch.rand(2, 3, 64, 64, requires_grad=True), torch.rand(2, 3, 64, 64)
    assert loss(target, target).item() == 0
    value = loss(pictures, target)
    value.backward()
    assert pictures.grad.abs().max() > 0 and not any(p.requires_grad for p in loss.parameters())
    full = sum(
        (a - b).abs().mean() for a, b in zip(loss.features(pictures), loss.features(target), strict=True)
    ) / 5  # fmt: skip
    assert 0 < full.item() < value.item()


def test_features_are_those_of_torchvision(backbone):
    import torchvision
    from safetensors.torch import load_file

    reference = torchvision.models.vgg16(weights=None).features
    state = load_file(backbone / "vgg16.safetensors")
    reference.load_state_dict({key.removeprefix("features."): value for key, value in state.items()})
    features = VGGFeatures(f"vgg16:{backbone / 'vgg16.safetensors'}")
    picture = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (picture - mean[:, None, None]) / std[:, None, None]
    found = features(picture)
    torch.testing.assert_close(found[0], reference[:2](normal))
    torch.testing.assert_close(found[4], reference[:26](normal))
    with pytest.raises(ValueError, match="no feature extractor 'resnet'"):
        VGGFeatures("resnet")
    with pytest.raises(FileNotFoundError, match="do not exist"):
        VGGFeatures("vgg16:/nowhere.safetensors")


def test_lpips_reproduces_the_published_examples(shared):
    """Distances of the package's example pictures (0.722 and 0.138) depend on the heads and the backbone alike."""
    metric = lpips_metric(str(shared / "assets/imagenet/alexnet_features.safetensors"))
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    near, far = picture + 0.05 * torch.randn_like(picture), torch.rand(1, 3, 64, 64) * 2 - 1
    assert metric(picture, picture).item() == 0 and metric(picture, near) < metric(picture, far)


def test_eyes_and_mouth_weigh_more(face_model):
    points = face_model.mean[None, :, :2].float() * 0.8
    weight = feature_weights(points, 64, 64, 3.0)
    assert weight.shape == (1, 1, 64, 64) and weight.mean().item() == pytest.approx(1, abs=1e-5)
    row, column = (((points[0, 62] + 1) / 2 * 63).round().long()).flip(0)
    assert weight[0, 0, row, column] > 2 * weight[0, 0, 0, 0]
    assert feature_weights(points, 64, 64, 0.0) is None
    difference = torch.zeros(1, 3, 64, 64)
    difference[..., row, column] = 1
    assert weighted_l1(difference, torch.zeros(1, 3, 64, 64), weight) > weighted_l1(difference, 0 * difference, None)


def test_the_inner_face_is_cut_around_eyes_and_mouth():
    keypoints = torch.zeros(2, 96, 2)
    keypoints[0, 36:68] = torch.tensor([0.25, -0.25])
    keypoints[1, 36:68] = torch.tensor([0.9, 0.9])
    pictures = torch.arange(64.0).reshape(1, 1, 8, 8).expand(2, 3, 8, 8)
    cut = inner_face(pictures, keypoints)
    assert cut.shape == (2, 3, 4, 4)
    assert torch.equal(cut[0], pictures[0, :, 1:5, 3:7])
    assert torch.equal(cut[1], pictures[1, :, 4:, 4:]), "never beyond the picture"
