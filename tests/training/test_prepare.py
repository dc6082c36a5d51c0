"""Preparing a folder of clips: crops, coefficients, packs of a chosen size, resuming, and clips that cannot be used."""

import json

import numpy as np
import PIL.Image
import pytest

from adaat_hf import VideoWriter
from adaat_hf.training.packs import read_packs
from adaat_hf.training.preparation import PreparationSettings
from adaat_hf.training.prepare import prepare_folder


SETTINGS = PreparationSettings("bundled/face", "bundled/face", size=128)
LIMIT = 40_000


@pytest.fixture
def clips(tmp_path, astronaut):
    """Two usable clips, a group of two photographs, a clip without a face, and a damaged file."""
    folder = tmp_path / "clips"
    folder.mkdir()
    portrait = np.ascontiguousarray(astronaut[:300, 70:390])
    for name, start in (("first", 0), ("second", 20), ("blank", None)):
        with VideoWriter(folder / f"{name}.mp4", 25, 320, 300) as writer:
            for number in range(5):
                frame = np.full_like(portrait, 90) if start is None else np.roll(portrait, start + 3 * number, axis=1)
                writer.write(frame)
    for mood in ("neutral", "smiling"):
        PIL.Image.fromarray(portrait).save(folder / f"person_{mood}.jpg")
    (folder / "damaged.mp4").write_bytes(b"no video")
    (tmp_path / "index.csv").write_text("file,tier\nclips/first.mp4,A\n")
    return folder


@pytest.mark.slow
def test_clips_become_packs_and_an_interrupted_run_continues(clips, tmp_path):
    output = tmp_path / "packs"
    report = prepare_folder(clips, output, SETTINGS, tmp_path / "index.csv", LIMIT, workers=1)
    assert str(report) == "3 clips in 3 packs, 2 left out", "each pack has room for one clip"
    found = {clip.key.rpartition("-")[0]: clip for clip in read_packs(output)}
    assert sorted(found) == ["first", "person", "second"]
    assert found["first"].facts["tier"] == "A" and found["first"].facts["frames"] == 5
    assert "tier" not in found["second"].facts
    (frame,) = found["second"].frames([3])
    tensors = found["second"].tensors()
    assert frame.shape == (128, 128, 3) and tensors["points"].shape == (5, 96, 2)
    assert tensors["valid"].all() and (tensors["points"][:, 30] - 64).abs().max() < 30, "the nose is in the middle"
    reasons = (output / "left_out.csv").read_text()
    assert "blank" in reasons and "0% of its frames" in reasons and "damaged" in reasons
    sorted(output.glob("*.tar"))[0].unlink()
    times = {path: path.stat().st_mtime_ns for path in output.glob("*.tar")}
    again = prepare_folder(clips, output, SETTINGS, tmp_path / "index.csv", LIMIT, workers=1)
    assert str(again) == str(report) and len(read_packs(output)) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in times.items()), "finished packs stay as they are"


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no video"):
        prepare_folder(tmp_path, tmp_path / "packs", SETTINGS, None, 1000, workers=1)


def test_facts_are_json(packs):
    for clip in read_packs(packs):
        assert json.loads(json.dumps(clip.facts)) == clip.facts
