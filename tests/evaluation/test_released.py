"""The re-stated released loop: the same network as ours with the released flags, and a step that learns."""

import pytest
import torch
import torchvision
from conftest import tiny_config
from safetensors.torch import save_file

from adaat_hf import AdaATGenerator
from adaat_hf.evaluation.backbones import VGGFeatures
from adaat_hf.evaluation.released import NaiveAffine, ReleasedStep
from adaat_hf.models.configuration_adaat import AdaATDiscriminatorConfig
from adaat_hf.models.modeling_discriminator import AdaATDiscriminator


RELEASED = {"num_keypoints": 68, "align_corners": False, "blend_channels": True, "upsample_mode": "nearest"}


def naive(model):
    for number, operator in enumerate(model.alignment.operators):
        model.alignment.operators[number] = NaiveAffine(operator)
    return model


def test_the_5d_network_paints_the_same_picture():
    model = AdaATGenerator(tiny_config(**RELEASED)).eval()
    inputs = torch.rand(1, 3, 32, 32), 2 * torch.rand(1, 68, 2) - 1, 2 * torch.rand(1, 68, 2) - 1
    with torch.no_grad():
        expected = model(*inputs).images
        torch.testing.assert_close(naive(model)(*inputs).images, expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_its_step_learns_and_moves_both_networks(tmp_path):
    layers = torchvision.models.vgg19(weights=None).features.state_dict()
    save_file({f"features.{name}": value for name, value in layers.items()}, tmp_path / "vgg19.safetensors")
    generator = naive(AdaATGenerator(tiny_config(**RELEASED)).train())
    discriminator = AdaATDiscriminator(AdaATDiscriminatorConfig(channels=(4, 4, 4, 4))).train()
    before = [next(network.parameters()).clone() for network in (generator, discriminator)]
    step = ReleasedStep(generator, discriminator, VGGFeatures(f"vgg19:{tmp_path / 'vgg19.safetensors'}"))
    points = 2 * torch.rand(2, 68, 2) - 1
    batch = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64) / 4, points, points.flip(0)
    losses = [step(*batch)["perceptual"] for _ in range(6)]
    assert losses[-1] < 0.95 * losses[0]
    after = [next(network.parameters()) for network in (generator, discriminator)]
    assert all(not torch.equal(first, second) for first, second in zip(before, after, strict=True))
