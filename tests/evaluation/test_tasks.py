"""Tasks whose clips are painted before they are scored: what is painted from what, and what is left out."""

import csv
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import MODERN, PERSON, draw_person, tiny_config
from red_bodies import told_silhouettes
from torch import nn

from adaat_hf import AdaATGenerator, AdaATLandmarker, AdaATLandmarkerConfig, BodyKeypoints, FaceLandmarks, VideoWriter
from adaat_hf.cli import main
from adaat_hf.evaluation import heldout
from adaat_hf.evaluation.contact_sheet import contact_sheet
from adaat_hf.evaluation.footage import EvaluationError
from adaat_hf.evaluation.results import read_results
from adaat_hf.evaluation.scoring import Tools
from adaat_hf.evaluation.tasks import CrossIdentity, PaintSettings, PersonPairs, Reconstruction, Talking, evaluate_task
from adaat_hf.evaluation.tasks.base import middle
from adaat_hf.evaluation.tasks.reconstruction import reduced
from adaat_hf.preparation.shards import file_hash
from adaat_hf.training.image_pairs import ImagePair, PosedImage, write_pairs


CPU = torch.device("cpu")
SIZE = 64


class Brightest:
    """A detector of faces of 28 px around the brightest pixel, of a shape of its own."""

    def __init__(self, face_model):
        self.shape = face_model.mean[:, :2].numpy() * 14

    def detect(self, frames):
        found = []
        for frame in frames:
            bright = frame.sum(-1).astype(float)
            y, x = np.argwhere(bright >= bright.max() - 6).mean(0)
            points = (self.shape + [x, y]).astype(np.float32)
            shown = bright.max() > 600
            found.append([FaceLandmarks(points, "face96", np.ones(96, np.float32))] if shown else [])
        return found


class Distance(nn.Module):
    """Stands in for LPIPS."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, first, second):
        return self.scale * (first - second).abs().mean().reshape(1, 1, 1, 1)


@pytest.fixture
def tools(face_model, fitter):
    return Tools(Distance(), Brightest(face_model), fitter)


def write_clip(path, frames=14, start=12, dark=()):
    """A bright square that moves to the right; in some frames it is not there."""
    with VideoWriter(path, 25, SIZE, SIZE) as writer:
        for number in range(frames):
            frame = np.full((SIZE, SIZE, 3), 60, np.uint8)
            if number not in dark:
                frame[26:38, start + 2 * number : start + 2 * number + 12] = 255
            writer.write(frame)
    return path


@pytest.fixture
def clips(tmp_path):
    return [write_clip(tmp_path / "one.mp4"), write_clip(tmp_path / "two.mp4", 12, 6)]


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    AdaATGenerator(tiny_config(**MODERN)).save_pretrained(tmp_path / "network")
    return str(tmp_path / "network")


def test_the_film_scores_best_and_a_copy_does_not_move(clips, tools, network):
    task = Reconstruction(clips, tools, PaintSettings(CPU))
    methods = {"film": "film", "copy": "copy-source", "warp": "warp-source", "mine": network}
    evaluation = evaluate_task(task, methods, "squares")
    means = {
        name: {key: mean.value for key, mean in row.items()} for name, row in evaluation.results().methods.items()
    }
    film, copy, warp = means["film"], means["copy"], means["warp"]
    assert film["ssim"] == pytest.approx(1) and film["lpips"] == film["l1"] == film["keypoint_distance"] == 0
    assert film["psnr"] == 100 and film["mouth_distance"] == 0 and film["lost"] == 0
    assert copy["jitter"] == 0 and copy["flicker"] == 0 and copy["keypoint_distance"] > 8
    assert warp["keypoint_distance"] < 1 < copy["keypoint_distance"], "the key points say where the square is"
    assert copy["lpips"] > warp["lpips"] > 0 and "shape_error" not in copy
    assert [clip.frames for clip in evaluation.clips["mine"]] == [13, 11], "the first frame is the source"
    assert "left out" in evaluation.results().describe()
    speed = evaluation.speed()
    assert set(speed) == set(methods) and min(speed.values()) > 0
    assert "speed" not in evaluation.results().to_dict(), "what differs from run to run is no result"


def test_frames_are_those_around_the_middle():
    assert [list(range(20))[middle(20, most)] for most in (None, 4, 40)] == [
        list(range(20)),
        [8, 9, 10, 11],
        list(range(20)),
    ]


def test_frames_keep_their_shape_when_they_are_reduced():
    assert reduced(np.zeros((90, 120, 3), np.uint8), 30).shape == (30, 40, 3)
    assert reduced(np.zeros((90, 120, 3), np.uint8), None).shape == (90, 120, 3)


def test_frames_and_clips_without_a_face_are_left_out(tmp_path, tools):
    found = write_clip(tmp_path / "a.mp4", dark=(5, 6))
    lost = write_clip(tmp_path / "b.mp4", dark=range(14))
    evaluation = evaluate_task(Reconstruction([found, lost], tools, PaintSettings(CPU)), {"film": "film"}, "squares")
    assert [(clip.name, clip.frames) for clip in evaluation.clips["film"]] == [("a", 11)]
    assert "1 of 2 clips" in evaluation.settings["left out"]
    with pytest.raises(EvaluationError, match="Of 1 clips none can be painted"):
        evaluate_task(Reconstruction([lost], tools, PaintSettings(CPU)), {"film": "film"}, "squares")


def test_a_clip_of_one_frame_is_named(tmp_path, tools):
    short = write_clip(tmp_path / "short.mp4", 1)
    with pytest.raises(EvaluationError, match=r"short\.mp4' has a single frame"):
        evaluate_task(Reconstruction([short], tools, PaintSettings(CPU)), {"film": "film"}, "squares")


def test_networks_that_paint_nan_are_named(clips, tools, tmp_path):
    model = AdaATGenerator(tiny_config(**MODERN))
    with torch.no_grad():
        next(model.decoder.parameters()).fill_(float("nan"))
    model.save_pretrained(tmp_path / "broken")
    task = Reconstruction(clips[:1], tools, PaintSettings(CPU))
    with pytest.raises(EvaluationError, match="painted picture of 'one' has values that are not finite"):
        evaluate_task(task, {"broken": str(tmp_path / "broken")}, "squares")


def test_methods_of_other_tasks_are_refused_before_anything_is_painted(clips, tools):
    task = Reconstruction(clips, tools, PaintSettings(CPU))
    with pytest.raises(
        EvaluationError, match="'move-limbs' is no folder; without a network this task has copy-source"
    ):
        evaluate_task(task, {"limbs": "move-limbs"}, "squares")


def test_painted_pictures_can_be_kept(clips, tools, tmp_path):
    task = Reconstruction(clips[:1], tools, PaintSettings(CPU, frames=3))
    evaluate_task(task, {"my method": "copy-source"}, "squares", tmp_path / "kept")
    kept = sorted((tmp_path / "kept" / "my_method" / "one").iterdir())
    assert [path.name for path in kept] == ["00000.png", "00001.png", "00002.png"]
    assert PIL.Image.open(kept[0]).size == (SIZE, SIZE)


def test_silent_clips_are_left_out_for_all_methods(files, fitter, tmp_path, monkeypatch):
    from adaat_hf.processing.sound import SoundError

    def refuse(self, folder):
        def paint(case):
            if case.file.stem == "silent":
                raise SoundError("'silent.mp4' is silent: there is nothing to speak.")
            return case.film

        return paint

    monkeypatch.setattr(Talking, "network", refuse)
    silent = shutil.copy(files["driver"], tmp_path / "silent.mp4")

    class Middle:
        def detect(self, frames):
            points = (fitter.model.mean[:, :2].numpy() * 60 + 160).astype(np.float32)
            return [[FaceLandmarks(points, "face96", np.ones(96, np.float32))] for _ in frames]

    task = Talking(
        [Path(files["driver"]), Path(silent)], Tools(Distance(), Middle(), fitter), PaintSettings(CPU, frames=4)
    )
    with pytest.warns(UserWarning, match="silent.mp4 is left out: .* there is nothing to speak"):
        evaluation = evaluate_task(task, {"copy": "copy-source", "mine": str(tmp_path)}, "films")
    assert [len(clips) for clips in evaluation.clips.values()] == [1, 1]
    assert evaluation.settings["left out"].startswith("1 of 2 clips")


def test_across_identities_copies_show_both_ends(clips, tools, tmp_path):
    photo = np.full((SIZE + 16, SIZE, 3), 90, np.uint8)
    photo[30:42, 20:32] = 255
    PIL.Image.fromarray(photo).save(tmp_path / "photo.png")
    items = [(tmp_path / "photo.png", clips[0]), (clips[1], clips[0])]
    evaluation = evaluate_task(
        CrossIdentity(items, tools, PaintSettings(CPU, frames=8)),
        {"copy-source": "copy-source", "copy-driver": "copy-driver"},
        "squares",
    )
    still, driver = ({name: mean.value for name, mean in row.items()} for row in evaluation.results().methods.values())
    assert driver["expression_error"] == 0 and driver["pose_error"] == pytest.approx(0, abs=0.01)
    assert still["jitter"] == 0 and "ssim" not in still, "there is no true picture, and sizes differ"
    assert [clip.name for clip in evaluation.clips["copy-driver"]] == ["photo+one", "two+one"]


@pytest.mark.slow
def test_pipelines_and_runs_move_photographs_and_let_them_talk(files, fitter, network, tmp_path):
    from adaat_hf.processing.backends import open_landmarker

    tools = Tools(Distance(), open_landmarker("bundled/face"), fitter)
    settings = PaintSettings(CPU, frames=6, size=256)
    # As training leaves it: a generator in a folder of a run, without the other parts of a pipeline.
    shutil.copytree(network, tmp_path / "run" / "generator")
    methods = {"copy": "copy-source", "mine": "bundled/face", "untrained": str(tmp_path / "run")}
    for task in (
        CrossIdentity([(Path(files["photo"]), Path(files["driver"]))], tools, settings),
        Talking([Path(files["driver"])], tools, settings),
    ):
        evaluation = evaluate_task(task, methods, "one", tmp_path / "kept")
        (mine,), (untrained,) = evaluation.clips["mine"], evaluation.clips["untrained"]
        assert mine.frames == untrained.frames == 6 and mine.values["lost"] == 0
        assert mine.values["mouth_distance" if isinstance(task, Talking) else "mouth_shape_distance"] < 15
        assert "shorter side reduced to 256" in evaluation.settings["frames"]
        first, second = (
            np.asarray(PIL.Image.open(sorted((tmp_path / "kept" / name).rglob("*.png"))[0]))
            for name in ("mine", "untrained")
        )
        assert first.shape == second.shape and np.abs(first.astype(float) - second).max() > 50


@pytest.fixture
def pairs(tmp_path, standing_pose):
    """A split of two pairs of drawn persons, each in both directions."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    colours = np.random.default_rng(0).integers(0, 255, (6, 3))
    rows = []
    for subject in range(2):
        images = []
        for pose in range(2):
            points = (standing_pose + [0.12 * pose - 0.05, 0]) * [64, 96]
            name = f"{subject}_{pose}.png"
            PIL.Image.fromarray(draw_person(points, 96, 64, colours + subject)).save(folder / name)
            images.append(PosedImage(name, points.tolist(), [1.0] * 18))
        rows += [ImagePair(images[0], images[1], str(subject)), ImagePair(images[1], images[0], str(subject))]
    write_pairs(folder, rows)
    return folder


def test_persons_are_painted_by_networks_and_without(pairs, tmp_path):
    torch.manual_seed(0)
    AdaATGenerator(tiny_config(**PERSON)).save_pretrained(tmp_path / "network")
    task = PersonPairs([pairs], Tools(Distance()), PaintSettings(CPU), 96, 64)
    methods = {"copy": "copy-source", "limbs": "move-limbs", "mine": str(tmp_path / "network")}
    evaluation = evaluate_task(task, methods, "drawn persons")
    means = evaluation.results().methods
    assert len(evaluation.clips["copy"]) == 4 and set(means["copy"]) == {"ssim", "lpips", "psnr", "l1"}
    assert means["limbs"]["ssim"].value > means["copy"]["ssim"].value
    # Drawn on one gradient, both directions of a copy differ by the same.
    assert evaluation.clips["copy"][0].values["l1"] == pytest.approx(evaluation.clips["copy"][1].values["l1"])


def test_a_pipeline_with_a_landmarker_is_told_parts_as_when_it_paints(pairs, tmp_path, monkeypatch):
    AdaATGenerator(tiny_config(**PERSON)).save_pretrained(tmp_path / "pipe" / "generator")
    size = {"layout": "body18", "num_keypoints": 18, "crop_size": 32, "channels": (8, 8), "parts_channels": (8, 8)}
    AdaATLandmarker(AdaATLandmarkerConfig(**size, parts=True)).save_pretrained(tmp_path / "pipe" / "body_landmarker")
    calls = told_silhouettes(monkeypatch)
    task = PersonPairs([pairs], Tools(Distance()), PaintSettings(CPU), 96, 64)
    evaluate_task(task, {"limbs": "move-limbs", "pipe": str(tmp_path / "pipe")}, "drawn persons")
    told = [likely for _, likely in calls if likely is not None]
    assert len(calls) == 8 and len(told) == 4, "limbs without a network are found by colours"
    assert all(likely.shape == (1, 1, 96, 64) and 0.1 < likely.mean() < 0.9 for likely in told)


def test_the_published_list_holds_what_it_says():
    cases, hashes = heldout.read_list()
    tasks = {
        task: [case for case in cases if case.task == task]
        for task in ("reconstruction", "cross-identity", "talking", "persons")
    }
    assert {task: len(found) for task, found in tasks.items()} == {
        "reconstruction": 59,
        "cross-identity": 36,
        "talking": 33,
        "persons": 90,
    }
    assert all(len(digest) == 64 for digest in hashes.values()) and len(heldout.list_hash()) == 12
    assert all(set(case.files) == {"photo", "clip"} for case in tasks["cross-identity"])
    assert not any(file.startswith("/") for file in hashes)


def test_the_published_files_are_the_shared_ones(shared):
    cases = heldout.heldout_cases(shared / "data", ["reconstruction", "cross-identity"])
    assert len(cases) == 95


@pytest.fixture
def small_list(tmp_path, clips, monkeypatch):
    """A list of one clip, in place of the published one."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(clips[0], data / "clip.mp4")
    path = tmp_path / "list.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [heldout.COLUMNS, ["reconstruction", "clip", "clip", "clip.mp4", file_hash(data / "clip.mp4")]]
        )
    monkeypatch.setattr(heldout.heldout_cases, "__defaults__", (path,))
    return data


def test_files_that_are_missing_or_changed_are_named(small_list):
    assert [case.name for case in heldout.heldout_cases(small_list, ["reconstruction"])] == ["clip"]
    with pytest.raises(EvaluationError, match="no task 'dancing', expected some of reconstruction"):
        heldout.heldout_cases(small_list, ["dancing"])
    with (small_list / "clip.mp4").open("ab") as file:
        file.write(b"more")
    with pytest.raises(EvaluationError, match=r"1 of 1 held-out files differ from the published ones: clip\.mp4"):
        heldout.heldout_cases(small_list, ["reconstruction"])
    (small_list / "clip.mp4").unlink()
    with pytest.raises(EvaluationError, match=r"1 of 1 held-out files are not in '.*data': clip\.mp4"):
        heldout.heldout_cases(small_list, ["reconstruction"])


@pytest.mark.parametrize("size", [heldout.PERSON_SIZE, (96, 64)])
def test_held_out_persons_are_cut_out_and_reduced(size, tmp_path, standing_pose, monkeypatch):
    points = (standing_pose * [138, 200] + [80, 20]).astype(np.float32)

    class Standing:
        def detect(self, frames):
            return [[BodyKeypoints(points, "body18", np.ones(18, np.float32))] for _ in frames]

    monkeypatch.setattr(heldout, "open_body_detector", lambda name: Standing())
    files = {role: f"people/walk__{number}.png" for number, role in enumerate(("first", "second"))}
    (tmp_path / "people").mkdir()
    for number, file in enumerate(files.values()):
        picture = draw_person(points, 240, 300, np.full((6, 3), 90 + 60 * number))
        PIL.Image.fromarray(picture).save(tmp_path / file)
    case = heldout.HeldOutCase("persons", "walk", files)
    task = heldout.open_task(
        "persons", [case], tmp_path, Tools(Distance()), PaintSettings(CPU), tmp_path / "cut", "standing", size
    )
    evaluation = evaluate_task(task, {"copy": "copy-source", "limbs": "move-limbs"}, "persons", tmp_path / "kept")
    assert len(evaluation.clips["limbs"]) == 2 and "0 pairs without" in evaluation.settings["photographs"]
    assert {PIL.Image.open(file).size[::-1] for file in (tmp_path / "kept").rglob("*.png")} == {size}


@pytest.mark.slow
def test_the_command_measures_the_held_out_list(small_list, backbone, tmp_path, monkeypatch, face_model, capsys):
    monkeypatch.setattr("adaat_hf.processing.backends.open_landmarker", lambda name: Brightest(face_model))
    words = [
        "--task",
        "reconstruction",
        "--method",
        "film",
        "--method",
        "copy-source",
        "--size",
        "48",
        "--device",
        "cpu",
        "-o",
        str(tmp_path / "out"),
    ]
    backbone_words = ["--lpips-backbone", str(backbone / "alexnet.safetensors")]
    assert main(["evaluate", "--heldout", str(small_list), *words, *backbone_words]) == 0
    results = read_results(tmp_path / "out" / "reconstruction" / "results.json")
    assert results.dataset == f"held-out list {heldout.list_hash()}, reconstruction at 48 px"
    assert list(results.methods) == ["film", "copy-source"]
    assert results.table() in capsys.readouterr().out


def test_contact_sheets_hold_frames_from_first_to_last():
    frames = [np.full((20, 40, 3), number, np.uint8) for number in range(100)]
    sheet = contact_sheet(frames, 100, columns=3, rows=2, width=40)
    assert sheet.shape == (40, 120, 3) and sheet[0, 0, 0] == 0 and sheet[-1, -1, 0] == 99
    assert contact_sheet(frames[:2], 2, columns=3, rows=2, width=40).shape == (20, 120, 3)
