"""DeepFashion's lists: csv and json give the same pairs, counts are compared, nothing is dropped in silence."""

import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT, draw_person

from adaat_hf.processing.images import load_image
from adaat_hf.training.deepfashion import PUBLISHED_PAIRS, DeepFashionError, DeepFashionReport, prepare_deepfashion
from adaat_hf.training.image_pairs import ImagePairDataset, read_pairs


NAMES = [
    "fashionWOMENDressesid0000262902_1front.jpg",
    "fashionWOMENDressesid0000262902_3back.jpg",
    "fashionMENDenimid0000008001_7additional.jpg",
]


@pytest.fixture
def fashion(tmp_path, standing_pose):
    """Pictures in the three forms that are around, and both kinds of lists."""
    random = np.random.default_rng(1)
    points = {name: (standing_pose + random.normal(0, 0.01, (18, 2))) * [176, 256] for name in NAMES}
    pictures = {name: draw_person(points[name], 256, 176, random.integers(0, 255, (6, 3))) for name in NAMES}
    images = tmp_path / "fashion"
    own = images / "fashion" / "WOMEN" / "Dresses" / "id_00002629"
    own.mkdir(parents=True)
    PIL.Image.fromarray(pictures[NAMES[0]]).save(own / "02_1_front.jpg", quality=95)
    PIL.Image.fromarray(pictures[NAMES[1]]).save(images / NAMES[1], quality=95)
    padded = np.pad(pictures[NAMES[2]], ((0, 0), (40, 40), (0, 0)), constant_values=255)
    PIL.Image.fromarray(padded).save(images / NAMES[2], quality=95)
    points[NAMES[2]][4] = -1
    lines = ["name:keypoints_y:keypoints_x"]
    for name, found in points.items():
        x, y = found.round().astype(int).T.tolist()
        lines.append(f"{name}: {y}: {x}")
    (tmp_path / "annotation.csv").write_text("\n".join(lines) + "\n")
    listed = [(NAMES[0], NAMES[1]), (NAMES[1], NAMES[0]), (NAMES[2], NAMES[2])]
    (tmp_path / "pairs.csv").write_text("from,to\n" + "".join(f"{a},{b}\n" for a, b in listed))
    items = [
        {"source_image": f"train/{a}", "target_image": b, "source_lm": points[a].round().tolist(), "target_lm": points[b].round().tolist()}
        for a, b in listed
    ]  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps(items))
    return tmp_path


def prepare(fashion, pairs="pairs.csv", **options):
    annotations = fashion / "annotation.csv" if pairs.endswith(".csv") else None
    return prepare_deepfashion(fashion / "fashion", fashion / pairs, annotations, fashion / "out", "train", **options)


def test_csv_and_json_give_the_same_pairs(fashion):
    report = prepare(fashion)
    assert (report.listed, report.written, report.missing) == (3, 3, {})
    from_csv = read_pairs(fashion / "out" / "train")
    assert prepare(fashion, "train.json").written == 3
    assert read_pairs(fashion / "out" / "train") == from_csv
    first, _, odd = from_csv
    assert first.subject == "fashionWOMENDressesid0000262902" != odd.subject
    nose = first.source.keypoints[0]
    assert nose[1] < nose[0], "x first: the head is near the top, in the middle of the width"
    assert odd.source.visibility[4] == 0 and sum(odd.source.visibility) == 17
    for name in NAMES:
        assert load_image(fashion / "out" / "train" / name).shape == (256, 176, 3)
    item = ImagePairDataset([fashion / "out" / "train"], (128, 88), augment=False)[0]
    assert item["source"].shape == (3, 128, 88) and item["source_keypoints"].abs().max() <= 1


def test_margins_are_cut_off(fashion, standing_pose):
    prepare(fashion)
    picture = load_image(fashion / "out" / "train" / NAMES[2])
    assert picture[:, 0].mean() < 100 and picture[:, -1].mean() > 150, "the gradient, not white"


def test_counts_are_compared_with_the_published_ones():
    assert PUBLISHED_PAIRS == {"train": 101_966, "test": 8_570}
    assert "(as published)" in str(DeepFashionReport("test", 8570, 8570, {}))
    text = str(DeepFashionReport("train", 3, 1, {"a.jpg": "There is no such picture."}))
    assert text == (
        "train: 3 pairs listed (not the published 101966), 1 written, 2 left out for want of 1 pictures (missing.csv)"
    )


def test_missing_pictures_are_listed(fashion):
    (fashion / "fashion" / NAMES[1]).unlink()
    PIL.Image.new("RGB", (100, 100)).save(fashion / "fashion" / NAMES[2])
    with pytest.raises(DeepFashionError, match="2 pictures of the list cannot be used, such as fashionWOMEN"):
        prepare(fashion)
    assert not (fashion / "out" / "train" / "metadata.jsonl").exists()
    listed = (fashion / "out" / "train" / "missing.csv").read_text().splitlines()
    assert listed[0] == "picture,reason" and f"{NAMES[1]},There is no such picture." in listed
    assert any("It is 100x100, expected 176x256 or 256x256" in line for line in listed)
    report = prepare(fashion, allow_missing=True)
    assert report.written == 0 and len(report.missing) == 2


def test_damaged_lists_are_named(fashion):
    text = (fashion / "annotation.csv").read_text()
    for change, message in (
        (text.replace("]", "", 1), "annotation.csv', line 2: the key points are damaged"),
        (text.replace("name:keypoints_y:keypoints_x", "name,y,x"), "expected .*keypoints_y"),
        ("\n".join(text.splitlines()[:-1]), r"pairs.csv', line 4: 'fashionMEN.* has no annotation"),
    ):
        (fashion / "annotation.csv").write_text(change)
        with pytest.raises(DeepFashionError, match=message):
            prepare(fashion)
    (fashion / "train.json").write_text('[{"source_image": "a.jpg"}]')
    with pytest.raises(DeepFashionError, match="not the authors' json"):
        prepare(fashion, "train.json")
    with pytest.raises(DeepFashionError, match="annotation csv with their key points is needed"):
        prepare_deepfashion(fashion / "fashion", fashion / "pairs.csv", None, fashion / "out", "train")
    with pytest.raises(FileNotFoundError, match=r"none.csv' does not exist"):
        prepare(fashion, "none.csv")


@pytest.mark.slow
def test_the_script_makes_what_datasets_loads(fashion, monkeypatch):
    datasets = pytest.importorskip("datasets")
    command = [
        sys.executable,
        ROOT / "scripts" / "prepare_deepfashion.py",
        "--images",
        fashion / "fashion",
        "--split",
        "train",
    ]
    command += [
        "--pairs",
        fashion / "pairs.csv",
        "--annotations",
        fashion / "annotation.csv",
        "--output",
        fashion / "out",
    ]
    done = subprocess.run([*command, "--parquet"], capture_output=True, text=True)
    assert done.returncode == 0 and "3 pairs listed (not the published 101966), 3 written" in done.stdout, done.stderr
    split = datasets.load_dataset(
        "parquet", data_files=str(fashion / "out" / "train.parquet"), split="train", cache_dir=str(fashion / "cache")
    )
    assert split[0]["source"].size == (176, 256) and np.shape(split[0]["target_keypoints"]) == (18, 2)
    (fashion / "fashion" / NAMES[1]).unlink()
    for picture in (fashion / "out" / "train").glob("*.jpg"):
        picture.unlink()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "1 pictures of the list cannot be used" in done.stderr
