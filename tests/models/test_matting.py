"""What shines through at an outline is told from the object's own colours."""

import pytest
import torch
from torch.nn import functional as F

from adaat_hf.models.matting import matte


SIZE = 256
OWN, BEHIND, ELSEWHERE = (0.9, 0.6, 0.2), (0.1, 0.3, 0.7), (0.05, 0.9, 0.1)


def plain(colour):
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)


@pytest.fixture
def blurred_disc():
    """How far a disc covers each pixel, (1, 1, H, W), mixed with its surroundings at the outline."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    inside = torch.sigmoid((80 - torch.hypot(x - 128.0, y - 128.0)) / 0.4)
    return F.avg_pool2d(inside[None, None], 3, 1, 1)


def test_an_object_is_cut_out_without_the_colours_behind_it(blurred_disc):
    picture = blurred_disc * plain(OWN) + (1 - blurred_disc) * plain(BEHIND)
    mask = (blurred_disc > 0.5).float()
    colours, found = matte(picture, mask)
    edge = (blurred_disc > 0.1) & (blurred_disc < 0.9)
    assert edge.sum() > 400
    assert (found - blurred_disc)[edge].abs().mean() < 0.5 * (mask - blurred_disc)[edge].abs().mean()

    elsewhere = plain(ELSEWHERE)
    wanted = blurred_disc * plain(OWN) + (1 - blurred_disc) * elsewhere
    cut = mask * picture + (1 - mask) * elsewhere
    better = found * colours + (1 - found) * elsewhere
    at_edge = edge.expand(-1, 3, -1, -1)
    assert (better - wanted)[at_edge].abs().mean() < 0.35 * (cut - wanted)[at_edge].abs().mean()


def test_nothing_changes_away_from_outlines_nor_where_both_sides_are_alike(blurred_disc):
    mask = (blurred_disc > 0.5).float()
    noise = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    colours, found = matte(noise, mask)
    far = F.max_pool2d(mask, 5, 1, 2) == -F.max_pool2d(-mask, 5, 1, 2)
    assert torch.equal(found[far], mask[far])
    assert torch.equal(colours.masked_select(far), noise.masked_select(far))

    colours, found = matte(plain(OWN), mask)
    torch.testing.assert_close(colours, plain(OWN))
    torch.testing.assert_close(found, mask)


def test_a_mask_of_nothing_and_of_all_is_returned():
    picture = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    for value in (0.0, 1.0):
        mask = torch.full((1, 1, 64, 48), value)
        colours, found = matte(picture, mask)
        assert torch.equal(found, mask) and torch.equal(colours, picture)
