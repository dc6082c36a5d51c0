"""Points below the brows: they keep their distance from a brow whose lid falls, and give way to one that rises."""

import torch
from conftest import MODERN, tiny_config

from adaat_hf import ARKIT_EXPRESSIONS, AdaATGenerator
from adaat_hf.control.retargeting import separate_lids
from adaat_hf.models.brow_guards import BROW_SHARE, BROWS, LIDS, with_brow_guards
from adaat_hf.models.keypoint_maps import thin_plate_flow


def face(face_model, scale=0.8, **expressions):
    """Key points (1, 96, 2) of the average face with some expressions."""
    values = torch.zeros(1, 52)
    for name, value in expressions.items():
        for side in ("Left", "Right"):
            values[:, ARKIT_EXPRESSIONS.index(name + side)] = value
    return face_model(torch.zeros(1, 60), values, torch.eye(3)[None], torch.full((1,), scale), torch.zeros(1, 2))


def test_a_blink_unfolds_the_lid_below_the_guard(face_model):
    opened, closed = face(face_model), face(face_model, eyeBlink=0.9)
    here, there, _ = with_brow_guards(opened, closed)
    assert here.shape == there.shape == (1, 104, 2) and torch.equal(there[:, :96], closed)
    brows = list(BROWS)
    for points in (here, there):
        guard = points[0, 96:] - points[0, brows]
        assert torch.allclose(
            guard.norm(dim=1), BROW_SHARE * (opened[0, list(LIDS)] - opened[0, brows]).norm(dim=1), rtol=0.06
        )
    larger = with_brow_guards(opened, face(face_model, 1.6, eyeBlink=0.9))[1]
    assert torch.allclose(larger[0, 96:] - larger[0, brows], 2 * (there[0, 96:] - there[0, brows]), atol=1e-4)


def test_opening_an_eye_divides_the_skin_as_before(face_model):
    opened, closed = face(face_model), face(face_model, eyeBlink=0.9)
    there = with_brow_guards(closed, opened)[1]
    middle = torch.lerp(opened[0, list(BROWS)], opened[0, list(LIDS)], BROW_SHARE)
    assert torch.allclose(there[0, 96:], middle, atol=1e-4)


def test_brows_do_not_stretch_in_a_blink(face_model):
    """The spline shows the brow's own height where the brow is; without guards it would show much less, enlarged."""
    opened, closed = face(face_model), separate_lids(face(face_model, eyeBlink=0.9))
    brow, height = closed[0, list(BROWS)], 0.8 * BROW_SHARE * (opened[0, list(LIDS)] - opened[0, list(BROWS)])
    ends = torch.stack([brow, brow + height])
    shown = []
    for here, there in ((opened, closed), with_brow_guards(opened, closed)[:2]):
        flow = thin_plate_flow(here, there, 256, 256, regularization=0.0006).permute(0, 3, 1, 2)
        upper, lower = torch.nn.functional.grid_sample(flow, ends[None], align_corners=True)[0].permute(1, 2, 0)
        shown.append(float(((lower - upper).norm(dim=1) / height.norm(dim=1)).mean()))
    assert shown[0] < 0.75 and 0.9 < shown[1] < 1.1


def test_unknown_brows_or_lids_have_no_guard(face_model):
    seen = torch.ones(1, 96)
    seen[0, [18, 43]] = 0
    known = with_brow_guards(face(face_model), face(face_model), seen)[2]
    assert known[0, 96:].tolist() == [0, 1, 1, 1, 0, 0, 1, 1]
    generator = AdaATGenerator(tiny_config(**MODERN)).eval()
    points = face(face_model)
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        warped = generator(picture, points, points, seen, seen).warped
    assert (warped - picture).abs().max() < 0.02, "nothing moves where nothing moved"
