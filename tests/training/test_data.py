"""Packs and pairs: random access, repeatability, augmentation that moves points with pixels."""

import numpy as np
import pytest
import torch

from adaat_hf.processing.keypoints import FACE96
from adaat_hf.training.augmentation import FACE_PLACEMENT, augment
from adaat_hf.training.data import PairDataset, RangeSampler, select_clips
from adaat_hf.training.packs import read_packs, write_pack
from adaat_hf.training.pair_maker import PairMaker, fixed_pairs


def test_frames_are_found_without_decoding_the_clip(packs):
    clip = read_packs(packs)[0]
    every = clip.frames(range(12))
    for number in (0, 5, 11):
        assert np.array_equal(clip.frames([number])[0], every[number])
    first, second = clip.frames([7, 2])
    assert np.array_equal(first, every[7]) and np.array_equal(second, every[2])
    assert len({picture.tobytes() for picture in every}) > 6


def test_a_pack_gets_its_name_when_it_is_complete(tmp_path):
    clips = [(f"clip{number}", {".safetensors": b"", ".json": b"{}"}) for number in range(3)]
    write_pack(tmp_path / "clips-00000.tar", clips)
    assert {clip.key for clip in read_packs(tmp_path)} == {"clip0", "clip1", "clip2"}

    def broken():
        yield clips[0]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_pack(tmp_path / "clips-00001.tar", broken())
    assert [clip.key for clip in read_packs(tmp_path)] == ["clip0", "clip1", "clip2"]


def test_selection_and_frequencies(packs):
    clips = read_packs(packs)
    chosen, weights = select_clips(clips, ["clip_0"], {"tier": ["A", "B"]}, {"origin": {"generated": 0.5}})
    assert [clip.key for clip in chosen] == ["clip_1", "clip_2", "clip_3"]
    np.testing.assert_allclose(weights, [0.5, 0.25, 0.25])
    with pytest.raises(ValueError, match="None of the 4 clips passes"):
        select_clips(clips, [], {"tier": ["C"]}, {})


def dataset(packs, face_model=None, **changes):
    clips, weights = select_clips(read_packs(packs), [], {}, {})
    drawing = {name: changes.pop(name) for name in ("seed", "second_source", "batch_size") if name in changes}
    return PairDataset(
        clips, weights, PairMaker("face", (64, 64), 96, face_model, **changes), **{"seed": 3, **drawing}
    )


def test_pairs_are_repeatable_and_differ(packs):
    first, second = dataset(packs)[17], dataset(packs)[17]
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(dataset(packs)[18]["source"], first["source"])
    assert not torch.equal(dataset(packs, seed=4)[17]["source"], first["source"])


def test_items_have_the_generators_form(packs):
    item = dataset(packs)[0]
    assert item["source"].shape == item["driving"].shape == (3, 64, 64)
    assert 0 <= item["source"].min() and item["driving"].max() <= 1
    assert item["source_keypoints"].shape == (96, 2) and item["driving_visibility"].shape == (96,)
    assert item["driving_keypoints"].abs().max() < 1.5


def test_hard_pairs_move_more(packs):
    def motion(share):
        items = [dataset(packs, hard_pairs=share, augment=False)[n] for n in range(40)]
        return np.mean([(i["source_keypoints"] - i["driving_keypoints"]).norm(dim=1).mean() for i in items])

    assert motion(1.0) > 1.2 * motion(0.0)


def test_fitted_keypoints_are_the_models_projection(packs, face_model):
    item = dataset(packs, face_model, fitted_keypoints=1.0, augment=False)[5]
    plain = dataset(packs, augment=False)[5]
    torch.testing.assert_close(item["source_keypoints"], plain["source_keypoints"])
    assert (item["driving_keypoints"] - plain["driving_keypoints"]).abs().max() < 0.02


def test_augmentation_moves_points_with_pixels():
    """A white dot at a key point is still at that key point afterwards."""
    for seed in range(12):
        points = torch.zeros(2, 96, 2)
        points[:, 30] = torch.tensor([0.2, -0.1])
        pictures = torch.zeros(2, 3, 129, 129)
        pictures[:, :, int((-0.1 + 1) * 64) - 1 : int((-0.1 + 1) * 64) + 2, int(1.2 * 64) - 1 : int(1.2 * 64) + 2] = 1
        random = np.random.default_rng(seed)
        moved, places, _ = augment(pictures, points, torch.ones(2, 96), FACE96.mirror, FACE_PLACEMENT, random)
        mirrored = FACE96.mirror[30]
        rows, columns = torch.nonzero(moved[0, 0] > 0.5 * moved[0, 0].max(), as_tuple=True)
        found = torch.tensor([columns.float().mean(), rows.float().mean()]) / 64 - 1
        assert min((found - places[0, k]).norm() for k in (30, mirrored)) < 0.03


def test_ranks_see_disjoint_items():
    numbers = [list(RangeSampler(8, 24, offset, 4)) for offset in range(4)]
    assert sorted(sum(numbers, [])) == list(range(8, 24)) and numbers[1] == [9, 13, 17, 21]


def test_validation_pairs_start_at_frame_zero(packs):
    pairs = list(fixed_pairs(read_packs(packs), "face", (32, 32), 68, per_clip=2))
    assert len(pairs) == 8 and {pair["frame"] for pair in pairs} <= set(range(3, 12))
    assert pairs[0]["source"].shape == (3, 32, 32) and pairs[0]["source_keypoints"].shape == (68, 2)
