"""Motion templates: saved, loaded, refused."""

import pytest
import torch
from safetensors.torch import save_file

from adaat_hf import ARKIT_EXPRESSIONS, MotionTemplate, demo_motion


def test_saved_template_comes_back(short_motion, tmp_path):
    path = short_motion.save(tmp_path / "motion.safetensors")
    loaded = MotionTemplate.load(path)
    assert (loaded.fps, loaded.size, loaded.layout) == (short_motion.fps, short_motion.size, short_motion.layout)
    for name, value in vars(short_motion.coefficients).items():
        assert torch.equal(getattr(loaded.coefficients, name), value)
    assert [file.name for file in tmp_path.iterdir()] == ["motion.safetensors"]


def test_other_files_are_refused(tmp_path, short_motion):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        MotionTemplate.load(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("hello")
    with pytest.raises(ValueError, match="cannot be read as a safetensors file"):
        MotionTemplate.load(text)
    weights = tmp_path / "weights.safetensors"
    save_file({"weight": torch.zeros(3)}, weights)
    with pytest.raises(ValueError, match="is not a motion template"):
        MotionTemplate.load(weights)


def test_damaged_values_are_refused(tmp_path, short_motion):
    short_motion.coefficients.scale[0] = float("nan")
    path = short_motion.save(tmp_path / "motion.safetensors")
    short_motion.coefficients.scale[0] = 90.0
    with pytest.raises(ValueError, match="scale in .* not finite"):
        MotionTemplate.load(path)


def test_a_failed_save_keeps_the_old_file(tmp_path, short_motion, monkeypatch):
    path = short_motion.save(tmp_path / "motion.safetensors")
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("adaat_hf.control.motion_files.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        short_motion.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_demo_motion_turns_nods_blinks_smiles_and_speaks(face_model):
    motion = demo_motion(face_model, seconds=5, fps=25).coefficients
    track = lambda name: motion.expression[:, ARKIT_EXPRESSIONS.index(name)]  # noqa: E731
    assert len(motion) == 125
    assert motion.rotation[:, 1].max() > 0.25 and motion.rotation[:, 1].min() < -0.2, "turns both ways"
    assert motion.rotation[:, 0].max() > 0.05 and motion.rotation[:, 0].min() < -0.05, "nods"
    assert ((track("eyeBlinkLeft")[1:-1] > 0.8) & (track("eyeBlinkLeft")[2:] < track("eyeBlinkLeft")[1:-1])).sum() >= 3
    assert track("mouthSmileLeft").max() > 0.5
    opening = track("jawOpen") > 0.15
    assert (opening[1:] & ~opening[:-1]).sum() >= 4, "several syllables"
    assert motion.rotation.diff(dim=0).abs().max() < 0.12 and motion.expression.diff(dim=0).abs().max() < 0.6
