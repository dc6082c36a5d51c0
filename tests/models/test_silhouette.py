"""Bodies are told from what is behind them, however wide their clothes are, and keep their outline when they move."""

import pytest
import torch

from adaat_hf.models.limb_warp import move_limbs, prepare_layers, prepare_sources, shares_of_parts
from adaat_hf.models.limbs import LIMBS, body_coverage, limb_axes
from adaat_hf.models.silhouette import find_silhouettes


HEIGHT, WIDTH = 192, 128
ASPECT = (WIDTH - 1) / (HEIGHT - 1)
WALL, DRESS, SKIN = (0.75, 0.8, 0.7), (0.6, 0.1, 0.2), (0.85, 0.6, 0.5)


@pytest.fixture
def dressed(standing_pose):
    """Somebody slender in a wide skirt before a wall: picture (1, 3, H, W), points (1, 18, 2)
    in [-1, 1], and where the body is (H, W)."""
    points = torch.from_numpy(standing_pose).float() * 2 - 1
    around = body_coverage(points[None], None, HEIGHT, WIDTH, 0.65)[0, 0] > 0.5
    pixels = torch.from_numpy(standing_pose).float() * torch.tensor([WIDTH - 1.0, HEIGHT - 1.0])
    top, bottom = pixels[[8, 11], 1].mean(), pixels[[9, 12], 1].mean()
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    width = 14 + 16 * (y - top) / (bottom - top)
    skirt = (y > top - 4) & (y < bottom) & ((x - pixels[[8, 11], 0].mean()).abs() < width)
    picture = torch.tensor(WALL).view(3, 1, 1).expand(3, HEIGHT, WIDTH).clone()
    picture[:, around] = torch.tensor(SKIN)[:, None]
    picture[:, skirt] = torch.tensor(DRESS)[:, None]
    noise = 0.02 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return (picture + noise).clamp(0, 1)[None], points[None], around | skirt


def overlap(found, wanted):
    return ((found & wanted).sum() / (found | wanted).sum()).item()


def test_the_silhouette_is_the_body_with_its_skirt(dressed):
    picture, points, body = dressed
    capsules = body_coverage(points, None, HEIGHT, WIDTH)[0, 0] > 0.5
    found = find_silhouettes(picture, limb_axes(points, None, ASPECT, LIMBS[18]), LIMBS[18])
    assert found.shape == (1, 1, HEIGHT, WIDTH) and set(found.unique().tolist()) == {0.0, 1.0}
    assert overlap(found[0, 0] > 0.5, body) > 0.95 > 0.8 > overlap(capsules, body)


def test_it_is_the_same_every_time_and_whatever_else_is_in_the_batch(dressed):
    picture, points, _ = dressed
    axes = limb_axes(points.expand(2, -1, -1), None, ASPECT, LIMBS[18])
    both = find_silhouettes(torch.cat([picture, picture.flip(1)]), axes, LIMBS[18])
    torch.testing.assert_close(
        both[:1], find_silhouettes(picture, limb_axes(points, None, ASPECT, LIMBS[18]), LIMBS[18])
    )


def test_large_pictures_have_the_same_silhouette(dressed):
    picture, points, body = dressed
    large = torch.nn.functional.interpolate(picture, scale_factor=4, mode="nearest")
    aspect = (4 * WIDTH - 1) / (4 * HEIGHT - 1)
    found = find_silhouettes(large, limb_axes(points, None, aspect, LIMBS[18]), LIMBS[18])[0, 0] > 0.5
    assert overlap(found, body.repeat_interleave(4, 0).repeat_interleave(4, 1)) > 0.93


def test_nobody_and_a_picture_full_of_body_are_no_error(dressed):
    picture, points, _ = dressed
    nobody = limb_axes(points, torch.zeros(1, 18), ASPECT, LIMBS[18])
    assert not find_silhouettes(picture, nobody, LIMBS[18]).any()
    inside = limb_axes(points * 40, None, ASPECT, LIMBS[18])
    assert find_silhouettes(picture, inside, LIMBS[18]).shape == (1, 1, HEIGHT, WIDTH)


def test_a_skirt_goes_with_the_body_and_the_wall_does_not(dressed):
    """Everything moves to the right: what is painted is the whole skirt, and nothing of the wall beside the legs."""
    picture, points, body = dressed
    moved = move_limbs(picture, points, points + torch.tensor([0.2, 0.0]))
    shift = round(0.2 * (WIDTH - 1) / 2)
    wanted = torch.zeros_like(body)
    wanted[:, shift:] = body[:, :-shift]
    assert overlap(moved.driving_coverage[0, 0] > 0.5, wanted) > 0.93
    result = moved.composed()[0]
    right = torch.where(wanted, picture[0].roll(shift, 2), torch.tensor(WALL).view(3, 1, 1))
    assert (result - right).abs().mean() < 0.02
    assert (result[:, body & ~wanted] - torch.tensor(WALL)[:, None]).abs().mean() < 0.05, "no ghost where it was"


def test_a_trunk_does_not_grow_wide_where_arms_hung_beside_it(dressed):
    """Both arms are raised: where the forearms hung beyond the trunk's capsule, there is wall."""
    picture, points, body = dressed
    driving = with_raised_arms(points)
    moved = move_limbs(picture, points, driving)
    kept = body_coverage(driving, None, HEIGHT, WIDTH, 1.2)[0, 0] < 0.5
    hung = body & kept & (find_distance(points, [3, 4, 6, 7]) < 5)
    assert hung.sum() > 40
    assert moved.driving_coverage[0, 0][hung].mean() < 0.3
    assert (moved.composed()[0][:, hung] - torch.tensor(WALL)[:, None]).abs().mean() < 0.08


def with_raised_arms(points):
    driving = points.clone()
    for shoulder, side in ((2, -1), (5, 1)):
        for number, joint in enumerate((shoulder + 1, shoulder + 2), 1):
            driving[0, joint] = points[0, shoulder] + torch.tensor([0.28 * side * number, 0.0])
    return driving


def test_no_gap_opens_between_the_trunk_and_a_raised_arm(dressed):
    picture, points, _ = dressed
    for joints, radius in (([2, 5], 6), ([2, 3, 5, 6], 5), ([3, 4, 6, 7], 4)):
        picture[:, :, find_distance(points, joints) < radius] = torch.tensor(SKIN)[:, None]
    driving = with_raised_arms(points)
    moved = move_limbs(picture, points, driving)
    shoulders = find_distance(driving, [2, 2, 5, 5]) < 6
    assert moved.driving_coverage[0, 0][shoulders].min() > 0.75
    assert (moved.composed()[0][:, shoulders] - torch.tensor(SKIN)[:, None]).abs().mean() < 0.017


def find_distance(points, joints):
    """Distance of all pixels from the lines between pairs of joints."""
    pixels = (points[0] + 1) / 2 * torch.tensor([WIDTH - 1.0, HEIGHT - 1.0])
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    grid = torch.stack([x, y], -1).float()
    lines = [
        torch.lerp(pixels[a], pixels[b], share)
        for a, b in zip(joints[::2], joints[1::2], strict=True)
        for share in torch.linspace(0, 1, 30)
    ]
    return torch.stack([(grid - point).norm(dim=-1) for point in lines]).amin(0)


def test_layers_made_once_paint_the_same(dressed):
    picture, points, _ = dressed
    driving = points + torch.tensor([[[0.2, 0.0]], [[-0.1, 0.05]]])
    one = move_limbs(picture.expand(2, -1, -1, -1), points.expand(2, -1, -1), driving)
    again = move_limbs(
        picture.expand(2, -1, -1, -1), points.expand(2, -1, -1), driving, prepared=prepare_layers(picture, points)
    )
    for name in ("parts", "driving_coverage", "source_coverage"):
        torch.testing.assert_close(getattr(again, name), getattr(one, name))
    alone = [move_limbs(picture, points, pose[None], prepared=prepare_layers(picture, points)) for pose in driving]
    torch.testing.assert_close(again.composed(), torch.cat([moved.composed() for moved in alone]))
    torch.testing.assert_close(again.background, torch.cat([moved.background for moved in alone]))
    kept = one.source_coverage < 1e-3
    torch.testing.assert_close(again.background * kept, one.background * kept, atol=2e-3, rtol=0)


def test_a_shoe_that_points_aside_goes_with_its_leg(dressed):
    picture, points, _ = dressed
    pixels = (points[0] + 1) / 2 * torch.tensor([WIDTH - 1.0, HEIGHT - 1.0])
    ankle, knee = pixels[13], pixels[12]
    heel = ankle + 0.15 * (ankle - knee)
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    shoe = ((y - heel[1]).abs() < 4) & (x > heel[0] - 3) & (x < heel[0] + 15)
    toes = shoe & (x > heel[0] + 10)
    picture[0, :, shoe] = torch.tensor([0.1, 0.2, 0.7])[:, None]
    driving = points + torch.tensor([-0.3, 0.0])
    moved = move_limbs(picture, points, driving)
    shift = round(0.3 * (WIDTH - 1) / 2)
    result = moved.composed()[0]
    assert moved.source_coverage[0, 0][toes].min() > 0.9
    assert (result[:, toes] - torch.tensor(WALL)[:, None]).abs().mean() < 0.1, "none remains"
    there = toes.roll(-shift, 1)
    assert (result[:, there] - picture[0].roll(-shift, 2)[:, there]).abs().mean() < 0.1, "it is not cut off"


def test_what_a_network_says_counts_more_than_colours(dressed):
    """Before a wall in the colours of skin and dress, only the network's word tells the body."""
    picture, points, body = dressed
    axes = limb_axes(points, None, ASPECT, LIMBS[18])
    hidden = picture.clone()
    hidden[:, :, :, ::2] = torch.tensor(DRESS).view(1, 3, 1, 1)
    hidden[:, :, :, 1::2] = torch.tensor(SKIN).view(1, 3, 1, 1)
    likely = torch.where(body, 0.97, 0.02)[None, None]
    unsure = torch.full_like(likely, 0.5)
    found, blind, alone = (
        find_silhouettes(hidden, axes, LIMBS[18], word)[0, 0] > 0.5 for word in (likely, unsure, None)
    )
    assert overlap(found, body) > 0.95 > 0.9 > overlap(blind, body)
    assert blind.equal(alone), "a network that says nothing changes nothing"


def test_a_network_that_misses_a_limb_does_not_take_it_away(dressed):
    picture, points, _ = dressed
    axes = limb_axes(points, None, ASPECT, LIMBS[18])
    found = find_silhouettes(picture, axes, LIMBS[18], torch.full((1, 1, HEIGHT, WIDTH), 0.02))[0, 0] > 0.5
    on_axes = body_coverage(points, None, HEIGHT, WIDTH, 0.25)[0, 0] > 0.9
    assert found[on_axes].float().mean() > 0.95


def test_clothes_far_from_the_limbs_leave_no_outline_in_the_background(dressed):
    """When the body goes away, all of its skirt goes, which reaches as far from the legs as any silhouette may."""
    picture, points, body = dressed
    below = torch.arange(HEIGHT)[:, None] > (points[0, 8, 1] + 1) / 2 * (HEIGHT - 1)
    skirt = (body_coverage(points, None, HEIGHT, WIDTH, 1.7)[0, 0] > 0.5) & below
    picture[0][:, skirt] = torch.tensor(DRESS)[:, None]
    body = body | skirt
    prepared = prepare_sources(picture, points, points + torch.tensor([0.9, 0.0]))
    assert prepared.background is not None and prepared.erased is not None
    assert prepared.erased[0, 0][body].quantile(0.02) > 0.95
    left = (prepared.background[0] - torch.tensor(WALL)[:, None, None]).abs().mean(0)
    assert left[body].quantile(0.99) < 0.05


def test_where_the_body_is_its_parts_give_way_that_have_nothing_there():
    """An arm lies nearer and in front, but the photograph shows next to nothing of it there; outside the body it goes on."""
    ranks, distance = torch.tensor([[1.0], [0.0]]), torch.tensor([[[0.6], [0.8]]])
    presence, seen = torch.tensor([[[0.001], [1.0]]]), torch.zeros(1, 2, 1)
    within = shares_of_parts(distance, ranks, presence, seen, torch.ones(1, 1))
    outside = shares_of_parts(distance, ranks, presence, seen, torch.zeros(1, 1))
    torch.testing.assert_close(within.sum(1), torch.ones(1, 1))
    assert within[0, 0] < 0.05 and outside[0, 0] > 0.9
