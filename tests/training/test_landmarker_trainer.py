"""Training the landmarker: losses that know what they measure, and a tiny run that learns and can be resumed."""

from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import draw_person

from adaat_hf import AdaATLandmarker, AdaATLandmarkerConfig, BodyKeypoints, FaceLandmarks, TorchBodyDetector
from adaat_hf.models.modeling_landmarker import DetectorOutput, LandmarkerOutput, cell_positions
from adaat_hf.training.body_parts import encode_parts, parts_loss
from adaat_hf.training.body_scenes import BodyCropDataset, load_body_scenes
from adaat_hf.training.landmarker_trainer import LandmarkerArguments, LandmarkerTrainer, detector_loss, landmark_loss
from adaat_hf.training.scenes import encode_jpeg, load_scenes


TINY = {
    "crop_size": 32, "channels": [8, 12, 16], "heatmap_channels": 16, "detector_size": 64, "detector_channels": [8, 8, 12, 12],
}  # fmt: skip


class OneFace:
    """A teacher that sees a face in the middle of every picture."""

    def detect(self, frames):
        height, width = frames.shape[1:3]
        points = np.random.default_rng(0).uniform(-0.2, 0.2, (96, 2)) * height + [width / 2, height / 2]
        face = FaceLandmarks(points.astype(np.float32), "face96", np.ones(96, np.float32))
        return [[face] for _ in frames]


@pytest.fixture
def scenes(tmp_path, astronaut):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        PIL.Image.fromarray(np.roll(astronaut, 50 * number, axis=1)).save(folder / f"{number}.png")
    return load_scenes([str(folder)], OneFace(), tmp_path / "labels")


def test_exact_landmarks_cost_nothing_and_missing_faces_do_not_count():
    points = torch.rand(3, 96, 2) * 2 - 1
    maps = torch.zeros(3, 96, 8, 8)
    exact = landmark_loss(
        LandmarkerOutput(points=points, presence=torch.full((3,), 9.0), heatmaps=maps), points, torch.ones(3)
    )
    assert exact["points"] == 0 and exact["openings"] == 0 and exact["presence"] < 1e-3
    wrong = torch.cat([points[:2], points[2:] + 1])
    found = LandmarkerOutput(points=wrong, presence=torch.zeros(3), heatmaps=maps)
    assert landmark_loss(found, points, torch.tensor([1.0, 1, 0]))["points"] == 0
    assert landmark_loss(found, points, torch.ones(3))["points"] > 0.01


def test_heat_maps_that_peak_at_the_truth_cost_less():
    points = cell_positions(8, torch.device("cpu"))[torch.tensor([[[2, 5]]])].expand(1, 96, 2)
    maps = torch.zeros(1, 96, 8, 8)
    maps[:, :, 5, 2] = 5
    found = [LandmarkerOutput(points=points, presence=torch.ones(1), heatmaps=m) for m in (maps, maps.mT)]
    right, wrong = (landmark_loss(output, points, torch.ones(1))["heatmaps"] for output in found)
    assert right < wrong - 1


def test_detector_loss_is_least_at_the_truth():
    boxes = torch.zeros(1, 8, 3)
    boxes[0, 0] = torch.tensor([20.0, 12.0, 16.0])
    offsets = torch.zeros(1, 2, 8, 8)
    offsets[0, :, 3, 5] = torch.tensor([20 / 4 - 5.5, 12 / 4 - 3.5])
    scores = torch.full((1, 1, 8, 8), -6.0)
    scores[0, 0, 3, 5] = 6.0
    sizes = torch.full((1, 1, 8, 8), float(np.log(4)))
    right = detector_loss(DetectorOutput(scores=scores, offsets=offsets, sizes=sizes), boxes, 4)
    assert all(value < 0.1 for value in right.values()), right
    moved = DetectorOutput(scores=scores.roll(3, -1), offsets=offsets + 0.5, sizes=sizes + 1)
    wrong = detector_loss(moved, boxes, 4)
    assert all(wrong[name] > right[name] + 0.3 for name in right)


def test_scene_labels_are_cached(scenes, tmp_path, astronaut):
    class Blind:
        def detect(self, frames):
            raise AssertionError("labels should come from the cache")

    again = load_scenes([str(tmp_path / "photos")], Blind(), tmp_path / "labels")
    assert len(again) == 2 and np.array_equal(again[0].boxes, scenes[0].boxes)
    assert again[0].decode().shape == (512, 512, 3)


@pytest.mark.slow
def test_a_tiny_run_learns_and_resumes(packs, scenes, tmp_path):
    settings = {
        "output_dir": str(tmp_path / "run"), "train_data": [str(packs)], "scenes": [], "model": TINY, "batch_size": 8,
        "scene_batch_size": 2, "learning_rate": 3e-3, "warmup_steps": 2, "ema_decay": 0.5, "num_workers": 0,
    }  # fmt: skip
    LandmarkerTrainer(LandmarkerArguments(**settings, max_steps=60, time_limit=0.0), scenes).train()
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-1"]
    trainer = LandmarkerTrainer(LandmarkerArguments(**settings, max_steps=60), scenes)
    crops = [trainer.data["crops"][0][number] for number in range(16)]
    batch = {name: torch.stack([crop[name] for crop in crops]) for name in crops[0]}

    def loss(model):
        with torch.no_grad():
            return landmark_loss(model.eval()(batch["pixel_values"]), batch["points"], batch["presence"])["points"]

    before = loss(AdaATLandmarker(trainer.config))
    assert trainer.train() == 60
    assert loss(AdaATLandmarker.from_pretrained(tmp_path / "run" / "landmarker")) < 0.7 * before


class OneBody:
    """A teacher that sees the drawn person, without its left foot."""

    def __init__(self, points):
        self.points = points.astype(np.float32)

    def detect(self, frames):
        visibility = np.ones(18, np.float32)
        visibility[13] = 0
        return [[BodyKeypoints(self.points, "body18", visibility)] for _ in frames]


@pytest.fixture
def body_scenes(tmp_path, standing_pose):
    folder = tmp_path / "persons"
    folder.mkdir()
    points = standing_pose * [90, 130] + [40, 15]
    for number in range(3):
        colours = np.random.default_rng(number).integers(0, 255, (6, 3))
        name = "kept" if number else "held_out__0"
        PIL.Image.fromarray(draw_person(points, 160, 170, colours)).save(folder / f"{name}{number}.png")
    return load_body_scenes([str(folder)], OneBody(points), tmp_path / "labels", ["held_out__"])


def test_body_scenes_leave_out_what_they_must(body_scenes):
    assert len(body_scenes) == 2
    assert body_scenes[0].bodies.shape == (1, 18, 3) and body_scenes[0].bodies[0, 13, 2] == 0
    low, high = body_scenes[0].boxes[0, :2], body_scenes[0].boxes[0, 2:]
    assert (low > [60, 25]).all() and (high < [110, 135]).all(), "the box of the points that are seen"


def test_body_crops_show_the_body(body_scenes):
    crops = BodyCropDataset(body_scenes, 64, 1.4, seed=2)
    items = [crops[number] for number in range(60)]
    shown = [item for item in items if item["presence"] > 0.5]
    assert 0 < len(items) - len(shown) < 20
    assert torch.stack([item["visibility"] for item in shown]).mean() > 0.75
    hidden = torch.stack([item["visibility"] for item in shown])[:, [10, 13]]
    assert (hidden.amin(1) == 0).all(), "the foot that the teacher did not see, on its side or mirrored"
    again = BodyCropDataset(body_scenes, 64, 1.4, seed=2)[7]
    assert all(torch.equal(items[7][name], again[name]) for name in again)


def test_missing_points_do_not_count_but_their_absence_does():
    points = torch.rand(2, 18, 2) * 2 - 1
    wrong = points.clone()
    wrong[:, 4] += 1
    seen = torch.ones(2, 18)
    seen[:, 4] = 0
    maps, logits = torch.zeros(2, 18, 8, 8), torch.where(seen > 0, 9.0, -9.0)
    found = LandmarkerOutput(points=wrong, presence=torch.full((2,), 9.0), heatmaps=maps, visibility=logits)
    losses = landmark_loss(found, points, torch.ones(2), seen)
    assert losses["points"] == 0 and losses["visibility"] < 1e-3 and "openings" not in losses
    all_seen = landmark_loss(found, points, torch.ones(2), torch.ones(2, 18))
    assert all_seen["points"] > 0.01 and all_seen["visibility"] > 0.3


@pytest.mark.slow
def test_a_tiny_body_landmarker_learns(body_scenes, tmp_path):
    settings = {
        "output_dir": str(tmp_path / "run"), "scenes": [], "batch_size": 8, "scene_batch_size": 2, "learning_rate": 3e-3,
        "model": {**TINY, "layout": "body18", "num_keypoints": 18, "visibility": True, "crop_margin": 1.4},
        "warmup_steps": 2, "ema_decay": 0.5, "num_workers": 0,
    }  # fmt: skip
    trainer = LandmarkerTrainer(LandmarkerArguments(**settings, max_steps=60), body_scenes)
    crops = [trainer.data["crops"][0][number] for number in range(16)]
    batch = {name: torch.stack([crop[name] for crop in crops]) for name in crops[0]}

    def loss(model):
        with torch.no_grad():
            found = model.eval()(batch["pixel_values"])
        return landmark_loss(found, batch["points"], batch["presence"], batch["visibility"])["points"]

    before = loss(AdaATLandmarker(trainer.config))
    trainer.train()
    model = AdaATLandmarker.from_pretrained(tmp_path / "run" / "landmarker")
    assert loss(model) < 0.7 * before
    assert isinstance(TorchBodyDetector(model).detect(np.zeros((1, 50, 60, 3), np.uint8)), list)


@pytest.mark.slow
def test_parts_are_learned_alone(body_scenes, tmp_path):
    """With batch sizes of 0, the networks that find bodies and key points stay as they are."""
    pictures = [scene.decode().astype(int) for scene in body_scenes]
    bodies = [(np.abs(picture - picture[0, 0]).max(-1) > 40).astype(np.uint8) for picture in pictures]
    labelled = [replace(scene, parts=(encode_parts(body),)) for scene, body in zip(body_scenes, bodies, strict=True)]
    torch.manual_seed(0)
    model = {
        **TINY,
        "layout": "body18",
        "num_keypoints": 18,
        "parts": True,
        "parts_channels": [8, 12],
        "crop_margin": 1.4,
    }
    before = AdaATLandmarker(AdaATLandmarkerConfig(**model))
    before.save_pretrained(tmp_path / "before")
    settings = {
        "output_dir": str(tmp_path / "run"), "scenes": [], "batch_size": 0, "scene_batch_size": 0, "parts_batch_size": 8,
        "learning_rate": 1e-2, "model": model, "init_from": str(tmp_path / "before"), "warmup_steps": 2, "ema_decay": 0.5,
        "num_workers": 0, "max_steps": 60,
    }  # fmt: skip
    trainer = LandmarkerTrainer(LandmarkerArguments(**settings), labelled)
    items = [trainer.data["parts"][0][number] for number in range(16)]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    assert trainer.train() == 60
    after = AdaATLandmarker.from_pretrained(tmp_path / "run" / "landmarker")

    def loss(model):
        with torch.no_grad():
            found = model.eval().tell_parts(batch["pixel_values"], batch["points"], batch["visibility"])
        return parts_loss(found, batch["parts"])

    assert loss(after) < 0.6 * loss(before)
    assert all(
        torch.equal(after.state_dict()[name], value)
        for name, value in before.state_dict().items()
        if not name.startswith("parts.")
    )
    with pytest.raises(ValueError, match=r"parts_batch_size is 8, but model\.parts is not true"):
        LandmarkerTrainer(LandmarkerArguments(**{**settings, "model": {**model, "parts": False}}), labelled)


def test_bodies_are_shown_before_other_walls(body_scenes):
    scene, random = body_scenes[0], np.random.default_rng(0)
    shown = [scene.varied(random) for _ in range(20)]
    original = scene.decode().astype(int)
    changed = [np.abs(picture - original) for picture in shown if (picture != original).any()]
    assert 2 <= len(changed) <= 14, "about a third"
    x, y = scene.bodies[0, [2, 5, 8, 11], :2].mean(0).astype(int)
    assert max(change[y - 3 : y + 3, x - 3 : x + 3].max() for change in changed) <= 2, "the trunk stays"
    assert np.mean([change[:10, :10].mean() for change in changed]) > 20, "the corner is painted over"


def test_close_ups_cut_bodies_off(body_scenes):
    large = np.repeat(np.repeat(body_scenes[0].decode(), 4, 0), 4, 1)
    bodies = body_scenes[0].bodies * np.float32([4, 4, 1])
    scene, random = replace(body_scenes[0], picture=encode_jpeg(large), bodies=bodies), np.random.default_rng(0)
    original, close = scene.decode().astype(int), 0
    for _ in range(40):
        picture, shown = scene.shown(random)
        body, before = shown[0], scene.bodies[0]
        if picture.shape == original.shape:
            assert np.array_equal(body, before)
            continue
        close += 1
        seen = body[:, 2] > 0
        assert 5 <= seen.sum() < 17 and (body[seen, :2] >= 0).all()
        assert (body[seen, :2] <= np.array(picture.shape[1::-1]) - 1).all()
        here, there = body[seen, :2].round().astype(int), before[seen, :2].round().astype(int)
        differences = picture[here[:, 1], here[:, 0]].astype(int) - original[there[:, 1], there[:, 0]]
        assert np.median(np.abs(differences)) <= 4, "points stay on the same places of the body"
    assert 5 <= close <= 25


def test_the_detector_shall_find_what_a_square_shows_of_a_body(body_scenes):
    scene = body_scenes[0]
    seen = scene.bodies[0, scene.bodies[0, :, 2] > 0, :2]
    whole = scene.squares(scene.bodies, np.eye(2), np.zeros(2), 200)
    np.testing.assert_allclose(whole, [[*(seen.min(0) + seen.max(0)) / 2, np.ptp(seen, axis=0).max()]], atol=1e-3)
    hips = scene.bodies[0, [8, 11], 1].mean()
    ((_, y, side),) = scene.squares(scene.bodies, 2 * np.eye(2), np.array([0.0, 200 - 2 * hips]), 200)
    upper = seen[seen[:, 1] < hips]
    assert y == pytest.approx(200 - 2 * hips + upper[:, 1].min() + upper[:, 1].max(), abs=3)
    assert side == pytest.approx(2 * np.ptp(upper, axis=0).max(), abs=3)
    assert scene.squares(scene.bodies, np.eye(2), np.array([0.0, -seen[:, 1].max() + 4]), 200) == [], (
        "feet alone are nobody"
    )


def test_a_landmarker_can_go_on_from_another(body_scenes, tmp_path):
    settings = {
        "output_dir": str(tmp_path / "run"), "scenes": [], "batch_size": 2, "scene_batch_size": 2, "num_workers": 0,
        "model": {**TINY, "layout": "body18", "num_keypoints": 18, "visibility": True, "crop_margin": 1.4},
    }  # fmt: skip
    first = LandmarkerTrainer(LandmarkerArguments(**settings), body_scenes)
    first.accelerator.unwrap_model(first.model).save_pretrained(tmp_path / "first")
    again = LandmarkerTrainer(LandmarkerArguments(**settings, init_from=str(tmp_path / "first")), body_scenes)
    for here, there in zip(first.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(here, there)


def test_without_whole_pictures_the_detector_stays_as_it_is(body_scenes, tmp_path):
    settings = {
        "output_dir": str(tmp_path / "run"), "scenes": [], "batch_size": 2, "scene_batch_size": 0, "num_workers": 0,
        "max_steps": 2, "ema_decay": 0.5,
        "model": {**TINY, "layout": "body18", "num_keypoints": 18, "visibility": True, "crop_margin": 1.4},
    }  # fmt: skip
    trainer = LandmarkerTrainer(LandmarkerArguments(**settings), body_scenes)
    before = {
        name: value.clone() for name, value in trainer.accelerator.unwrap_model(trainer.model).state_dict().items()
    }
    trainer.train()
    after = AdaATLandmarker.from_pretrained(tmp_path / "run" / "landmarker").state_dict()
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"landmarks"}
