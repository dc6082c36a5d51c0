"""`make demo` without make: the script animates the astronaut and says where the results are."""

import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT

from adaat_hf import VideoReader


@pytest.mark.slow
def test_demo_animates_the_astronaut(tmp_path, astronaut):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", "--output", str(tmp_path)],
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    video, sheet = tmp_path / "reenacted.mp4", tmp_path / "contact_sheet.jpg"
    assert str(video.resolve()) in done.stdout and str(sheet.resolve()) in done.stdout
    frames = list(VideoReader(video))
    assert len(frames) == 125 and frames[0].shape == (320, 320, 3)
    change = np.abs(np.stack(frames[::10]).astype(int) - astronaut[:320, 66:386]).mean(-1)
    assert change[:, 60:180, 94:214].mean() > 3, "the face moves"
    assert change[:, 260:].mean() < 3, "the rest does not"
    assert PIL.Image.open(sheet).width == 6 * 240
