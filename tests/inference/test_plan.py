"""The inference plan paints what the generator paints, and what it computes once is computed once."""

import pytest
import torch
from torch.nn import functional as F

from adaat_hf import AdaATConfig, AdaATGenerator
from adaat_hf.inference import InferencePlan
from adaat_hf.inference.heatmap_convolution import convolve_heatmaps
from adaat_hf.models.keypoint_maps import gaussian_heatmaps
from adaat_hf.models.limb_warp import prepare_sources


NETWORKS = {
    "paper": {"num_keypoints": 20},
    "released": {"num_keypoints": 20, "align_corners": False, "blend_channels": True, "channel_order": "bgr"},
    "dense flow": {"num_keypoints": 20, "alignment": "dense_flow"},
    "compact": {"num_keypoints": 96, "prewarp": True, "blend_mask": True, "heatmap_stride": 4, "skip_strides": (1, 2)},
    "mouth": {"num_keypoints": 96, "prewarp": True, "mouth_interior": True, "heatmap_stride": 2},
    "person": {
        "num_keypoints": 18, "prewarp": True, "prewarp_kind": "limbs", "multi_source": True, "blend_mask": True, "heatmap_stride": 2,
    },
}  # fmt: skip
SMALL = {
    "encoder_channels": (8, 12, 16), "encoder_blocks": 1, "feature_channels": 24, "code_channels": 16, "code_blocks": 2,
    "alignment_channels": 16, "alignment_blocks": 1, "decoder_blocks": 1,
}  # fmt: skip


def trained_generator(name: str) -> AdaATGenerator:
    """Random weights and random statistics of batch normalisation, as after training."""
    torch.manual_seed(0)
    generator = AdaATGenerator(AdaATConfig(**{**SMALL, **NETWORKS[name]}))
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, -1, 1)
            torch.nn.init.normal_(module.bias)
        elif hasattr(module, "start_value"):
            torch.nn.init.normal_(module.weight, std=0.02)
    return generator.eval()


def subject(generator: AdaATGenerator, sources: int, frames: int) -> tuple[torch.Tensor, ...]:
    points = generator.config.num_keypoints
    pictures = torch.rand(sources, 3, 48, 32)
    here, there = 1.6 * torch.rand(sources, points, 2) - 0.8, 1.6 * torch.rand(frames, points, 2) - 0.8
    return (
        pictures,
        here,
        there,
        (torch.rand(sources, points) > 0.2).float(),
        (torch.rand(frames, points) > 0.2).float(),
    )


@pytest.mark.parametrize("with_visibility", [True, False])
@pytest.mark.parametrize(
    ("name", "sources"), [*((name, 1) for name in NETWORKS), ("person", 3)], ids=lambda value: str(value)
)
@torch.no_grad()
def test_paints_what_the_generator_paints(name, sources, with_visibility):
    generator = trained_generator(name)
    pictures, here, there, seen_here, seen_there = subject(generator, sources, frames=5)
    if not with_visibility:
        seen_here = seen_there = None
    prepared = prepare_sources(pictures, here, there, seen_here, seen_there) if name == "person" else None
    many = {"pixel_values": pictures, "source_keypoints": here, "source_visibility": seen_here}
    many = {key: None if value is None else value.expand(5, *value.shape) for key, value in many.items()}
    wanted = generator(**many, driving_keypoints=there, driving_visibility=seen_there, prepared=prepared)
    plan = InferencePlan(generator)
    found = plan(plan.read_source(pictures, here, seen_here), there, seen_there, prepared)
    assert wanted.images.std() > 0.05
    assert set(found) == set(wanted)
    for key in wanted:
        torch.testing.assert_close(found[key], wanted[key], atol=1e-4, rtol=0)


@torch.no_grad()
def test_leaves_the_generator_as_it_is():
    generator = trained_generator("compact")
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    InferencePlan(generator)
    after = generator.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert generator.stem.norm.weight is not None


def test_refuses_what_the_generator_refuses():
    plan = InferencePlan(trained_generator("paper"))
    with pytest.raises(ValueError, match="multiples of 4"):
        plan.read_source(torch.rand(1, 3, 47, 32), torch.rand(1, 20, 2))
    with pytest.raises(ValueError, match="2 source pictures"):
        plan.read_source(torch.rand(2, 3, 48, 32), torch.rand(2, 20, 2))


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("visible", [True, False])
def test_heatmaps_are_convolved_without_being_drawn(size, visible):
    points, weight = 2.4 * torch.rand(2, 6, 2) - 1.2, torch.randn(5, 6, size, size)
    visibility = torch.rand(2, 6) if visible else None
    wanted = F.conv2d(gaussian_heatmaps(points, 12, 20, 0.02, visibility), weight, padding=size // 2)
    torch.testing.assert_close(
        convolve_heatmaps(weight, points, 12, 20, 0.02, visibility), wanted, atol=1e-5, rtol=1e-4
    )
