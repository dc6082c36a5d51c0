"""The `adaat` command as a user types it."""

import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

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
    options = ["--sheet", str(sheet), "--crop-only", "--mouth", "1.2", "--motion", "absolute", "--device", "cpu"]
    assert main(["reenact", "--source", str(photo), "--driving", str(motion), "-o", str(out), *options]) == 0
    assert len(list(VideoReader(out))) == 8
    assert PIL.Image.open(sheet).size == (6 * 240, 2 * 240)
    assert "8 frames on cpu at" in capsys.readouterr().out


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


def test_doctor(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "device: " in printed and "frames/s at 256 px" in printed


@pytest.mark.slow
def test_the_installed_command_starts():
    done = subprocess.run(
        [sys.executable, "-m", "adaat_hf.cli", "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "reenact" in done.stdout
