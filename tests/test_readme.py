"""The README's Python blocks run, in order, as one program, in a folder with a photograph and a clip."""

import re

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT

from adaat_hf import VideoReader, VideoWriter
from adaat_hf.cli import _parser


TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, astronaut, monkeypatch):
    portrait = np.ascontiguousarray(astronaut[:300, 70:390])
    PIL.Image.fromarray(portrait).save(tmp_path / "me.jpg", quality=95)
    with VideoWriter(tmp_path / "clip.mp4", 25, 320, 300) as writer:
        for number in range(4):
            writer.write(np.roll(portrait, 2 * number, axis=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_python_blocks_run(folder):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(blocks) >= 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    for name in ("out.mp4", "smile.mp4"):
        assert len(list(VideoReader(folder / name))) == 4
    assert names["painted"].shape == (1, 3, 256, 256)


def test_commands_parse():
    commands = re.findall(r"^adaat (.*?)(?:\s+#.*)?$", TEXT, re.M)
    assert {command.split()[0] for command in commands} == {"reenact", "template", "check", "doctor"}
    for command in commands:
        _parser().parse_args(command.split())


def test_named_files_exist():
    for name in re.findall(r"scripts/[\w/]+\.(?:py|yaml)|\(src/[^)]+\)", TEXT):
        assert (ROOT / name.strip("()")).exists(), name
    for name in re.findall(r"`(face_\w+)`", TEXT):
        assert (ROOT / "scripts" / "configs" / f"{name}.yaml").exists(), name
