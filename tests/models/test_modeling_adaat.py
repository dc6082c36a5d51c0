"""The generator and discriminator: ablations, saving, initialisation, compilation."""

import copy

import pytest
import torch
from conftest import MODERN, tiny_config
from transformers import AutoConfig, AutoModel

from adaat_hf import AdaATConfig, AdaATDiscriminator, AdaATDiscriminatorConfig, AdaATGenerator


def inputs(batch=2, size=(32, 24), points=96):
    here = torch.rand(batch, points, 2) * 1.6 - 0.8
    return (
        torch.rand(batch, 3, *size),
        here,
        here + 0.3 * torch.rand(batch, 1, 2) + 0.02 * torch.randn(batch, points, 2),
    )


VARIANTS = {
    "paper": {},
    "without operator": {"alignment": "none"},
    "dense flow": {"alignment": "dense_flow"},
    "without AdaIN": {"adain": False},
    "without both": {"alignment": "none", "adain": False},
    "released": {"align_corners": False, "blend_channels": True, "upsample_mode": "nearest", "channel_order": "bgr"},
    "modern": MODERN,
    "modern, dense flow": {**MODERN, "alignment": "dense_flow"},
    "modern, no operator": {**MODERN, "alignment": "none"},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_saved_and_loaded_networks_paint_the_same(changes, tmp_path):
    model = AdaATGenerator(tiny_config(**changes)).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path)
    loaded, info = AdaATGenerator.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    data = inputs()
    with torch.no_grad():
        expected, found = model(*data), loaded(*data)
    torch.testing.assert_close(found.images, expected.images)
    assert expected.images.shape == data[0].shape
    assert 0 <= expected.images.min() and expected.images.max() <= 1


@pytest.mark.parametrize("stored", [torch.float16, torch.float32])
def test_16_bits_do_not_lose_large_variances(stored, tmp_path):
    model = AdaATGenerator(tiny_config()).eval()
    with torch.no_grad():
        model.stem.conv.weight.mul_(3000)
        model.stem.norm.running_var.fill_(1e6)
    data = inputs()
    with torch.no_grad():
        expected = model(*data).images
    copy.deepcopy(model).to(stored).save_pretrained(tmp_path)
    loaded = AdaATGenerator.from_pretrained(tmp_path, dtype=torch.float16)
    assert loaded.dtype == loaded.stem.conv.weight.dtype == torch.float16
    assert (loaded.stem.norm.running_var == 1e6).all()
    with torch.no_grad():
        torch.testing.assert_close(loaded(data[0].half(), *data[1:]).images.float(), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("changes", [{}, {"alignment": "dense_flow"}, MODERN], ids=["paper", "dense flow", "modern"])
def test_every_parameter_learns(changes):
    model = AdaATGenerator(tiny_config(**changes)).train()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    source, here, there = inputs(batch=4)
    model(source, here, there).images.square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    # A bias in front of a batch norm has no effect, by construction.
    assert [name for name in still if not name.endswith("conv.bias") and not name.endswith("conv1.bias")] == []


def test_driving_pose_decides_the_picture():
    model = AdaATGenerator(tiny_config(**MODERN)).eval()
    source, here, there = inputs()
    with torch.no_grad():
        assert (model(source, here, here).images - model(source, here, there).images).abs().max() > 0.05


def test_untrained_modern_network_starts_from_the_warped_source():
    model = AdaATGenerator(tiny_config(**MODERN)).eval()
    data = inputs()
    with torch.no_grad():
        result = model(*data)
    torch.testing.assert_close(result.painted, result.warped)
    assert result.blend.mean() > 0.7


def test_equal_poses_leave_the_warped_source_as_it_is():
    model = AdaATGenerator(tiny_config(**MODERN)).eval()
    source, here, _ = inputs()
    with torch.no_grad():
        torch.testing.assert_close(model(source, here, here).warped, source, atol=1e-3, rtol=0)


def test_invisible_points_draw_nothing():
    model = AdaATGenerator(tiny_config(**MODERN)).eval()
    source, here, there = inputs()
    visibility = torch.ones(2, 96)
    visibility[:, 10] = 0
    elsewhere = here.clone()
    elsewhere[:, 10] = 0.9
    with torch.no_grad():
        first = model(source, here, there, visibility, visibility).images
        second = model(source, elsewhere, there, visibility, visibility).images
        shown = model(source, elsewhere, there).images
    torch.testing.assert_close(first, second, atol=2e-3, rtol=0)
    assert (first - shown).abs().max() > 0.02


def test_bgr_networks_take_and_give_rgb():
    rgb = AdaATGenerator(tiny_config()).eval()
    bgr = AdaATGenerator(tiny_config(channel_order="bgr")).eval()
    bgr.load_state_dict(rgb.state_dict())
    source, here, there = inputs()
    with torch.no_grad():
        torch.testing.assert_close(bgr(source.flip(1), here, there).images.flip(1), rgb(source, here, there).images)


def test_wrong_inputs_are_named(tiny_generator):
    source, here, there = inputs()
    with pytest.raises(ValueError, match="The picture is 23x32, expected multiples of 4"):
        tiny_generator(source[..., :23], here, there)
    with pytest.raises(ValueError, match=r"driving_keypoints has shape \(2, 68, 2\), expected \(2, 96, 2\)"):
        tiny_generator(source, here, there[:, :68])


def test_convolutions_keep_pytorchs_initialisation():
    model = AdaATGenerator(AdaATConfig.from_preset("paper-half"))
    weight = model.encoder[0].conv1.weight
    expected = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3).weight
    assert abs(weight.std() / expected.std() - 1) < 0.05


def test_fp16_variant_beside_the_full_weights(tmp_path):
    model = AdaATGenerator(tiny_config())
    model.half().save_pretrained(tmp_path, variant="fp16")
    model.float().save_pretrained(tmp_path)
    assert AdaATGenerator.from_pretrained(tmp_path).dtype == torch.float32
    assert AdaATGenerator.from_pretrained(tmp_path, variant="fp16", dtype=torch.float16).dtype == torch.float16


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, MODERN], ids=["paper", "modern"])
def test_compiles_to_one_graph(changes):
    model = AdaATGenerator(tiny_config(**changes)).eval()
    data = inputs()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(*data).images, model(*data).images, atol=1e-4, rtol=1e-4)


def test_auto_classes(tmp_path):
    AdaATGenerator(tiny_config()).save_pretrained(tmp_path / "g")
    AdaATDiscriminator(AdaATDiscriminatorConfig(channels=(4, 4, 4, 4))).save_pretrained(tmp_path / "d")
    assert isinstance(AutoConfig.from_pretrained(tmp_path / "g"), AdaATConfig)
    assert isinstance(AutoModel.from_pretrained(tmp_path / "g"), AdaATGenerator)
    assert isinstance(AutoModel.from_pretrained(tmp_path / "d"), AdaATDiscriminator)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_discriminator_is_saved_and_judges_the_pose(spectral_norm, tmp_path):
    config = AdaATDiscriminatorConfig(channels=(4, 6, 6, 6), spectral_norm=spectral_norm)
    model = AdaATDiscriminator(config).eval()
    model.save_pretrained(tmp_path)
    picture, here, there = inputs(size=(96, 80), points=68)
    with torch.no_grad():
        scores = model(picture, here)
        torch.testing.assert_close(AdaATDiscriminator.from_pretrained(tmp_path)(picture, here), scores)
        assert scores.shape == (2, 1, 6, 4)
        assert (scores - model(picture, there)).abs().max() > 1e-4


def test_paper_networks_have_the_papers_size():
    for preset, millions in (("paper-person", 55.98), ("paper-face", 56.89)):
        with torch.device("meta"):
            model = AdaATGenerator(AdaATConfig.from_preset(preset))
        assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_config_errors_and_round_trip(tmp_path):
    with pytest.raises(ValueError, match="There is no preset 'papr'"):
        AdaATConfig.from_preset("papr")
    with pytest.raises(Exception, match="heatmap_stride is 3"):
        AdaATConfig(heatmap_stride=3)
    with pytest.raises(Exception, match="alignment"):
        AdaATConfig(alignment="flow")
    config = AdaATConfig.from_preset("compact", alignment="none")
    config.save_pretrained(tmp_path)
    loaded = AdaATConfig.from_pretrained(tmp_path)
    assert loaded.alignment == "none" and tuple(loaded.encoder_channels) == tuple(config.encoder_channels)


@pytest.mark.parametrize("channels", [(4, 4, 4, 4), (4, 4, 4)])
def test_the_discriminator_knows_the_least_size_it_can_judge(channels):
    config = AdaATDiscriminatorConfig(num_keypoints=5, channels=channels)
    model, points = AdaATDiscriminator(config), torch.zeros(1, 5, 2)
    size = config.least_size
    assert model(torch.rand(1, 3, size, size), points).shape == (1, 1, 1, 1)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        model(torch.rand(1, 3, size - 1, size), points)
