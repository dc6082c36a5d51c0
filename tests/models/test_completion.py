"""What was behind something that was taken out of a picture: patches from around it go on through the hole."""

import pytest
import torch

from adaat_hf.models import completion
from adaat_hf.models.completion import complete
from adaat_hf.models.inpainting import fill, inpaint


def bricks(height, width):
    """A wall of bricks, each of its own shade, above a wooden floor."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    shifted = x + 8 * (y // 8 % 2)
    shade = torch.rand(height // 8 + 1, width // 16 + 2, generator=torch.Generator().manual_seed(0))
    wall = 0.5 + 0.2 * shade[y // 8, shifted // 16]
    wall[(y % 8 < 2) | (shifted % 16 < 2)] = 0.9
    floor = y >= height * 3 // 4
    return torch.stack([torch.where(floor, 0.6, wall), torch.where(floor, 0.3, wall * 0.5), 0.1 * wall])[None]


def with_hole(picture):
    """The picture, somebody who is removed from it in magenta, and the weight."""
    height, width = picture.shape[2:]
    weight = torch.ones(1, 1, height, width)
    weight[:, :, height // 4 : height * 7 // 8, width * 2 // 5 : width * 3 // 5] = 0
    return torch.where(weight > 0, picture, torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)), weight


@pytest.fixture(scope="module")
def wall():
    picture = bricks(160, 110)
    taken, weight = with_hole(picture)
    return picture, weight, complete(taken, weight)


def test_bricks_go_on_behind_somebody(wall):
    picture, weight, found = wall
    taken, _ = with_hole(picture)
    inside = (weight == 0).expand_as(picture)
    errors = [(way - picture)[inside].abs().mean() for way in (found, inpaint(taken, weight), fill(taken, weight))]
    assert errors[0] < 0.6 * min(errors[1:]), errors
    texture = [way[:, :1, 40:118, 46:64].std() for way in (picture, found, fill(taken, weight))]
    assert texture[1] > 0.8 * texture[0] > 1.5 * texture[2], "the joints are as sharp as elsewhere"


def test_nothing_of_what_was_taken_out_remains_and_the_rest_stays(wall):
    picture, weight, found = wall
    assert torch.equal(found[(weight > 0).expand_as(picture)], picture[(weight > 0).expand_as(picture)])
    assert found[:, 2].max() < 0.2, "no magenta"


def test_wall_is_filled_with_wall_and_floor_with_floor(wall):
    picture, _, found = wall
    floor = picture[0, 0, -1, 0]
    assert ((found - picture)[0, 1, 124:138, 46:64].abs().mean() < 0.03) and (
        found[0, 0, 126:138, 46:64] - floor
    ).abs().mean() < 0.03
    assert (found[0, 1, 42:112, 46:64] / found[0, 0, 42:112, 46:64] - 0.5).abs().mean() < 0.01


def test_what_cannot_be_completed_is_filled_smoothly():
    picture, weight = torch.full((1, 3, 90, 60), 0.7), torch.ones(1, 1, 90, 60)
    assert torch.equal(complete(picture, weight), picture)
    nothing = torch.zeros_like(weight)
    torch.testing.assert_close(complete(picture, nothing), fill(picture, nothing))
    stripes = torch.ones_like(weight)
    stripes[..., ::5] = 0
    torch.testing.assert_close(complete(picture * stripes, stripes), picture, atol=0.02, rtol=0)


def test_pictures_of_a_batch_do_not_mix_and_all_sizes_work():
    for height, width in ((50, 37), (70, 90)):
        picture = torch.cat([bricks(height, width), bricks(height, width).flip(1)])
        weight = with_hole(picture[:1])[1].repeat(2, 1, 1, 1)
        weight[1] = weight[1].roll(5, -1)
        both = complete(picture, weight)
        torch.testing.assert_close(both[1:], complete(picture[1:], weight[1:]))
        assert both.shape == picture.shape and both.min() >= 0 and both.max() <= 1


def test_a_soft_edge_blends():
    picture = torch.full((1, 3, 64, 48), 0.4)
    weight = torch.ones(1, 1, 64, 48)
    weight[..., 20:40, 20:28] = torch.linspace(1, 0, 8)
    found = complete(torch.where(weight == 0, 1.0, picture), weight)
    torch.testing.assert_close(found, picture, atol=1e-4, rtol=0)


def test_what_is_pasted_is_shaded_as_its_surroundings_are(monkeypatch):
    picture = 0.4 + 0.02 * torch.randn(1, 3, 128, 96, generator=torch.Generator().manual_seed(1))
    picture[..., 32:112, 30:66] += 0.2
    # What is known of the bright part is less than half a patch wide.
    weight = torch.ones(1, 1, 128, 96)
    weight[..., 35:109, 33:63] = 0
    taken, inside = torch.where(weight > 0, picture, 0), (weight == 0).expand_as(picture)
    shaded = (complete(taken, weight) - picture)[inside].abs().mean()
    monkeypatch.setattr(completion, "_shade", lambda level, *_: torch.zeros_like(level.picture))
    assert shaded < 0.6 * (complete(taken, weight) - picture)[inside].abs().mean()


def test_wide_holes_are_filled_to_their_middle(monkeypatch):
    # As if the hole were four times as wide.
    monkeypatch.setattr(completion, "TRUST", completion.TRUST**4)
    picture = torch.full((1, 3, 96, 96), 0.6)
    weight = torch.ones(1, 1, 96, 96)
    weight[:, :, 10:, 10:86] = 0
    torch.testing.assert_close(complete(torch.where(weight > 0, picture, 0), weight), picture, atol=1e-3, rtol=0)


def test_what_remains_of_somebody_beside_the_hole_does_not_light_it_up(monkeypatch):
    picture = 0.1 + 0.02 * torch.randn(1, 3, 128, 96, generator=torch.Generator().manual_seed(1))
    weight = torch.ones(1, 1, 128, 96)
    weight[..., 32:100, 30:66] = 0
    left_over = picture.clone()
    left_over[..., 32:60, 28:30] = torch.tensor([0.9, 0.7, 0.6]).view(3, 1, 1)
    taken, inside = torch.where(weight > 0, left_over, 0), (weight == 0).expand_as(picture)
    bounded = (complete(taken, weight) - picture)[inside].abs().mean()
    monkeypatch.setattr(completion, "LARGEST_SHADE", 1e6)
    assert bounded < 0.6 * (complete(taken, weight) - picture)[inside].abs().mean()
