"""Holes are filled smoothly, or with what continues across their border."""

import torch

from adaat_hf.models.inpainting import fill, inpaint


def hole(height, width):
    weight = torch.ones(1, 1, height, width)
    weight[:, :, height // 4 : -height // 4, width // 3 : width // 2] = 0
    return weight


def test_a_plain_surrounding_fills_a_hole():
    picture, weight = torch.full((1, 3, 40, 30), 0.7), hole(40, 30)
    for way in (fill, inpaint):
        torch.testing.assert_close(way(picture * weight, weight), picture, atol=0.02, rtol=0)
        assert torch.isfinite(way(picture, torch.zeros_like(weight))).all()
        assert torch.equal(way(picture, torch.ones_like(weight)), picture)


def test_layers_and_stripes_go_on_through_a_hole():
    """A floor below a wall, and bars in front of it: the smooth filling blurs the bars, the copy has them."""
    picture = torch.zeros(1, 3, 128, 96)
    picture[:, 0] = 0.2 + 0.6 * (torch.arange(128) > 80)[:, None]
    picture[:, 1] = (torch.arange(96) // 8 % 2).float()
    weight = hole(128, 96)
    missing = (weight == 0).expand_as(picture)
    errors = [(way(picture * weight, weight) - picture)[missing].abs().mean() for way in (fill, inpaint)]
    assert errors[1] < 0.35 * errors[0], errors
    kept = inpaint(picture, weight)[~missing]
    assert torch.equal(kept, picture[~missing])


def test_pictures_of_a_batch_do_not_mix_and_odd_sizes_work():
    picture, weight = torch.rand(2, 3, 100, 70), torch.cat([hole(100, 70), hole(100, 70).flip(-1)])
    both = inpaint(picture, weight)
    torch.testing.assert_close(both[1:], inpaint(picture[1:], weight[1:]))
    assert both.shape == picture.shape and both.min() >= -1e-4 and both.max() <= 1 + 1e-4


def test_copies_are_as_bright_as_the_wall_around_them():
    """A striped wall that is darker on one side: what is copied from there into the light is lit."""
    bright = torch.linspace(0.3, 0.9, 120)
    stripes = 1 - 0.3 * (torch.arange(120) // 4 % 2)
    picture = (bright * stripes).expand(1, 3, 128, 120).clone()
    weight = torch.ones(1, 1, 128, 120)
    weight[..., 24:104, 50:82] = 0
    missing = (weight == 0).expand_as(picture)
    filled = inpaint(picture * weight, weight)
    assert (filled - picture)[missing].abs().mean() < 0.06
    shade = (filled - picture)[..., 40:90, 52:80].mean((0, 1, 2))
    assert shade.view(-1, 4).mean(1).abs().max() < 0.09, "no part of the hole is darker than the wall"
