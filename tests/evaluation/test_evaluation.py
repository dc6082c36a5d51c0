"""From scores of clips to means, intervals, tables and files; the same numbers again, alone or with two processes."""

import csv
import json
import math
import os

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT
from fresh_process import run_fresh, run_two_fresh

from adaat_hf.cli import main
from adaat_hf.evaluation.evaluation import Evaluation, mean_of
from adaat_hf.evaluation.footage import EvaluationError
from adaat_hf.evaluation.protocols import PROTOCOLS, find_protocol
from adaat_hf.evaluation.results import Mean, read_results
from adaat_hf.evaluation.scoring import ClipScore


def score(name, frames, **values):
    return ClipScore(name, frames, values)


def test_means_are_over_frames_and_leave_out_what_was_not_measured():
    clips = [score("a", 1, lpips=0.1), score("b", 3, lpips=0.5), score("c", 9, lpips=math.nan)]
    mean = mean_of(clips, "lpips")
    assert mean.value == pytest.approx((0.1 + 3 * 0.5) / 4)
    assert mean.low == pytest.approx(0.1) and mean.high == pytest.approx(0.5)
    assert mean_of(clips[:1], "lpips") == Mean(0.1) and math.isnan(mean_of(clips[2:], "lpips").value)


def test_intervals_shrink_with_the_number_of_clips():
    rng = np.random.default_rng(3)
    values = rng.normal(0.5, 0.1, 400)
    few, many = (
        mean_of([score(str(n), 10, ssim=v) for n, v in enumerate(values[:count])], "ssim") for count in (25, 400)
    )
    # 95% of means of n draws lie within 1.96 deviations / sqrt(n).
    assert many.high - many.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)
    assert few.high - few.low > 3 * (many.high - many.low)
    assert many.low < values.mean() < many.high


def test_reports_hold_every_setting_every_clip_and_the_worst(tmp_path):
    gray = [np.full((20, 20, 3), value, np.uint8) for value in range(9)]
    clips = [ClipScore(f"clip{n}", 2, {"ssim": 0.9 - n / 10, "lpips": n / 10}, [gray[n]] * 2) for n in range(9)]
    evaluation = Evaluation(PROTOCOLS["adaat-paper"], "toys", {"frames": "all"}, {"mine": clips})
    written = {path.name: path for path in evaluation.save(tmp_path / "out")}
    assert set(written) == {"results.json", "clips.csv", "worst_mine.png"}
    rows = list(csv.DictReader(written["clips.csv"].open()))
    assert len(rows) == 9 and rows[3] == {
        "method": "mine",
        "clip": "clip3",
        "frames": "2",
        "ssim": "0.600000",
        "lpips": "0.300000",
    }
    sheet = np.asarray(PIL.Image.open(written["worst_mine.png"]))
    assert sheet.shape == (6 * 20, 2 * 20, 3) and [int(sheet[20 * n, 0, 0]) for n in range(6)] == [8, 7, 6, 5, 4, 3]
    results = read_results(written["results.json"])
    assert results.table() == evaluation.results().table() and "| mine   | 0.5000 [" in results.table()
    text = results.describe()
    for setting in (
        "sigma 1.5",
        "zeros around the picture",
        "white columns",
        "AlexNet",
        "version 0.1",
        "1000 bootstrap",
        "toys: 9 cases, 18 frames",
    ):
        assert setting in text, setting


def test_every_protocol_describes_all_its_measures():
    for protocol in PROTOCOLS.values():
        lines = protocol.describe()
        assert len(lines) == len(protocol.measures) + 3, protocol.name
    with pytest.raises(ValueError, match="no protocol 'mine', expected one of adaat-paper, patn"):
        find_protocol("mine")


def test_other_files_are_no_results(tmp_path):
    path = tmp_path / "results.json"
    for content in ("[]", "{}", '{"protocol": "mine", "methods": {}, "dataset": "", "settings": {}}', "no json"):
        path.write_text(content)
        with pytest.raises(EvaluationError, match=r"results\.json' holds no results"):
            read_results(path)


@pytest.fixture
def folders(tmp_path, astronaut):
    """Five painted pictures: a noisy half of a portrait each."""
    rng = np.random.default_rng(1)
    for number in range(5):
        true = astronaut[:128, 20 * number : 20 * number + 88]
        painted = np.clip(true + rng.normal(0, 4 + 6 * number, true.shape), 0, 255).astype(np.uint8)
        for folder, picture in (("painted", painted), ("true", true)):
            (tmp_path / folder).mkdir(exist_ok=True)
            PIL.Image.fromarray(picture).save(tmp_path / folder / f"{number}.png")
    return tmp_path


def options(folders, backbone, output):
    return [
        "--protocol", "adaat-paper", "--predictions", str(folders / "painted"), "--targets", str(folders / "true"),
        "--lpips-backbone", str(backbone / "alexnet.safetensors"), "--fid-features", f"vgg16:{backbone / 'vgg16.safetensors'}",
        "--device", "cpu", "-o", str(output),
    ]  # fmt: skip


def test_the_command_measures_folders_and_says_how(folders, backbone, tmp_path, capsys):
    assert main(["evaluate", *options(folders, backbone, tmp_path / "one")]) == 0
    shown = capsys.readouterr().out
    results = read_results(tmp_path / "one" / "results.json")
    assert results.table() in shown and results.describe() in shown
    row = results.methods["painted"]
    assert set(row) == {"ssim", "lpips", "psnr", "l1", "fid"} and 0.5 < row["ssim"].value < 1
    assert str(folders) not in json.dumps(results.to_dict()), "no path of this machine"
    clips = list(csv.DictReader((tmp_path / "one" / "clips.csv").open()))
    ssims = [float(clip["ssim"]) for clip in clips]
    assert ssims == sorted(ssims, reverse=True), "more noise, less similar"
    assert main(["evaluate", *options(folders, backbone, tmp_path / "two")]) == 0
    for name in ("results.json", "clips.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.slow
def test_two_processes_find_the_same(folders, backbone, tmp_path):
    surroundings = {
        **os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    script = ROOT / "scripts" / "evaluate.py"
    alone = [run_fresh([script, *options(folders, backbone, tmp_path / "alone")], surroundings)]
    together = run_two_fresh([script, *options(folders, backbone, tmp_path / "together")], surroundings)
    for processes in (alone, together):
        assert [done.returncode for done in processes] == [0] * len(processes), processes[-1].stderr[-3000:]
        assert sum(done.stdout.count("| painted |") for done in processes) == 1, "one process reports"
    for name in ("results.json", "clips.csv"):
        assert (tmp_path / "alone" / name).read_text() == (tmp_path / "together" / name).read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--protocol adaat-paper", "Expected one of --predictions, --clips, --pairs and --heldout, but got none"),
        ("--predictions a --targets b", "Expected --protocol"),
        ("--protocol adaat-paper --predictions a", "--predictions and --targets together"),
        ("--protocol mine --predictions a --targets b", "no protocol 'mine'"),
        ("--protocol adaat-paper --predictions a --targets b --clips c", "got --predictions and --clips"),
        ("--protocol voxceleb-reconstruction --clips c", "at least one --method"),
        ("--protocol adaat-paper --predictions nowhere --targets nowhere", "'nowhere' does not exist"),
        ("--protocol talking --clips nowhere --method film", "The folder 'nowhere' does not exist"),
        ("--heldout c --frames 4", "--heldout has its own numbers of frames"),
        ("--heldout c --dataset mine", "--heldout has a name of its own"),
        ("--heldout c --protocol patn", "--heldout has its own protocols"),
        ("--protocol talking --clips c --method a= ", "The method is 'a=', expected NAME=FOLDER"),
        ("--protocol talking --clips c --method film --keep", "--keep needs --output"),
        ("--protocol talking --clips c --method film --frames 1", "--frames is 1, expected at least 2"),
        (
            "--protocol talking --clips c --method film --size 64 44",
            "--size is 64 44, expected the shorter side of faces",
        ),
        (
            "--protocol adaat-paper --pairs c --method copy-source --size 64",
            "--size is 64, expected the height and width",
        ),
        ("--protocol adaat-paper --predictions a --targets b --size 64", "painted already is compared as it is"),
        ("--heldout c --size 64 44", "--size 64 44 cannot suit faces and persons at once"),
        ("--heldout c --task talking --size 8", "--size is 8, expected the shorter side of faces, each at least 16"),
    ],
)
def test_options_that_do_not_go_together(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c").mkdir()
    assert main(["evaluate", *words.split(), "--device", "cpu"]) == 1
    assert message in capsys.readouterr().err
