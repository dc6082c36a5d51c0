"""The README's Python blocks run, in order, as one program, in a folder with a photograph and a clip."""

import json
import re
import shutil

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from conftest import ROOT

from adaat_hf import VideoReader, VideoWriter
from adaat_hf.bundled import FIGURE_SAMPLE, VOICE_SAMPLE
from adaat_hf.cli import _parser
from adaat_hf.processing.sound import encode_sound, load_sound


TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, astronaut, standing_pose, monkeypatch):
    portrait = np.ascontiguousarray(astronaut[:300, 70:390])
    PIL.Image.fromarray(portrait).save(tmp_path / "me.jpg", quality=95)
    with VideoWriter(tmp_path / "clip.mp4", 25, 320, 300) as writer:
        for number in range(4):
            writer.write(np.roll(portrait, 2 * number, axis=1))
    encode_sound(load_sound(VOICE_SAMPLE)[8000:16_000], 16_000, str(tmp_path / "speech.wav"), "wav")
    monkeypatch.chdir(tmp_path)
    _write_persons(tmp_path, standing_pose)
    return tmp_path


def _write_persons(folder, pose):
    shutil.copy(FIGURE_SAMPLE, folder / "person.jpg")
    PIL.ImageOps.mirror(PIL.Image.open(FIGURE_SAMPLE)).save(folder / "other.jpg")
    (folder / "pose.json").write_text(json.dumps((pose * [176, 256]).tolist()))
    np.savez(folder / "dance.npz", points=np.stack([pose * [176, 256] + [n, 0] for n in range(4)]))


@pytest.mark.slow
def test_python_blocks_run(folder):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(blocks) >= 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    for name in ("out.mp4", "smile.mp4"):
        assert len(list(VideoReader(folder / name))) == 4
    assert len(list(VideoReader(folder / "talking.mp4"))) == 13
    assert len(list(VideoReader(folder / "dancing.mp4"))) == 4
    assert names["painted"].shape == (1, 3, 256, 256)


def test_commands_parse():
    commands = re.findall(r"^adaat (.*?)(?:\s+#.*)?$", TEXT, re.M)
    assert {command.split()[0] for command in commands} == {
        "reenact",
        "template",
        "check",
        "doctor",
        "benchmark",
        "evaluate",
        "tables",
        "study",
        "live",
        "person",
        "pose",
        "convert",
        "talk",
        "inspect",
        "demo",
        "serve",
        "push",
        "prepare",
        "verify",
    }
    for command in commands:
        _parser().parse_args(command.split())


def test_named_files_exist():
    for name in re.findall(r"scripts/[\w/]+\.(?:py|yaml)|\(src/[^)]+\)", TEXT):
        assert (ROOT / name.strip("()")).exists(), name
    for name in re.findall(r"`((?:face|person|motion)_\w+)`", TEXT):
        assert (ROOT / "scripts" / "configs" / f"{name}.yaml").exists(), name
