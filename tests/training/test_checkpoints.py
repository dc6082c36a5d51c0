"""Checkpoints: sealed, passed over when broken, refused for other networks, kept when the disk is full."""

import json
import logging
import shutil

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from adaat_hf.training.checkpoints import (
    CheckpointError,
    RunState,
    load_checkpoint,
    newest_checkpoint,
    read_state,
    save_checkpoint,
)


@pytest.fixture
def run(tmp_path):
    accelerator = Accelerator()
    accelerator._models.clear()
    model = accelerator.prepare(nn.Linear(300, 300))
    return accelerator, model, tmp_path


def test_state_and_rotation(run):
    accelerator, model, folder = run
    for step in (1, 2, 3, 10):
        with torch.no_grad():
            model.weight.fill_(step)
        save_checkpoint(accelerator, folder, RunState(step, 4 * step, {"generator": {"channels": (1, 2)}}), kept=2)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-10", "checkpoint-3"]
    state = load_checkpoint(accelerator, folder / "checkpoint-3", {"generator": {"channels": (1, 2)}})
    assert (state.step, state.samples, model.weight[0, 0].item()) == (3, 12, 3.0)
    with pytest.raises(CheckpointError, match=r"another network: generator .*\[1, 2\].* instead of .*\[1, 9\]"):
        load_checkpoint(accelerator, folder / "checkpoint-3", {"generator": {"channels": (1, 9)}})


@pytest.mark.parametrize("damage", ["shorten", "remove", "unseal", "garble"])
def test_a_broken_checkpoint_is_passed_over(run, damage, caplog):
    accelerator, _, folder = run
    for step in (1, 2):
        save_checkpoint(accelerator, folder, RunState(step), kept=2)
    broken = folder / "checkpoint-2"
    weights = broken / "model.safetensors"
    if damage == "shorten":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "remove":
        weights.unlink()
    elif damage == "unseal":
        (broken / "state.json").unlink()
    else:
        (broken / "state.json").write_text('{"run": {"st')
    with caplog.at_level(logging.WARNING):
        assert newest_checkpoint(folder) == folder / "checkpoint-1"
    assert "checkpoint-2' is passed over: " in caplog.text
    save_checkpoint(accelerator, folder, RunState(2), kept=2)
    assert newest_checkpoint(folder) == broken, "a broken one is replaced"


def test_what_a_killed_run_left_half_written_is_no_checkpoint(run):
    accelerator, _, folder = run
    whole = save_checkpoint(accelerator, folder, RunState(5), kept=2)
    shutil.copytree(whole, folder / ".checkpoint-6.part")
    assert newest_checkpoint(folder) == whole
    save_checkpoint(accelerator, folder, RunState(7), kept=2)
    assert not (folder / ".checkpoint-6.part").exists()


def test_weights_that_are_not_finite_are_not_saved(run):
    accelerator, model, folder = run
    save_checkpoint(accelerator, folder, RunState(1), kept=1)
    with torch.no_grad():
        model.bias[3] = float("nan")
    with pytest.raises(CheckpointError, match="After step 2 the weights of Linear are not finite"):
        save_checkpoint(accelerator, folder, RunState(2), kept=1)
    assert newest_checkpoint(folder) == folder / "checkpoint-1"


def test_a_full_disk_leaves_the_earlier_checkpoint(run):
    """Files may not grow beyond 100 kB, so that the weights (361 kB) cannot be written."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    accelerator, _, folder = run
    save_checkpoint(accelerator, folder, RunState(1), kept=1)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(CheckpointError, match=r"checkpoint-2' cannot be written \(.*\); 'checkpoint-1' is intact"):
            save_checkpoint(accelerator, folder, RunState(2), kept=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in folder.iterdir()] == ["checkpoint-1"]
    assert read_state(folder / "checkpoint-1").step == 1
    assert json.loads((folder / "checkpoint-1" / "state.json").read_text())["files"]["model.safetensors"] > 300_000
