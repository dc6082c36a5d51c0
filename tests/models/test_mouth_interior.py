"""The prior for what a closed mouth hides: where it is painted, how dark, and where nothing changes."""

import pytest
import torch
from conftest import MODERN, tiny_config
from huggingface_hub.errors import StrictDataclassError

from adaat_hf import AdaATGenerator
from adaat_hf.models.mouth_interior import MouthInterior, mouth_coordinates, mouth_opening, opening_shares


SIZE = 128


@pytest.fixture(scope="module")
def faces(face_model):
    """Key points (1, 96, 2) in [-1, 1] of the average face with a closed and with an open mouth."""
    from adaat_hf import ARKIT_EXPRESSIONS

    expression = torch.zeros(2, 52)
    expression[1, ARKIT_EXPRESSIONS.index("jawOpen")] = 0.6
    points = face_model(
        torch.zeros(2, 60), expression, torch.eye(3).expand(2, 3, 3), torch.full((2,), 0.8), torch.zeros(2, 2)
    )
    return points[:1].contiguous(), points[1:].contiguous()


def test_coordinates_follow_the_lips(faces):
    closed, opened = faces
    assert mouth_opening(closed, SIZE, SIZE) < 0.1 < 0.2 < mouth_opening(opened, SIZE, SIZE)
    across, down, inside, _ = mouth_coordinates(opened, SIZE, SIZE)
    pixels = ((opened[0] + 1) / 2 * (SIZE - 1)).round().long()
    middle = pixels[[62, 66]].float().mean(0).round().long()
    x, y = int(middle[0]), int(middle[1])
    assert inside[0, y, x] == 1 and abs(float(across[0, y, x]) - 0.5) < 0.1 and abs(float(down[0, y, x]) - 0.5) < 0.15
    outside = [pixels[51], pixels[57], pixels[8], pixels[30]]
    assert all(inside[0, int(p[1]), int(p[0])] == 0 for p in outside)
    turned = opened.flip(-1) * torch.tensor([1.0, -1.0])  # a quarter turn
    assert torch.isclose(mouth_opening(turned, SIZE, SIZE), mouth_opening(opened, SIZE, SIZE), atol=1e-5)


def test_only_what_was_hidden_is_filled(faces):
    closed, opened = faces
    torch.manual_seed(0)
    picture, prior = torch.rand(1, 3, SIZE, SIZE) * 0.2 + 0.7, MouthInterior()
    same = prior(picture, picture, opened, opened)
    assert torch.allclose(same, picture, atol=1e-6), "a mouth that was open keeps its teeth"
    assert torch.equal(prior(picture, picture, opened, closed), picture), "a mouth that closes has no inside"
    filled = prior(picture, picture, closed, opened)
    changed = (filled - picture).abs().amax(1)[0] > 0.01
    inside = mouth_coordinates(opened, SIZE, SIZE)[2][0] > 0
    assert changed.any() and not (changed & ~inside).any()
    assert filled[0, :, changed].mean() < 0.6 * picture[0, :, changed].mean()
    hidden = torch.ones(1, 96)
    hidden[:, 66] = 0
    assert torch.equal(prior(picture, picture, closed, opened, hidden), picture)


def test_lips_of_a_smile_meet(faces):
    """Between lips that meet, the line of teeth that bending leaves is covered; a mouth that stays open keeps its own."""
    closed, opened = faces
    lips = closed.clone()
    middle = (lips[:, [61, 62, 63]] + lips[:, [67, 66, 65]]) / 2
    lips[:, [61, 62, 63]] = lips[:, [67, 66, 65]] = middle
    torch.manual_seed(0)
    teeth, prior = torch.rand(1, 3, 2 * SIZE, 2 * SIZE) * 0.1 + 0.8, MouthInterior()
    met = prior(teeth, teeth, opened, lips)
    covered = (met - teeth).abs().amax(1)[0] > 0.15
    x, y = (((lips[0, [61, 63]] + 1) / 2 * (2 * SIZE - 1)).mean(0)).round().long().tolist()
    assert covered[y, x] and not covered[y + 8 :].any() and not covered[: y - 8].any()
    assert torch.equal(prior(teeth, teeth, lips, lips), teeth), "lips that were closed already stay as they are"
    with_teeth = prior(teeth, teeth, opened, torch.lerp(lips, opened, 0.7))
    assert torch.allclose(with_teeth, teeth, atol=1e-6)


def test_openings_are_interpolated():
    shares = opening_shares(torch.tensor([0.0, 0.06, 0.13, 0.2, 0.325, 2.0]))
    wanted = [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
    assert torch.allclose(shares, torch.tensor(wanted, dtype=torch.float32), atol=1e-5)


def test_a_generator_learns_and_saves_its_prior(faces, tmp_path):
    closed, opened = faces
    generator = AdaATGenerator(tiny_config(**MODERN, mouth_interior=True))
    generator(torch.rand(1, 3, 64, 64), closed, opened).images.mean().backward()
    assert generator.mouth.texture.grad.abs().sum() > 0
    generator.mouth.texture.data.uniform_()
    generator.save_pretrained(tmp_path)
    assert torch.equal(AdaATGenerator.from_pretrained(tmp_path).mouth.texture, generator.mouth.texture)
    with pytest.raises(StrictDataclassError, match="mouth_interior needs prewarp"):
        tiny_config(mouth_interior=True)
