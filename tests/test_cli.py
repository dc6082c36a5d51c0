"""The `adaat` command as a user types it."""

import json
import os
import signal
import time
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import draw_person
from fresh_process import FreshProcess, run_fresh
from sounds import tone, write_sound

from adaat_hf import MotionTemplate, VideoReader
from adaat_hf.cli import main


@pytest.fixture
def photo(tmp_path, astronaut):
    path = tmp_path / "me.png"
    PIL.Image.fromarray(astronaut[:300, 70:390]).save(path)
    return path


@pytest.fixture
def motion(tmp_path, short_motion):
    return short_motion.save(tmp_path / "motion.safetensors")


def test_reenact_writes_a_video_and_a_contact_sheet(photo, motion, tmp_path, capsys):
    out, sheet = tmp_path / "out.mp4", tmp_path / "sheet.png"
    options = [
        "--sheet",
        str(sheet),
        "--crop-only",
        "--mouth",
        "1.2",
        "--motion",
        "absolute",
        "--device",
        "cpu",
        "--fast",
    ]
    assert main(["reenact", "--source", str(photo), "--driving", str(motion), "-o", str(out), *options]) == 0
    assert len(list(VideoReader(out))) == 8
    assert PIL.Image.open(sheet).size == (6 * 240, 2 * 240)
    assert "8 frames on cpu at" in capsys.readouterr().out


def test_a_stopped_command_leaves_no_half_file(photo, short_motion, tmp_path):
    long = short_motion.coefficients.frames(torch.zeros(5000, dtype=torch.long))
    replace(short_motion, coefficients=long).save(tmp_path / "long.safetensors")
    files = sorted(path.name for path in tmp_path.iterdir())
    command = ["-m", "adaat_hf.cli", "reenact", "--source", photo, "--crop-only", "--device", "cpu"]
    process = FreshProcess([*command, "--driving", tmp_path / "long.safetensors", "-o", tmp_path / "out.mp4"])
    while not list(tmp_path.glob(".out.*.part.mp4")) and process.poll() is None:
        time.sleep(0.2)
    time.sleep(1)
    os.kill(process.pid, signal.SIGTERM)
    done = process.finish(60)
    assert done.returncode == 130 and "adaat: stopped" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_template_and_check(photo, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    frame = np.asarray(PIL.Image.open(photo))
    for number in range(3):
        PIL.Image.fromarray(np.roll(frame, number, axis=1)).save(pictures / f"{number}.png")
    out = tmp_path / "motion.safetensors"
    assert main(["template", str(pictures), "-o", str(out)]) == 0
    assert len(MotionTemplate.load(out).coefficients) == 3
    assert main(["check", str(photo)]) == 0
    assert main(["check", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "me.png: usable (picture)" in printed and "1 face, the largest" in printed
    assert "motion.safetensors: usable (motion template)" in printed
    blank = tmp_path / "blank.png"
    PIL.Image.new("RGB", (200, 200), "gray").save(blank)
    assert main(["check", str(blank)]) == 1
    assert "not usable" in capsys.readouterr().out


def test_errors_are_one_line_and_status_one(photo, motion, tmp_path, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for command, message in (
        (
            ["reenact", "--source", "none.png", "--driving", str(motion), "-o", str(tmp_path / "o.mp4")],
            "'none.png' does not exist",
        ),
        (["reenact", "--source", str(photo), "--driving", str(motion), "-o", "/nowhere/o.mp4"], "does not exist"),
        (
            ["reenact", "--source", str(photo), "--driving", str(text), "-o", str(tmp_path / "o.mp4")],
            "cannot be read as a video",
        ),
        (["template", str(photo), "-o", str(tmp_path / "m.txt")], "ends in .safetensors"),
        (
            [
                "reenact",
                "--source",
                str(photo),
                "--driving",
                str(motion),
                "-o",
                str(tmp_path / "o.mp4"),
                "--device",
                "warp",
            ],
            "device 'warp'",
        ),
        (["check", str(photo), "--landmarker", "dlib"], "no landmark detector 'dlib'"),
    ):
        assert main(command) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o.mp4").exists()


@pytest.fixture
def posed(tmp_path, standing_pose):
    """A drawn person, its pose, and one with both arms up."""
    points = standing_pose * [176, 256]
    raised = points.copy()
    raised[[3, 6], 1] = points[[3, 6], 1] - 60
    raised[[4, 7], 1] = points[[4, 7], 1] - 110
    picture = draw_person(points, 256, 176, np.random.default_rng(0).integers(0, 255, (6, 3)))
    PIL.Image.fromarray(picture).save(tmp_path / "person.png")
    for name, pose in (("standing", points), ("raised", raised)):
        (tmp_path / f"{name}.json").write_text(json.dumps(pose.tolist()))
    return tmp_path


def test_person_paints_every_pose_and_a_grid(posed, capsys):
    out, grid = posed / "out.png", posed / "grid.png"
    command = ["person", "--source", str(posed / "person.png"), "--source-pose", str(posed / "standing.json")]
    command += [
        "--pose",
        str(posed / "raised.json"),
        "--pose",
        str(posed / "standing.json"),
        "--fit",
        "picture",
        "--device",
        "cpu",
    ]
    assert main([*command, "-o", str(out), "--grid", str(grid)]) == 0
    raised, standing = (
        np.asarray(PIL.Image.open(posed / f"out_{number:03d}.png")).astype(float) for number in range(2)
    )
    source = np.asarray(PIL.Image.open(posed / "person.png")).astype(float)
    assert raised.shape == (256, 176, 3) and PIL.Image.open(grid).size == (3 * 176, 2 * 256)
    assert np.abs(standing - source).mean() < 0.5 * np.abs(raised - source).mean(), "the pose of the picture keeps it"
    assert "out_001.png: 176x256" in capsys.readouterr().out
    small = [*command[:5], "--pose", str(posed / "raised.json"), "--size", "128", "88", "-o", str(posed / "small.png")]
    assert main(small) == 0
    assert PIL.Image.open(posed / "small.png").size == (88, 128)


def test_person_refuses_before_it_paints(posed, capsys):
    blank = posed / "blank.png"
    PIL.Image.new("RGB", (200, 300), "gray").save(blank)
    (posed / "short.json").write_text(json.dumps(json.loads((posed / "raised.json").read_text())[:16]))
    (posed / "missing.json").write_text(json.dumps([[-1, -1]] * 18))
    source, pose = ["--source", str(posed / "person.png")], ["--pose", str(posed / "raised.json")]
    known = [*source, "--source-pose", str(posed / "standing.json")]
    for options, message in (
        (["--source", "none.png", *pose], "'none.png' does not exist"),
        (["--source", str(blank), *pose], "No person was found in the source picture"),
        ([*known, "--pose", str(posed / "short.json")], "16 points"),
        ([*known, "--pose", str(posed / "missing.json")], "missing"),
        ([*known, *pose, "--size", "130", "88"], "130"),
        ([*known, *pose, "--detector", "none"], "There is no landmark detector 'none'"),
        ([*known, *pose, "--model", "bundled/face"], "expected a PersonGenerationPipeline"),
    ):
        assert main(["person", *options, "-o", str(posed / "out.png")]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("adaat: ") and message in error, error
    assert main(["person", *known, *pose, "-o", str(posed / "out.mp4")]) == 1
    assert not list(posed.glob("out*"))


@pytest.fixture
def dance(posed):
    """Key points of four frames in which both arms go up."""
    standing, raised = (np.array(json.loads((posed / f"{name}.json").read_text())) for name in ("standing", "raised"))
    points = np.stack([standing + share * (raised - standing) for share in np.linspace(0, 1, 4)])
    np.savez(posed / "dance.npz", points=points, fps=10.0, size=np.array([256, 176]))
    return posed / "dance.npz"


def test_pose_writes_a_video_and_a_contact_sheet_from_key_points_or_a_template(posed, dance, capsys):
    source = ["--source", str(posed / "person.png"), "--source-pose", str(posed / "standing.json"), "--device", "cpu"]
    out, sheet = posed / "out.mp4", posed / "sheet.png"
    assert main(["pose", *source, "--driving", str(dance), "-o", str(out), "--sheet", str(sheet)]) == 0
    frames = list(VideoReader(out))
    assert len(frames) == 4 and frames[0].shape == (256, 176, 3) and sheet.exists()
    picture = np.asarray(PIL.Image.open(posed / "person.png")).astype(float)
    changes = [np.abs(frame - picture).mean() for frame in frames]
    assert changes[0] < changes[3], "the arms go up"
    assert "out.mp4: 4 frames on cpu" in capsys.readouterr().out
    template = posed / "dance.safetensors"
    assert main(["template", str(dance), "-o", str(template), "--body", "--device", "cpu"]) == 0
    assert "4 frames at 10 frames/s, 0 without a person" in capsys.readouterr().out
    again = posed / "again.mp4"
    options = ["--placement", "absolute", "--no-swap", "--crop-only", "--height", "128", "--fps", "5"]
    assert main(["pose", *source, "--driving", str(template), "-o", str(again), *options]) == 0
    assert len(list(VideoReader(again))) == 2


def test_pose_refuses_before_it_paints(posed, dance, capsys):
    source = ["--source", str(posed / "person.png"), "--source-pose", str(posed / "standing.json")]
    np.savez(posed / "wrong.npz", points=np.ones((4, 21, 2)))
    np.savez(posed / "smpl.npz", poses=np.zeros((4, 70)))
    PIL.Image.new("RGB", (176, 256), "gray").save(posed / "nobody.png")
    for options, message in (
        ([*source, "--driving", "none.mp4"], "'none.mp4' does not exist"),
        ([*source, "--driving", str(posed / "wrong.npz")], "There are 21 points"),
        ([*source, "--driving", str(posed / "smpl.npz")], "(4, 70)"),
        ([*source, "--driving", str(dance), "--height", "100"], "height is 100"),
        ([*source, "--driving", str(dance), "--reference", "7"], "reference is 7"),
        (
            [*source, "--driving", str(dance), "--model", "bundled/face"],
            "'body_model', which PoseTransferPipeline needs",
        ),
        ([*source, "--driving", str(posed / "nobody.png")], "shows a person"),
    ):
        assert main(["pose", *options, "-o", str(posed / "out.mp4")]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("adaat: ") and message in error, error
    assert not list(posed.glob("*out*"))


def test_doctor(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "device: " in printed and "frames/s at 256x256 px" in printed


@pytest.mark.slow
def test_the_installed_command_starts():
    done = run_fresh(["-m", "adaat_hf.cli", "--help"])
    assert done.returncode == 0 and "reenact" in done.stdout


@pytest.mark.slow
def test_talk_writes_a_video_with_sound(photo, motion, tmp_path, capsys):
    sound = write_sound(tmp_path / "hum.ogg", tone(0.5), 48_000, "libopus")
    out, sheet = tmp_path / "out.mp4", tmp_path / "sheet.png"
    options = ["--emotion", "happy", "--emotion-strength", "0.7", "--seed", "3", "--head", "0.5", "--fps", "20"]
    options += ["--head-motion", str(motion), "--size", "128", "--sheet", str(sheet), "--crop-only"]
    assert main(["talk", "--source", str(photo), "--audio", str(sound), "-o", str(out), *options]) == 0
    frames = list(VideoReader(out))
    assert 10 <= len(frames) <= 11 and frames[0].shape == (128, 128, 3) and sheet.exists()
    assert "frames on" in capsys.readouterr().out
    assert main(["talk", "--source", str(photo), "--performance", str(motion), "-o", str(out), "--crop-only"]) == 0
    assert len(list(VideoReader(out))) == 8


def test_talk_refuses_what_cannot_work(photo, tmp_path, capsys):
    text = tmp_path / "text.wav"
    text.write_text("no sound " * 99)
    silent = write_sound(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16_000, "pcm_s16le")
    out = tmp_path / "out.mp4"
    for options, message in (
        (["--audio", str(tmp_path / "nowhere.wav")], "does not exist"),
        (["--audio", str(text)], "cannot be read as sound"),
        (["--audio", str(silent)], "is silent"),
        ([], "either sound, text or performance"),
        (["--text", " "], "at least one word"),
        (["--text", "hello", "--voice", str(tmp_path / "no_voice")], "cannot be loaded"),
        (["--audio", str(silent), "--emotion", "bored"], "emotion is 'bored'"),
    ):
        assert main(["talk", "--source", str(photo), "-o", str(out), *options]) == 1
        printed = capsys.readouterr()
        said = printed.err.splitlines()[-1]  # after the bar of loading, if it came that far
        assert said.startswith("adaat: ") and message in said and "Traceback" not in printed.err
    assert not out.exists()
