"""Similarity of pictures against scikit-image, torchmetrics, the definitions written out, and cases done by hand."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from adaat_hf.evaluation.backbones import lpips_metric
from adaat_hf.evaluation.protocols import PROTOCOLS
from adaat_hf.evaluation.similarity import (
    SsimSettings,
    mean_difference,
    perceptual_distance,
    psnr,
    relative_difference,
    ssim,
    white_to_square,
)


INSIDE = SsimSettings(borders="inside")


@pytest.fixture
def pictures(astronaut):
    """A picture and a noisy one, as tall and wide as those of DeepFashion."""
    target = astronaut[:256, 120:296]
    noise = np.random.default_rng(0).normal(0, 15, target.shape)
    return np.clip(target + noise, 0, 255).astype(np.uint8), target


def as_tensor(picture):
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].double() / 255


def zero_padded_ssim(painted, target):
    """`pytorch_ssim`, as its GitHub version computes it, written out with convolutions."""
    x = torch.arange(11, dtype=torch.float64) - 5
    line = torch.exp(-(x**2) / (2 * 1.5**2))
    kernel = torch.outer(line, line)
    kernel = (kernel / kernel.sum()).expand(3, 1, 11, 11)

    def blur(value):
        return F.conv2d(value, kernel, padding=5, groups=3)

    first, second = as_tensor(painted), as_tensor(target)
    mean, other = blur(first), blur(second)
    both = mean * other
    variances = blur(first**2) - mean**2 + blur(second**2) - other**2
    covariance = blur(first * second) - both
    top = (2 * both + 0.01**2) * (2 * covariance + 0.03**2)
    return float((top / ((mean**2 + other**2 + 0.01**2) * (variances + 0.03**2))).mean())


def test_the_papers_ssim_pads_with_zeros_and_makes_persons_square(pictures):
    settings = PROTOCOLS["adaat-paper"].ssim["ssim"]
    padded = [np.pad(picture, ((0, 0), (40, 40), (0, 0)), constant_values=255) for picture in pictures]
    assert padded[0].shape == (256, 256, 3)
    assert ssim(*pictures, settings) == pytest.approx(zero_padded_ssim(*padded), abs=1e-9)
    assert ssim(*pictures, SsimSettings()) == pytest.approx(zero_padded_ssim(*pictures), abs=1e-9)
    assert ssim(*pictures, settings) > ssim(*pictures, SsimSettings()) + 0.05, "the definition moves the number"


def test_ssim_inside_is_that_of_torchmetrics_and_scikit_image(pictures):
    full = structural_similarity_index_measure(
        *map(as_tensor, pictures), sigma=1.5, kernel_size=11, data_range=1.0, return_full_image=True
    )[1]
    assert ssim(*pictures, INSIDE) == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-9)
    assert ssim(*pictures, INSIDE) == pytest.approx(
        structural_similarity(
            *pictures, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        ),
        abs=1e-9,
    )


def test_patn_and_gfla_are_what_their_codes_call(pictures):
    painted, target = pictures
    padded = [white_to_square(picture) for picture in (target, painted)]
    patn = structural_similarity(
        *padded, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2,
        data_range=int(padded[1].max()) - int(padded[1].min()),
    )  # fmt: skip
    assert ssim(painted, target, PROTOCOLS["patn"].ssim["ssim"]) == pytest.approx(patn, abs=1e-9)
    first, second = target.astype(np.float32) / 255, painted.astype(np.float32) / 255
    gfla = structural_similarity(first, second, data_range=1, win_size=51, channel_axis=2)
    assert ssim(painted, target, PROTOCOLS["gfla"].ssim["ssim"]) == pytest.approx(gfla, abs=1e-5)


def test_constant_pictures_by_hand():
    black, white = np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)
    # No variance anywhere: only the means differ, (2 * 0 * 1 + C1) / (0 + 1 + C1).
    assert ssim(black, white, INSIDE) == pytest.approx(1e-4 / 1.0001, rel=1e-6)
    gray = np.full((32, 32, 3), 51, np.uint8)
    assert psnr(gray, black) == pytest.approx(20 * np.log10(5), abs=1e-9)
    assert psnr(white, white) == 100 and ssim(white, white) == pytest.approx(1)
    assert mean_difference(gray, black) == pytest.approx(0.2) and mean_difference(white, black) == 1
    assert relative_difference(gray, white) == pytest.approx((255 - 51) / (255 + 51))
    assert relative_difference(black, black) == 0


def test_psnr_is_that_of_torchmetrics(pictures):
    found = peak_signal_noise_ratio(*map(as_tensor, pictures), data_range=1.0)
    assert psnr(*pictures) == pytest.approx(float(found), abs=1e-5)


def test_a_window_larger_than_the_picture_is_refused():
    small = np.zeros((40, 48, 3), np.uint8)
    with pytest.raises(ValueError, match="window of 51 pixels, the pictures are only 48x40"):
        ssim(small, small, PROTOCOLS["gfla"].ssim["ssim"])


@pytest.mark.parametrize(("net", "file"), [("alex", "alexnet"), ("vgg", "vgg16")])
def test_lpips_uses_the_given_backbone(backbone, pictures, net, file):
    metric = lpips_metric(str(backbone / f"{file}.safetensors"), net)
    again = lpips_metric(str(backbone / f"{file}.safetensors"), net)
    distance = perceptual_distance(metric, *pictures)
    assert distance > 0 and distance == perceptual_distance(again, *pictures)
    assert perceptual_distance(metric, pictures[0], pictures[0]) == 0
    other = {"alex": "vgg16", "vgg": "alexnet"}[net]
    with pytest.raises(ValueError, match=f"LPIPS network {net!r}"):
        lpips_metric(str(backbone / f"{other}.safetensors"), net)


def test_lpips_is_the_packages_own(shared, pictures):
    """Distances of the published weights lie where the LPIPS paper's do: small for noise, large for another picture."""
    metric = lpips_metric(str(shared / "assets" / "imagenet" / "alexnet_features.safetensors"))
    painted, target = pictures
    other = np.ascontiguousarray(target[::-1])
    slightly = np.clip(target.astype(int) + 2, 0, 255).astype(np.uint8)
    distances = [perceptual_distance(metric, picture, target) for picture in (slightly, painted, other)]
    assert 0 < distances[0] < 0.02 < distances[1] < distances[2] and distances[2] > 0.4
