"""Moving the limbs of a body: they go where the pose says, the rest stays, holes are filled."""

import pytest
import torch
from conftest import PERSON, tiny_config
from huggingface_hub.errors import StrictDataclassError

from adaat_hf import AdaATConfig, AdaATGenerator
from adaat_hf.models.limb_warp import compose, move_limbs
from adaat_hf.models.limbs import BEHIND, body_coverage, body_size, pose_distance


HEIGHT, WIDTH = 96, 64


@pytest.fixture
def standing(standing_pose):
    """A standing body (1, 18, 2) in [-1, 1] of a 96x64 picture."""
    points = torch.from_numpy(standing_pose) * torch.tensor([WIDTH - 1.0, HEIGHT - 1.0])
    return (points / torch.tensor([WIDTH - 1.0, HEIGHT - 1.0]) * 2 - 1)[None].float()


def picture_of(points, joints, colour):
    """A gray picture with a coloured spot at the middle of some joints."""
    picture = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
    x, y = ((points[0, joints].mean(0) + 1) / 2 * torch.tensor([WIDTH - 1, HEIGHT - 1])).round().long().tolist()
    picture[:, :, y - 2 : y + 3, x - 2 : x + 3] = torch.tensor(colour).view(3, 1, 1)
    return picture


def raised(points):
    """The right forearm stretched to the side, everything else as it is."""
    moved = points.clone()
    moved[0, 4] = points[0, 3] + torch.tensor([-0.36, -0.06])
    return moved


def value_at(picture, point):
    x, y = ((point + 1) / 2 * torch.tensor([WIDTH - 1, HEIGHT - 1])).round().long().tolist()
    return picture[0, :, y, x]


def test_a_pose_that_does_not_change_changes_nothing(standing):
    picture = torch.rand(1, 3, HEIGHT, WIDTH)
    moved = move_limbs(picture, standing, standing)
    torch.testing.assert_close(moved.composed(), picture, atol=2e-3, rtol=0)


def test_a_forearm_takes_its_colour_along(standing):
    driving = raised(standing)
    picture = picture_of(standing, [3, 4], (1.0, 0.0, 0.0))
    result = move_limbs(picture, standing, driving).composed()
    there, old = driving[0, [3, 4]].mean(0), standing[0, [3, 4]].mean(0)
    assert value_at(result, there)[0] > 0.9 and value_at(result, there)[1] < 0.1
    torch.testing.assert_close(value_at(result, old), torch.full((3,), 0.5), atol=0.06, rtol=0)


def test_a_trunk_that_stays_does_not_run_into_the_place_that_an_arm_leaves(standing):
    """A red body before a green wall raises both arms: where they hung is green."""
    wall, red = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ([0.1, 0.8, 0.1], [0.9, 0.1, 0.1]))
    body = (body_coverage(standing, None, HEIGHT, WIDTH) > 0.5).float()
    picture = body * red + (1 - body) * wall
    driving = standing.clone()
    for elbow, wrist, side in ((3, 4, -1.0), (6, 7, 1.0)):
        shoulder = standing[0, elbow - 1]
        driving[0, elbow], driving[0, wrist] = (shoulder + torch.tensor([side * x, -0.1]) for x in (0.3, 0.55))
    background = move_limbs(picture, standing, driving).background
    for elbow, wrist in ((3, 4), (6, 7)):
        for place in (standing[0, [elbow, wrist]].mean(0), standing[0, wrist]):
            torch.testing.assert_close(value_at(background, place), wall.flatten(), atol=0.03, rtol=0)


def test_nothing_of_the_body_is_left_on_an_even_wall(standing):
    """Not even a hundredth of it: an even wall shows that."""
    wall, red = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ([0.6, 0.7, 0.8], [0.9, 0.1, 0.1]))
    body = (body_coverage(standing, None, HEIGHT, WIDTH) > 0.5).float()
    aside = standing + torch.tensor([0.9, 0.0])
    background = move_limbs(body * red + (1 - body) * wall, standing, aside).background
    within = (body_coverage(standing, None, HEIGHT, WIDTH, 0.8) > 0.95).expand(1, 3, -1, -1)
    torch.testing.assert_close(background[within], wall.expand_as(body * wall)[within], atol=6e-3, rtol=0)


def test_a_bent_elbow_is_no_thicker_than_the_arm(standing):
    driving = standing.clone()
    driving[0, 3] = standing[0, 2] + torch.tensor([-0.4, 0.0])
    driving[0, 4] = driving[0, 3] + torch.tensor([0.0, -0.3])
    tip = driving[0, 3] + torch.tensor([-0.095, 0.042])
    picture = torch.zeros(1, 3, HEIGHT, WIDTH)
    body = (body_coverage(standing, None, HEIGHT, WIDTH) > 0.5).float()
    coverage = move_limbs(picture + body, standing, driving).driving_coverage
    assert value_at(coverage, driving[0, 3]) > 0.9 and value_at(coverage, (driving[0, 3] + driving[0, 4]) / 2) > 0.9
    assert value_at(coverage, tip) < 0.15, "the forearm starts at the elbow"


def test_who_turns_around_has_two_legs(standing):
    """Legs that stand close together change sides: each takes its own colour along, and no other leg."""
    right, left = [8, 9, 10], [11, 12, 13]
    middle = standing[0, right + left, 0].mean()
    closed = standing.clone()
    closed[0, right, 0], closed[0, left, 0] = middle - 0.1, middle + 0.1
    turned = closed.clone()
    turned[0, right], turned[0, left] = closed[0, left], closed[0, right]
    knees = int((closed[0, 9, 1] + 1) / 2 * (HEIGHT - 1))
    column = (torch.arange(WIDTH) / (WIDTH - 1) * 2 - 1 - middle).abs()
    bare = (column > 0.02) & (column < 0.18)
    picture = torch.full((1, 3, HEIGHT, WIDTH), 0.9)
    picture[..., knees:, :] = torch.where(bare, torch.tensor([0.1, 0.1, 0.6]).view(3, 1, 1), picture[..., knees:, :])
    result = move_limbs(picture, closed, turned).composed()
    rows = slice(knees + 6, int((closed[0, 10, 1] + 1) / 2 * (HEIGHT - 1)) - 2)
    dark = (result[0, 0, rows] < 0.5).float().mean(0)
    assert dark[bare].mean() > 0.7 and dark[column > 0.25].max() == 0, "no third leg beside the two"


def test_thighs_that_spread_leave_nothing_between_them(standing):
    wide = standing.clone()
    for hip, knee, ankle, side in ((8, 9, 10, -1.0), (11, 12, 13, 1.0)):
        wide[0, knee, 0], wide[0, ankle, 0] = standing[0, hip, 0] + side * 0.45, standing[0, hip, 0] + side * 0.7
    body = (body_coverage(standing, None, HEIGHT, WIDTH, 0.6) > 0.5).float()
    picture = body * torch.tensor([0.1, 0.6, 0.1]).view(1, 3, 1, 1) + (1 - body) * 0.9
    coverage = move_limbs(picture, standing, wide).driving_coverage[0, 0]
    hips, knees = (int((standing[0, joint, 1] + 1) / 2 * (HEIGHT - 1)) for joint in (8, 9))
    between = coverage[hips:knees, WIDTH // 2 - 6 : WIDTH // 2 + 6].amax(1)
    assert between[:8].min() > 0.9 and between[13:].max() < 0.05, "the trunk does not keep the thighs as they were"


def test_unseen_limbs_are_left_out(standing):
    driving = raised(standing)
    picture = picture_of(standing, [3, 4], (1.0, 0.0, 0.0))
    unseen = torch.ones(1, 18)
    unseen[0, 4] = 0
    result = move_limbs(picture, standing, driving, torch.ones(1, 18), unseen)
    assert value_at(result.driving_coverage, driving[0, 4]) < 0.05
    assert value_at(result.composed(), driving[0, [3, 4]].mean(0))[0] < 0.6


def test_an_arm_behind_the_body_shows_only_beside_it(standing):
    """A red forearm that reaches across a blue trunk, to both sides of its outline."""
    picture = torch.full((1, 3, HEIGHT, WIDTH), 0.8)
    trunk = body_coverage(
        standing, torch.tensor([[0.0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]]), HEIGHT, WIDTH
    )
    arm = body_coverage(
        standing, torch.tensor([[0.0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), HEIGHT, WIDTH
    )
    for mask, colour in ((trunk, [0.1, 0.1, 0.9]), (arm, [0.9, 0.1, 0.1])):
        picture = torch.lerp(picture, torch.tensor(colour).view(1, 3, 1, 1), (mask > 0.5).float())
    driving = standing.clone()
    middle = (standing[0, 2] + standing[0, 11]) / 2
    driving[0, 3] = middle + torch.tensor([-0.62, -0.1])
    driving[0, 4] = middle
    seen = torch.ones(1, 18)
    behind = seen.clone()
    behind[0, 4] = BEHIND
    shown = [move_limbs(picture, standing, driving, seen, there).composed() for there in (seen, behind)]
    near_wrist, near_elbow = (driving[0, 3].lerp(driving[0, 4], share) for share in (0.85, 0.25))
    for result, front in zip(shown, (True, False), strict=True):
        red, _, blue = value_at(result, near_wrist)
        assert (red > 0.7 and blue < 0.3) if front else (red < 0.3 and blue > 0.7)
        assert value_at(result, near_elbow)[0] > 0.7 > 2 * value_at(result, near_elbow)[2], (
            "beside the trunk it is seen"
        )


def test_a_head_that_turns_aside_is_not_tilted(standing):
    """Nose and eyes go to one side, the middle of the ears stays: so does a spot between them."""
    driving = standing.clone()
    driving[0, [0, 14, 15]] += torch.tensor([0.15, 0.0])
    picture = picture_of(standing, [16, 17], (1.0, 0.0, 0.0))
    result = move_limbs(picture, standing, driving).composed()
    torch.testing.assert_close(result, move_limbs(picture, standing, standing).composed(), atol=0.02, rtol=0)
    both, one = torch.ones(1, 18), torch.ones(1, 18)
    one[0, 17] = 0
    tilted = move_limbs(picture, standing, driving, both, one).composed()
    assert (tilted - result).abs().max() > 0.3, "of one ear alone the middle is not known"
    same = move_limbs(picture, standing, standing, one, both).composed()
    torch.testing.assert_close(same, picture, atol=0.02, rtol=0, msg="both pictures are measured alike")


def test_a_head_that_nods_keeps_its_shape(standing):
    """The head sinks by a third of the neck's length; a red spot above the ears stays as far above them."""
    driving, head = standing.clone(), [0, 14, 15, 16, 17]
    neck = standing[0, [1, 2, 5]].mean(0)
    driving[0, head] -= (standing[0, [16, 17]].mean(0) - neck) * torch.tensor([0.0, 0.33])
    above = torch.zeros(1, 18, 2)
    above[0, 0] = standing[0, [16, 17]].mean(0) - torch.tensor([0.0, 0.12])
    picture = picture_of(above, [0], (1.0, 0.0, 0.0))
    result = move_limbs(picture, standing, driving).composed()
    sunk = above[0, 0] + driving[0, 16] - standing[0, 16]
    assert value_at(result, sunk)[0] > 0.9 > 3 * value_at(result, sunk)[1]


def test_nothing_visible_gives_the_source(standing):
    picture = torch.rand(1, 3, HEIGHT, WIDTH)
    none = torch.zeros(1, 18)
    result = move_limbs(picture, standing, raised(standing), none, none)
    torch.testing.assert_close(result.composed(), picture, atol=1e-3, rtol=0)
    assert torch.isfinite(result.parts).all()


def test_coverage_follows_the_body(standing):
    covered = body_coverage(standing, None, HEIGHT, WIDTH)
    assert all(value_at(covered, standing[0, joint]) > 0.9 for joint in (1, 3, 9, 12))
    assert covered[0, 0, :8, :8].max() < 0.05
    assert body_coverage(standing, None, HEIGHT, WIDTH, margin=1.5).sum() > 1.2 * covered.sum()


def test_size_does_not_depend_on_how_the_body_bends():
    points = torch.zeros(1, 18, 2)
    points[0, [2, 5]] = torch.tensor([[-20.0, 0], [20, 0]])
    points[0, [8, 11]] = torch.tensor([[-15.0, 100], [15, 100]])
    points[0, 1], points[0, 9], points[0, 12] = (
        torch.tensor([0.0, 0]),
        torch.tensor([-15.0, 185]),
        torch.tensor([15.0, 185]),
    )
    seen = torch.zeros(1, 18)
    seen[0, [1, 2, 5, 8, 11, 9, 12]] = 1
    bent = points.clone()
    bent[0, [9]] = torch.tensor([[70.0, 100.0]])
    assert body_size(points, seen).item() == pytest.approx(100, rel=0.02)
    assert body_size(bent, seen).item() == pytest.approx(100, rel=0.02)
    assert body_size(points, torch.zeros(1, 18)).item() == 0


def test_a_correction_can_overrule_the_coverage():
    parts, background = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    coverage = torch.zeros(1, 1, 4, 4)
    assert compose(parts, background, coverage).max() == 0
    assert compose(parts, background, coverage, torch.full((1, 1, 4, 4), 8.0)).min() > 0.95


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return AdaATGenerator(tiny_config(**PERSON)).eval()


def test_a_fresh_network_paints_the_moved_limbs(generator, standing):
    picture = torch.rand(1, 3, HEIGHT, WIDTH)
    driving = raised(standing)
    result = generator(picture, standing, driving)
    expected = move_limbs(picture, standing, driving).composed()
    torch.testing.assert_close(result.warped, expected)
    # The outline is clipped to logits that training can overrule, and a little of the source shines through.
    assert (result.images - expected).abs().mean() < 0.03


def test_equal_sources_count_the_same_as_one(generator, standing):
    picture, driving = torch.rand(1, 3, HEIGHT, WIDTH), raised(standing)
    one = generator(picture, standing, driving)
    two = generator(picture[:, None].repeat(1, 2, 1, 1, 1), standing[:, None].repeat(1, 2, 1, 1), driving)
    torch.testing.assert_close(two.images, one.images, atol=1e-5, rtol=0)
    torch.testing.assert_close(two.source_shares.sum(1), torch.ones(1, HEIGHT, WIDTH))


def test_a_second_source_lends_its_colours_and_not_its_background(generator, standing):
    driving = raised(standing)
    gray = picture_of(standing, [3, 4], (0.5, 0.5, 0.5))
    red = torch.zeros_like(gray)
    red[:, 0] = 1
    sources = torch.stack([gray, red], 1)
    torch.nn.init.zeros_(generator.fusion.confidence.weight)
    result = generator(sources, standing[:, None].repeat(1, 2, 1, 1), driving).warped
    torso = standing[0, [2, 5, 8, 11]].mean(0)
    torch.testing.assert_close(value_at(result, torso), torch.tensor([0.75, 0.25, 0.25]), atol=0.02, rtol=0)
    torch.testing.assert_close(result[0, :, 2, 2], torch.full((3,), 0.5), atol=0.02, rtol=0)


def test_the_network_adds_light_to_the_body_and_no_colour(generator, standing):
    generator.to_picture.bias.data.copy_(torch.tensor([0.6, 0.3, 0.0]))
    picture = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
    with torch.no_grad():
        painted = generator(picture, standing, standing).painted
    near = body_coverage(standing, None, HEIGHT, WIDTH, 0.7) > 0.95
    far = body_coverage(standing, None, HEIGHT, WIDTH, 2.2) < 0.02
    changed = painted - picture
    torch.testing.assert_close(changed[:, :1].expand_as(changed), changed)
    changed = changed.abs().amax(1, keepdim=True)
    assert changed[near].min() > 0.2 and changed[far].max() < 0.02 and far.float().mean() > 0.15


def test_several_sources_need_a_network_made_for_them(standing):
    single = AdaATGenerator(tiny_config(**PERSON | {"multi_source": False}))
    with pytest.raises(ValueError, match="There are 2 source pictures"):
        single(torch.rand(1, 2, 3, 32, 32), standing[:, None].repeat(1, 2, 1, 1), standing)


def test_limbs_need_a_known_layout():
    with pytest.raises(StrictDataclassError, match="prewarp_kind is 'limbs' with 68 key points"):
        AdaATConfig(num_keypoints=68, prewarp=True, prewarp_kind="limbs")


def test_a_moved_limb_does_not_shine_through(generator, standing):
    """Even a network that wants to keep the source shows the background where an arm was."""
    generator.blend_head.conv.bias.data.fill_(-20.0)
    picture = torch.full((1, 3, HEIGHT, WIDTH), 0.2)
    arm = body_coverage(standing, None, HEIGHT, WIDTH)
    picture = arm * torch.tensor([1.0, 0, 0])[:, None, None] + (1 - arm) * picture
    driving = raised(standing)
    moved = move_limbs(picture, standing, driving)
    result = generator(picture, standing, driving)
    left = (moved.source_coverage > 0.9) & (moved.driving_coverage < 0.1)
    assert left.sum() > 20
    assert result.images[:, :1][left].mean() < 0.5, "the arm is gone from where it was"
    still = moved.source_coverage < 1e-5
    torch.testing.assert_close(result.images[:, :1][still], picture[:, :1][still], atol=1e-4, rtol=0)


def test_poses_are_compared_wherever_and_however_large_they_are(standing):
    assert pose_distance(standing, 0.5 * standing + 0.3).item() == pytest.approx(0, abs=1e-5)
    other = raised(standing)
    assert pose_distance(standing, other).item() > 0.05
    seen = torch.ones(1, 18)
    seen[:, 4] = 0
    assert pose_distance(standing, standing, seen).item() == pytest.approx(1 / 18)
    assert pose_distance(standing, standing, None, seen).item() == pytest.approx(0, abs=1e-5)


def test_the_source_in_the_wanted_pose_is_preferred(generator, standing):
    driving = raised(standing)
    pictures = torch.stack([torch.full((3, HEIGHT, WIDTH), 0.2), torch.full((3, HEIGHT, WIDTH), 0.8)])[None]
    poses = torch.stack([standing, driving], 1)
    shares = generator(pictures, poses, driving).source_shares
    assert shares[:, 1].min() > 0.6 and torch.allclose(shares.sum(1), torch.ones(1, HEIGHT, WIDTH))
