"""Pairs of pictures: written and read, loaded by `datasets`, and drawn as training items."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import torch

from adaat_hf.processing.body_keypoints import BODY18
from adaat_hf.training.augmentation import Placement, augment
from adaat_hf.training.image_pairs import KEYPOINTS, METADATA, ImagePairDataset, read_pairs, to_parquet, write_pairs
from adaat_hf.training.items import DamagedItemError


def test_pairs_survive_writing(pairs, tmp_path):
    listed = read_pairs(pairs)
    assert len(listed) == 12
    write_pairs(tmp_path, listed)
    assert (tmp_path / METADATA).read_text() == (pairs / METADATA).read_text()
    with pytest.raises(FileNotFoundError, match="names 6 pictures that do not exist, such as 's0_0.png'"):
        read_pairs(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no metadata.jsonl .*; make it with"):
        read_pairs(tmp_path / "none")


@pytest.fixture
def offline_datasets(monkeypatch, tmp_path):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return datasets


def test_datasets_loads_the_folder(pairs, offline_datasets, tmp_path):
    split = offline_datasets.load_dataset(
        "imagefolder", data_dir=str(pairs), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(split) == 12
    row = split[0]
    assert row["source"].size == row["target"].size == (44, 64) and row["subject"] == "s0"
    assert np.shape(row["source_keypoints"]) == (18, 2) and np.shape(row["target_visibility"]) == (18,)


def test_parquet_holds_the_pictures(pairs, offline_datasets, tmp_path):
    copy = tmp_path / "split"
    shutil.copytree(pairs, copy)
    to_parquet(copy, tmp_path / "train.parquet")
    shutil.rmtree(copy)
    split = offline_datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "train.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert split[3]["target"].size == (44, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "train.parquet"]


def test_items_repeat_and_points_lie_where_they_are_drawn(pairs):
    dataset = ImagePairDataset([pairs], (64, 44), seed=3, augment=False)
    item, again = dataset[5], dataset[5]
    assert all(torch.equal(item[name], again[name]) for name in item)
    shapes = {name: tuple(value.shape) for name, value in item.items()}
    assert shapes["source"] == shapes["driving"] == (3, 64, 44) and shapes["source_keypoints"] == (18, 2)
    assert not torch.equal(dataset[5]["source"], dataset[6]["source"])
    wide = ImagePairDataset([pairs], (128, 88), seed=3, augment=False)[5]
    # Pixel centres of the border are at -1 and 1, so a resized picture's points differ by part of a pixel only.
    assert (wide["source_keypoints"] - item["source_keypoints"]).abs().max() < 0.02


def test_a_second_source_is_another_picture_of_the_subject(pairs):
    dataset = ImagePairDataset([pairs], (64, 44), second_source=0.5, batch_size=4, augment=False)
    with_two = [dataset[number]["source"].ndim == 4 for number in range(40)]
    batches = [set(with_two[start : start + 4]) for start in range(0, 40, 4)]
    assert all(len(batch) == 1 for batch in batches) and {True, False} == set(with_two)
    item = dataset[with_two.index(True)]
    assert item["source"].shape == (2, 3, 64, 44) and item["source_visibility"].shape == (2, 18)
    assert not torch.equal(item["source"][0], item["source"][1])
    assert not torch.equal(item["source"][1], item["driving"])


def test_fixed_items_may_have_several_sources(pairs):
    items = list(ImagePairDataset([pairs], (64, 44), augment=False).fixed(2))
    assert len(items) == 12 and items[0]["source"].shape == (2, 3, 64, 44)
    assert not list(ImagePairDataset([pairs], (64, 44), augment=False).fixed(3)), "there are three pictures of each"
    (first, *_) = ImagePairDataset([pairs], (64, 44), augment=False).fixed()
    assert first["source"].shape == (3, 64, 44) and first["subject"] == "s0" and first["key"] == "s0_0.png>s0_1.png"


def test_a_lone_pair_repeats_its_source(pairs, tmp_path):
    shutil.copytree(pairs, tmp_path / "lone")
    write_pairs(tmp_path / "lone", read_pairs(pairs)[:1])
    item = ImagePairDataset([tmp_path / "lone"], (64, 44), second_source=1.0, augment=False)[0]
    assert torch.equal(item["source"][0], item["source"][1])


def test_augmented_points_stay_on_what_they_mark():
    """A bright blob is found again where its key point went, also in an upright picture."""
    height, width = 96, 48
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    pictures = torch.exp(-(((x - 0.2) ** 2 * (width / height) ** 2 + (y + 0.3) ** 2) / 0.01)).expand(2, 3, -1, -1)
    points = torch.tensor([0.2, -0.3]).repeat(2, 18, 1)
    for seed in range(12):
        moved, there, _ = augment(
            pictures,
            points,
            torch.ones(2, 18),
            BODY18.mirror,
            Placement(25, (0.8, 1.3), 0.1),
            np.random.default_rng(seed),
        )
        weight = (moved[0, 0] - 0.5 * moved[0, 0].max()).clamp_min(0)
        centre = torch.stack([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        assert (centre - there[0, 0]).abs().max() < 0.06, seed
        assert torch.equal(there[0], there[1])


def test_a_line_of_metadata_reads_like_the_field(pairs):
    row = json.loads(pathlib.Path(pairs / METADATA).read_text().splitlines()[0])
    assert set(row) == {
        "subject", "source_file_name", "source_keypoints", "source_visibility", "target_file_name", "target_keypoints",
        "target_visibility",
    }  # fmt: skip


def test_damaged_pictures_are_named_and_left_out(pairs, tmp_path, caplog):
    """One of six is damaged: items are made of the others. When all are, the data is refused."""
    shutil.copytree(pairs, tmp_path / "pairs")
    (tmp_path / "pairs" / "s0_1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    dataset = ImagePairDataset([tmp_path / "pairs"], (64, 44), augment=False)
    items = [dataset[number] for number in range(30)]
    warnings = {record.message for record in caplog.records}
    assert len(warnings) == 1 and "s0_1.png' cannot be read" in warnings.pop()
    whole = ImagePairDataset([pairs], (64, 44), augment=False)
    same = [torch.equal(item["driving"], whole[number]["driving"]) for number, item in enumerate(items)]
    assert 10 < sum(same) < 30, "sound draws stay what they were"
    # Of the twelve ordered pairs of two subjects' three pictures, four have it.
    assert len(list(dataset.fixed())) == 8
    for path in (tmp_path / "pairs").glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DamagedItemError, match="20 draws in a row met damaged training data"):
        ImagePairDataset([tmp_path / "pairs"], (64, 44), augment=False)[0]


def test_a_damaged_picture_in_a_row_of_a_shard(pairs):
    dataset = ImagePairDataset([], (64, 44), augment=False)
    listed = read_pairs(pairs)[0]
    row = {
        "subject": "s0",
        **{f"{r}_{k}": getattr(getattr(listed, r), k) for r in ("source", "target") for k in KEYPOINTS},
    }
    stored = {
        r: {"path": getattr(listed, r).file, "bytes": (pairs / getattr(listed, r).file).read_bytes()}
        for r in ("source", "target")
    }
    random = np.random.default_rng(0)
    item = dataset.item_of_row(row | stored, random)
    (first, *_) = ImagePairDataset([pairs], (64, 44), augment=False).fixed()
    assert torch.equal(item["source"], first["source"]) and torch.equal(
        item["driving_keypoints"], first["driving_keypoints"]
    )
    stored["source"]["bytes"] = stored["source"]["bytes"][:200]
    with pytest.raises(DamagedItemError, match=f"{listed.source.file} of subject s0' cannot be read"):
        dataset.item_of_row(row | stored, random)
