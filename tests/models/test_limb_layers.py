"""Arms are told from what is beside and behind them; a clip's background stands still; detail survives the move."""

import pytest
import torch

from adaat_hf.models.detail import DetailSource
from adaat_hf.models.inpainting import grow
from adaat_hf.models.limb_layers import front_parts, leg_parts, take_apart
from adaat_hf.models.limb_warp import move_limbs, prepare_layers, prepare_sources
from adaat_hf.models.limbs import LIMBS, limb_axes


HEIGHT, WIDTH = 192, 128
SKIN, DRESS, WALL = (0.9, 0.6, 0.5), (0.1, 0.1, 0.4), (0.95, 0.95, 0.95)


def normalised(points):
    return points / torch.tensor([WIDTH - 1.0, HEIGHT - 1.0]) * 2 - 1


@pytest.fixture
def hanging(standing_pose):
    """Somebody whose arms hang close beside a wide dress: points (1, 18, 2) in pixels, and the picture."""
    points = torch.from_numpy(standing_pose) * torch.tensor([WIDTH - 1.0, HEIGHT - 1.0])
    for shoulder, elbow, wrist, side in ((2, 3, 4, -1), (5, 6, 7, 1)):
        points[elbow] = points[shoulder] + torch.tensor([3.0 * side, 26])
        points[wrist] = points[shoulder] + torch.tensor([4.0 * side, 50])
    picture = torch.tensor(WALL).view(3, 1, 1).expand(3, HEIGHT, WIDTH).clone()
    left, right, top, bottom = (
        int(v) for v in (points[2, 0] + 5, points[5, 0] - 5, points[2, 1] - 4, points[8, 1] + 8)
    )
    picture[:, top:bottom, left:right] = torch.tensor(DRESS).view(3, 1, 1)
    for shoulder, wrist in ((2, 4), (5, 7)):
        paint_arm(picture, points[shoulder], points[wrist])
    return points[None].float(), picture[None]


def paint_arm(picture, shoulder, wrist):
    """A straight arm and its hand in a picture (3, H, W)."""
    for share in torch.linspace(0, 1.15, 80):
        x, y = (shoulder + share * (wrist - shoulder)).round().long().tolist()
        picture[:, y - 2 : y + 3, x - 3 : x + 4] = torch.tensor(SKIN).view(3, 1, 1)


def like(picture, colour):
    return (picture - torch.tensor(colour).view(3, 1, 1)).abs().amax(-3) < 0.2


def test_arms_are_the_skin_and_not_the_dress(hanging):
    points, picture = hanging
    axes = limb_axes(normalised(points), None, (WIDTH - 1) / (HEIGHT - 1), LIMBS[18])
    layers = take_apart(picture, axes, LIMBS[18])
    assert layers.arms.shape == (1, len(front_parts(LIMBS[18])), HEIGHT, WIDTH) and front_parts(LIMBS[18]) == [
        6,
        7,
        8,
        9,
    ]
    arms = layers.arms.amax(1)[0]
    assert arms[like(picture[0], SKIN)].mean() > 0.75
    assert arms[like(picture[0], DRESS)].mean() < 0.1 and arms[like(picture[0], WALL)].mean() < 0.1
    kept = like(layers.behind(torch.ones(1, 4))[0], SKIN)
    assert (kept & (layers.joints[0, 0] < 0.1)).float().mean() < 0.002, "no arm is left behind, but for the shoulders"
    assert kept.float().mean() < 0.2 * like(picture[0], SKIN).float().mean()
    torch.testing.assert_close(layers.behind(torch.zeros(1, 4)), layers.colours)


def test_a_raised_arm_leaves_nothing_behind_and_takes_nothing_along(hanging):
    points, picture = hanging
    raised = points.clone()
    raised[0, 3] = points[0, 2] + torch.tensor([-24.0, -4])
    raised[0, 4] = points[0, 2] + torch.tensor([-46.0, -20])
    result = move_limbs(picture, normalised(points), normalised(raised)).composed()[0]
    above = result[:, : int(points[0, 2, 1]) - 6, : int(points[0, 2, 0]) - 10]
    assert like(above, SKIN).sum() > 40 and like(above, DRESS).sum() <= 4
    old = result[:, int(points[0, 3, 1]) : int(points[0, 4, 1]), : int(points[0, 2, 0]) + 2]
    assert like(old, SKIN).float().mean() < 0.02


def test_holes_grow_shut_from_both_sides():
    picture = torch.zeros(1, 1, 20, 21)
    picture[..., 10:] = 1
    weight = torch.ones_like(picture)
    weight[..., 6:15] = 0
    filled = grow(picture * weight + 0.5 * (1 - weight), weight, 8)
    assert (filled[..., :10] < 0.01).all() and (filled[..., 11:] > 0.99).all()
    torch.testing.assert_close(filled[weight > 0], picture[weight > 0])


def test_the_background_of_a_clip_is_the_same_in_all_frames(hanging):
    points, picture = hanging
    frames = points.repeat(3, 1, 1)
    frames[1, [3, 4], 0] -= 20
    frames[2, [3, 4], 1] -= 30
    here, there = normalised(points), normalised(frames)
    prepared = prepare_sources(picture, here, there)
    moved = move_limbs(picture.expand(3, -1, -1, -1), here.expand(3, -1, -1), there, prepared=prepared)
    assert (moved.background == moved.background[:1]).all()
    alone = move_limbs(picture, here, there[1:2], prepared=prepared)
    torch.testing.assert_close(alone.composed(), moved.composed()[1:2])
    legs = prepared.erased[0, 0, int(points[0, 9, 1]) : int(points[0, 10, 1])]
    assert legs.max() < 0.01, "limbs that never move are not taken away"
    assert prepared.erased[0, 0, int(points[0, 4, 1]), int(points[0, 4, 0])] > 0.9


def test_detail_moves_with_the_limbs(hanging):
    points, picture = hanging
    striped = picture.clone()
    striped[:, :, ::2] *= 0.8
    here, there = normalised(points), normalised(points + torch.tensor([12.0, 0]))
    seen = torch.ones(1, 18)
    source = DetailSource.of_clip(striped, here, seen, there, seen)
    small = torch.nn.functional.adaptive_avg_pool2d(striped.roll(12, -1), (HEIGHT // 4, WIDTH // 4))
    result = source.add(small, there, seen)
    trunk = result[
        0,
        :,
        int(points[0, 2, 1]) + 10 : int(points[0, 8, 1]) - 10,
        int(points[0, 1, 0]) + 8 : int(points[0, 1, 0]) + 16,
    ]
    assert (trunk[:, 1:] - trunk[:, :-1]).abs().mean() > 0.01, "the stripes are back"
    assert result.shape == striped.shape
    halves = source.add(small, there, seen, shares=torch.ones(1, 1, HEIGHT // 4, WIDTH // 4))
    torch.testing.assert_close(halves, result)


def test_prepared_sources_give_what_each_picture_gives_alone(hanging):
    points, picture = hanging
    sources = torch.cat([picture, picture.flip(1)])
    shifted = points.clone()
    shifted[:, 4, 0] += 6
    here = normalised(torch.cat([points, shifted]))
    raised = points.clone()
    raised[:, [3, 4], 1] -= 40
    there = normalised(raised)
    prepared = prepare_sources(sources, here, there)
    twice = [value.repeat(2, *[1] * (value.ndim - 1)) for value in (sources, here)]
    moved = move_limbs(twice[0], twice[1], there.repeat(4, 1, 1), prepared=prepared)
    alone = move_limbs(sources, here, there.repeat(2, 1, 1))
    torch.testing.assert_close(moved.parts, alone.parts.repeat(2, 1, 1, 1))
    torch.testing.assert_close(moved.source_coverage[:1], alone.source_coverage[:1])
    torch.testing.assert_close(moved.background[:1], alone.background[:1], atol=0.03, rtol=0)
    single = move_limbs(sources[1:], here[1:], there, prepared=prepared.source(1))
    torch.testing.assert_close(single.parts, alone.parts[1:])


def test_behind_a_spread_arm_is_no_body(hanging):
    """Without its arms the silhouette is the dress; where an arm had wall on both sides nothing is left."""
    points, picture = hanging
    picture = torch.where(like(picture[0], SKIN), torch.tensor(WALL).view(3, 1, 1), picture[0])[None]
    for shoulder, side in ((2, -1), (5, 1)):
        points[0, shoulder + 1] = points[0, shoulder] + torch.tensor([16.0 * side, 20])
        points[0, shoulder + 2] = points[0, shoulder] + torch.tensor([30.0 * side, 40])
        paint_arm(picture[0], points[0, shoulder], points[0, shoulder + 2])
    layers = take_apart(picture, limb_axes(normalised(points), None, (WIDTH - 1) / (HEIGHT - 1), LIMBS[18]), LIMBS[18])
    for wrist in (4, 7):
        x, y = points[0, wrist].round().long().tolist()
        hand = (0, 0, slice(y - 2, y + 3), slice(x - 2, x + 3))
        assert layers.body[hand].mean() > 0.8 and layers.rest[hand].mean() < 0.1
    assert layers.rest[0, 0][like(picture[0], DRESS)].mean() > 0.9


def test_a_network_tells_arms_from_a_trunk_of_the_same_colour(hanging):
    points, picture = hanging
    skin, dress = like(picture[0], SKIN), like(picture[0], DRESS)
    plain = picture.clone()
    plain[0][:, dress] = torch.tensor(SKIN)[:, None]
    parts = torch.stack([~(skin | dress), dress & ~skin, skin])[None].float().clamp(0.01, 0.98)
    axes = limb_axes(normalised(points), None, (WIDTH - 1) / (HEIGHT - 1), LIMBS[18])
    told, alone = (take_apart(plain, axes, LIMBS[18], word).arms.amax(1)[0] for word in (parts, None))
    assert told[skin].mean() > 0.75
    assert told[dress].mean() < 0.4 * alone[dress].mean()


def test_of_somebody_who_turns_aside_no_shoulder_remains_beside_the_trunk(hanging):
    points, picture = hanging
    turned = points.clone()
    middle = points[0, [2, 5, 8, 11], 0].mean()
    turned[0, [2, 5, 8, 11], 0] = middle + 0.2 * (points[0, [2, 5, 8, 11], 0] - middle)
    for joint, shoulder in ((3, 2), (4, 2), (6, 5), (7, 5)):
        turned[0, joint, 0] = turned[0, shoulder, 0]
    moved = move_limbs(picture, normalised(points), normalised(turned))
    top = int(turned[0, 2, 1])
    rows = moved.driving_coverage[0, 0, top - 6 : top + 7]
    halfway = top + int(0.4 * (points[0, 8, 1] - points[0, 2, 1]))
    below = moved.driving_coverage[0, 0, halfway - 6 : halfway + 7]
    assert below.sum(1).mean() > 8, "there is a trunk"
    assert rows.sum(1).max() < 1.4 * below.sum(1).mean(), "which is no wider at the shoulders"


def test_an_arm_that_comes_before_a_dress_brings_no_line_of_the_wall(hanging):
    """Edges are blurred, as in photographs: where a network tells the body, an arm that leaves the wall leaves its light there."""
    points, picture = hanging
    body = 1 - like(picture, WALL).float()[:, None]
    picture = torch.nn.functional.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    told = torch.cat([1 - body, body, like(picture, SKIN).float()[:, None]], 1).clamp(0.02, 0.98)
    before = points.clone()
    before[0, 3] = points[0, 2] + torch.tensor([9.0, 24])
    before[0, 4] = points[0, 2] + torch.tensor([17.0, 46])
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    left, right = int(points[0, 2, 0]) + 8, int(points[0, 5, 0]) - 8
    inside[int(points[0, 2, 1]) + 12 : int(points[0, 4, 1]) - 4, left:right] = True
    light = {}
    for name, parts in (("told", told), ("not told", None)):
        here, there = normalised(points), normalised(before)
        moved = move_limbs(picture, here, there, prepared=prepare_layers(picture, here, None, parts)).composed()[0]
        light[name] = (moved[2][inside] - SKIN[2]).clamp_min(0).sum().item()
    assert light["not told"] > 2, "there is a line to be taken away"
    assert light["told"] < 0.5 * light["not told"]


def test_feet_that_touch_are_told_apart(hanging):
    """Detectors put the ankles of feet that stand close together at nearly the same place."""
    points, picture = hanging
    middle = points[0, [10, 13], 0].mean()
    points[0, 10, 0], points[0, 13, 0] = middle - 1, middle + 1
    axes = limb_axes(normalised(points), None, (WIDTH - 1) / (HEIGHT - 1), LIMBS[18])
    legs = take_apart(picture, axes, LIMBS[18]).legs[0]
    right, left = (legs[list(leg_parts(LIMBS[18])).index(number)] for number in (3, 5))
    row, x = int(points[0, 10, 1]) + 5, int(middle)
    assert right[row, x - 8 : x - 3].min() > 0.9 and right[row, x + 4 : x + 9].max() < 0.1
    assert left[row, x + 4 : x + 9].min() > 0.9 and left[row, x - 8 : x - 3].max() < 0.1
    points[0, [9, 10], 0] = points[0, [12, 13], 0]
    axes = limb_axes(normalised(points), None, (WIDTH - 1) / (HEIGHT - 1), LIMBS[18])
    legs = take_apart(picture, axes, LIMBS[18]).legs[0]
    assert legs[[1, 3], row, x - 8 : x + 9].min() > 0.5, "of one leg behind the other, each has all"


def test_a_trunk_that_goes_on_behind_an_arm_ends_sharply(hanging):
    """What an arm hid of wide clothes is not known: the trunk ends, but is not blurred."""
    points, picture = hanging
    top, bottom = int(points[0, 2, 1]) - 4, int(points[0, 8, 1]) + 8
    wide = picture.clone()
    wide[:, :, top:bottom, int(points[0, 2, 0]) - 4 : int(points[0, 5, 0]) + 5] = torch.tensor(DRESS).view(1, 3, 1, 1)
    for shoulder, wrist in ((2, 4), (5, 7)):
        paint_arm(wide[0], points[0, shoulder], points[0, wrist])
    raised = points.clone()
    for shoulder, side in ((2, -1), (5, 1)):
        raised[0, shoulder + 1] = points[0, shoulder] + torch.tensor([18.0 * side, -12])
        raised[0, shoulder + 2] = points[0, shoulder] + torch.tensor([34.0 * side, -28])
    coverage = move_limbs(wide, normalised(points), normalised(raised)).driving_coverage[0, 0]
    rows = coverage[int(points[0, 3, 1]) - 4 : int(points[0, 3, 1]) + 8]
    assert (rows.sum(1) > 25).all(), "there is a trunk"
    mixed = ((rows > 0.2) & (rows < 0.8)).sum(1)
    assert mixed.float().mean() <= 4, mixed
