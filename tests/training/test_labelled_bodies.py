"""Pictures with exact key points, as scripts/render_bodies.py writes them."""

import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import ROOT, draw_person

from adaat_hf import AdaATLandmarkerConfig
from adaat_hf.models.limbs import body_coverage
from adaat_hf.training.body_parts import ARM, BODY, NOTHING, encode_parts
from adaat_hf.training.body_scenes import LABELS, PARTS_SUFFIX, BodyCropDataset, load_labelled_bodies
from adaat_hf.training.image_pairs import ImagePairDataset, read_pairs


def test_labelled_pictures_become_crops_with_their_points(tmp_path, standing_pose):
    points = standing_pose * [176, 256]
    colours = np.random.default_rng(0).integers(0, 255, (6, 3))
    PIL.Image.fromarray(draw_person(points, 256, 176, colours)).save(tmp_path / "00000.jpg")
    body = np.c_[points, np.ones(18)]
    body[16, 2] = 0
    (tmp_path / LABELS).write_text(json.dumps({"00000.jpg": [body.tolist()]}))
    parts = np.random.default_rng(1).integers(0, 3, (256, 176)).astype(np.uint8)
    (tmp_path / "00000").with_suffix(PARTS_SUFFIX).write_bytes(encode_parts(parts))
    (scene,) = load_labelled_bodies(tmp_path)
    assert np.array_equal(scene.labels(0), parts)
    assert scene.bodies.shape == (1, 18, 3) and scene.decode().shape == (256, 176, 3)
    seen = points[np.arange(18) != 16]
    assert np.allclose(scene.boxes[0], [*seen.min(0), *seen.max(0)], atol=0.01)
    dataset = BodyCropDataset([scene], 128, 1.35)
    shown = [item for item in (dataset[number] for number in range(20)) if item["presence"] > 0]
    assert all(item["visibility"][16] == 0 or item["visibility"][17] == 0 for item in shown), "or its mirrored partner"
    assert np.mean([float(item["visibility"].mean()) for item in shown]) > 0.8


@pytest.mark.parametrize("stage", [3, 4, 5, 6, 7, 8, 9])
def test_the_configs_of_the_stages_with_rendered_bodies_are_complete(stage):
    yaml = pytest.importorskip("yaml")
    from adaat_hf.training.landmarker_trainer import LandmarkerArguments

    text = (ROOT / "scripts" / "configs" / f"body_landmarker_{stage}.yaml").read_text()
    settings = LandmarkerArguments(**yaml.safe_load(text))
    assert settings.labelled == ["data/rendered_bodies"] and settings.exclude_held_out
    assert AdaATLandmarkerConfig(**settings.model).parts == (stage >= 9) == (settings.parts_batch_size > 0)


def render_bodies(output, *options):
    for package in ("anny", "warp"):
        pytest.importorskip(package, reason="needs anny and warp-lang")
    command = [sys.executable, str(ROOT / "scripts" / "render_bodies.py"), "--count", "1", *options]
    subprocess.run([*command, "--output", str(output)], check=True, capture_output=True, timeout=300)


@pytest.mark.slow
def test_rendered_bodies_know_which_pixels_are_theirs(tmp_path):
    render_bodies(tmp_path)
    scenes = load_labelled_bodies(tmp_path)
    assert len(scenes) == 20
    on_wrists, on_knees = [], []
    for scene in scenes:
        labels = scene.labels(0)
        assert labels.shape == scene.decode().shape[:2] and set(np.unique(labels)) == {NOTHING, BODY, ARM}
        column, row = scene.bodies[0, :, :2].round().astype(int).clip(0, len(labels) - 1).T
        found = labels[row, column]
        on_wrists += list(found[[4, 7]])
        on_knees += list(found[[9, 12]])
        assert (labels[[0, -1]] == NOTHING).all()
    # A wrist may be hidden behind the body, a knee behind an arm.
    assert np.mean(np.array(on_wrists) == ARM) > 0.7 and np.mean(np.array(on_knees) == BODY) > 0.8


@pytest.mark.slow
def test_rendered_poses_become_pairs_before_the_same_wall(tmp_path):
    """scripts/render_bodies.py with `--poses`: key points lie on the body, and the wall behind it does not change."""
    render_bodies(tmp_path / "train", "--poses", "2")
    pairs = read_pairs(tmp_path / "train")
    assert len(pairs) == 2 * len({pair.subject for pair in pairs}) >= 40
    judged = 0
    for item in ImagePairDataset([tmp_path / "train"], (256, 176), augment=False).fixed():
        bodies = [
            body_coverage(item[f"{role}_keypoints"][None], item[f"{role}_visibility"][None], 256, 176, 2.0)
            for role in ("source", "driving")
        ]
        wall = torch.maximum(*bodies)[0, 0] < 0.01
        change = (item["source"] - item["driving"]).abs().mean(0)
        if wall.float().mean() > 0.1:
            judged += 1
            assert change[wall].mean() < 0.02
            assert change[~wall].mean() > 2 * change[wall].mean()
    assert judged >= 30
