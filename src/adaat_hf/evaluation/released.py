"""The released code's way of computing, re-stated to compare speed with: its 5-D operator and its training step."""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.configuration_adaat import AdaATConfig
from ..models.keypoint_maps import gaussian_heatmaps
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_discriminator import AdaATDiscriminator
from ..models.operator import AdaptiveAffine
from .backbones import VGGFeatures


def naive_5d(feature: Tensor, scale: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """The operator as the authors' networks compute it: a matrix per voxel of a 3-D grid, sampled with 5-D `grid_sample`.

    Arguments and result are those of [`adaptive_affine`] with `align_corners=False` after [`blend_channel_neighbours`].
    """
    batch, channels, height, width = feature.shape
    axes = [2 * torch.arange(n, dtype=feature.dtype, device=feature.device) / (n - 1) - 1 for n in feature.shape[1:]]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    places = torch.stack([x, y], -1).expand(batch, -1, -1, -1, -1)
    whole = (batch, channels, height, width)
    cosine, sine = rotation.cos(), rotation.sin()
    turn = torch.stack([cosine, -sine, sine, cosine], -1).reshape(batch, channels, 1, 1, 2, 2)
    turned = (turn.expand(*whole, 2, 2).contiguous() @ places[..., None])[..., 0]
    moved = turned * scale[..., None, None, None].expand(*whole, 1) + translation[:, :, None, None].expand(*whole, 2)
    grid = torch.cat([moved, z.expand(whole)[..., None]], -1)
    return F.grid_sample(feature[:, None], grid, align_corners=False)[:, 0]


class NaiveAffine(nn.Module):
    """[`AdaptiveAffine`] through [`naive_5d`], with its weights."""

    def __init__(self, operator: AdaptiveAffine) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, feature: Tensor, code: Tensor) -> Tensor:
        """(B, C, H, W) and (B, D) to (B, C, H, W)."""
        return naive_5d(feature, *self.operator.parameters_of(code))


def released_generator(num_keypoints: int, code_blocks: int) -> AdaATGenerator:
    """The released network with random weights, and with its own operator."""
    config = AdaATConfig(
        num_keypoints=num_keypoints,
        code_blocks=code_blocks,
        align_corners=False,
        blend_channels=True,
        upsample_mode="nearest",
    )
    return with_naive_operator(AdaATGenerator(config))


def with_naive_operator(generator: AdaATGenerator) -> AdaATGenerator:
    """A copy of a generator whose operators compute in the released way, as far as speed is concerned: of the operator's
    variants, [`naive_5d`] is the released one."""
    model = copy.deepcopy(generator)
    operators = cast(nn.ModuleList, model.alignment.operators)
    for number, operator in enumerate(operators):
        operators[number] = NaiveAffine(cast(AdaptiveAffine, operator))
    return model


class ReleasedStep:
    """One training step in the order of the authors' code for persons.

    The discriminator judges the painted picture without detaching it, so that its loss is also passed back through the
    generator, whose gradients are then thrown away; its own weights get gradients in the generator's step, which are thrown
    away too; real and painted pictures pass through it, and through VGG at each of the two scales, one after the other; all in
    32 bits.

    Args:
        generator (`AdaATGenerator`): From [`released_generator`].
        discriminator (`AdaATDiscriminator`): The authors' layout.
        features (`VGGFeatures`): Of the perceptual loss.
    """

    def __init__(self, generator: AdaATGenerator, discriminator: AdaATDiscriminator, features: VGGFeatures) -> None:
        self.generator, self.discriminator, self.features = generator, discriminator, features
        betas = (0.9, 0.999)
        self.optimizer = torch.optim.Adam(generator.parameters(), 5e-4, betas)
        self.discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), 1e-4, betas)

    def __call__(self, source: Tensor, target: Tensor, here: Tensor, there: Tensor) -> dict[str, float]:
        """Pictures (B, 3, H, W) in [0, 1], key points (B, K, 2) in [-1, 1]; returns the losses."""
        height, width = source.shape[2:]
        painted = self.generator(source, here, there).images
        maps = gaussian_heatmaps(there, height, width, self.discriminator.config.heatmap_variance)
        self.discriminator_optimizer.zero_grad()
        fake = self.discriminator.judge(torch.cat([painted, maps], 1))
        real = self.discriminator.judge(torch.cat([target, maps], 1))
        judged = ((fake**2).mean() + ((real - 1) ** 2).mean()) / 2
        judged.backward(retain_graph=True)
        self.discriminator_optimizer.step()
        self.optimizer.zero_grad()
        fake = self.discriminator.judge(torch.cat([painted, maps], 1))
        perceptual = self._perceptual(painted, target)
        loss = 5 * perceptual + ((fake - 1) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        return {"discriminator": judged.item(), "perceptual": perceptual.item(), "generator": loss.item()}

    def _perceptual(self, painted: Tensor, target: Tensor) -> Tensor:
        total = painted.new_zeros(())
        halves = (F.avg_pool2d(painted, 3, 2, 1, count_include_pad=False), F.interpolate(target, scale_factor=0.5))
        for found, wanted in ((painted, target), halves):
            for first, second in zip(self.features(found), self.features(wanted), strict=True):
                total = total + (first - second).abs().mean() / 5
        return total
