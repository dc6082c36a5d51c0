"""Runs in processes of their own: killed and continued, two together like one with twice the batch, and one of two lost."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from fresh_process import FreshProcess, run_fresh, run_two_fresh
from safetensors.torch import load_file
from tiny_training import arguments, person_arguments

from adaat_hf.training.records import read_rows


pytestmark = pytest.mark.slow
TRAIN = [str(ROOT / "scripts" / "train.py"), "--config"]
TWO = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
       "--rdzv-endpoint", "localhost:0"]  # fmt: skip
SURROUNDINGS = {
    **os.environ,
    "PYTHONPATH": str(ROOT / "src"),
    "OMP_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    "ACCELERATE_USE_CPU": "true",
}


def write_config(folder, name, **values):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**values, "output_dir": str(folder / name)}))
    return path


@pytest.fixture
def settings(packs, backbone, tmp_path):
    made = arguments(packs, backbone, tmp_path, log_with="none").to_dict()
    return {name: value for name, value in made.items() if value is not None}


def train(config, launcher=()):
    if launcher:
        done = subprocess.run(
            [*launcher, *TRAIN, config], env=SURROUNDINGS, capture_output=True, text=True, timeout=300
        )
    else:
        done = run_fresh([*TRAIN, config], SURROUNDINGS)
    assert done.returncode == 0, done.stderr[-3000:]


def kill_after(config, checkpoints, folder):
    """Start a run and kill it, with all its processes, some time after its n-th checkpoint."""
    process = FreshProcess([*TRAIN, config], SURROUNDINGS)
    deadline = time.monotonic() + 200
    while len(list(folder.glob("checkpoint-*/state.json"))) < checkpoints:
        assert time.monotonic() < deadline and process.poll() is None, "the run ended too early"
        time.sleep(0.01)
    time.sleep(np.random.default_rng().uniform(0, 0.4))
    process.kill()


def weights(folder):
    return load_file(folder / "generator" / "model.safetensors") | {
        f"discriminator.{name}": value
        for name, value in load_file(folder / "discriminator" / "model.safetensors").items()
    }


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_killed_and_continued_it_ends_with_the_same_weights(settings, tmp_path):
    """SIGKILL at a moment that chance chooses, with data workers, EMA, a schedule and the adversary."""
    settings |= {
        "max_steps": 24, "checkpoint_steps": 3, "num_workers": 2, "schedule": "cosine", "warmup_steps": 3,
        "checkpoints_kept": 50, "discriminator": {"channels": [4, 4, 4, 4], "spectral_norm": True},
    }  # fmt: skip
    train(write_config(tmp_path, "whole", **settings))
    config, folder = write_config(tmp_path, "killed", **settings), tmp_path / "killed"
    kill_after(config, 3, folder)
    assert not (folder / "generator").exists()
    train(config)
    assert_equal(weights(tmp_path / "whole"), weights(folder))
    steps = [row["step"] for row in read_rows(folder / "metrics.jsonl")]
    assert steps == list(range(1, 25)), "every step is recorded once"


GRADIENTS = """
import sys
import torch
from adaat_hf.training.arguments import TrainingArguments
from adaat_hf.training.loading import load_batches
from adaat_hf.training.trainer import Trainer

trainer = Trainer(TrainingArguments.from_yaml(sys.argv[1]))
found = {}
trainer._step = lambda optimizer, model, scheduler: found.update(
    {f"{len(found)} {name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
)
trainer._train_batch(next(load_batches(trainer)))
if trainer.accelerator.is_main_process:
    statistics = [b for b in trainer.generator.buffers() if b.is_floating_point()]
    torch.save([*found.values(), *statistics], sys.argv[2])
"""


@pytest.fixture
def gradients(tmp_path):
    def run(config, run_script):
        script, output = tmp_path / "gradients.py", tmp_path / f"{config.stem}.pt"
        script.write_text(GRADIENTS)
        run_script([script, config, output], SURROUNDINGS, check=True)
        return torch.load(output, weights_only=True)

    return run


@pytest.mark.parametrize("task", ["face", "person"])
def test_gradients_of_two_processes_are_those_of_one(settings, task, gradients, tmp_path, pairs, backbone):
    """Of both networks, and batch norm's statistics; every tensor to a hundredth, for rounding moves the signs
    that L1 and ReLU pass back."""
    if task == "person":
        made = person_arguments(pairs, backbone, tmp_path, second_source=0.5, log_with="none", seed=3)
        settings = {name: value for name, value in made.to_dict().items() if value is not None}
    one = gradients(write_config(tmp_path, "one", **{**settings, "batch_size": 4}), run_fresh)
    two = gradients(write_config(tmp_path, "two", **settings), run_two_fresh)
    assert len(one) == len(two) > 40
    for first, second in zip(one, two, strict=True):
        assert (first - second).norm() <= 1e-2 * first.norm() + 1e-7


def test_two_processes_are_one_with_twice_the_batch(settings, tmp_path):
    """The losses of the first steps agree to a thousandth; later ones to a twentieth, as Adam turns the rounding of a
    vanishing gradient into a step of full length."""
    settings |= {"max_steps": 6, "checkpoint_steps": 6, "learning_rate": 5e-4}
    train(write_config(tmp_path, "one", **{**settings, "batch_size": 4}))
    train(write_config(tmp_path, "two", **settings), TWO)
    one, two = (read_rows(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    assert len(one) == len(two) == 6
    for first, second in zip(one, two, strict=True):
        for name in first.keys() - {"images_per_second", "data_share"}:
            tolerance = 1e-3 if first["step"] <= 2 else 0.05
            assert first[name] == pytest.approx(second[name], rel=tolerance), (name, first["step"])
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2


def test_a_lost_process_ends_the_run_and_it_continues(settings, tmp_path):
    settings |= {"max_steps": 60, "checkpoint_steps": 2, "checkpoints_kept": 50}
    config, folder = write_config(tmp_path, "lost", **settings), tmp_path / "lost"
    process = subprocess.Popen(
        [*TWO, *TRAIN, str(config)], env=SURROUNDINGS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while not list(folder.glob("checkpoint-*/state.json")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, text = process.communicate(timeout=120)
    assert process.returncode != 0 and "Signal 9" in text
    newest = max(int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*"))
    settings["max_steps"] = newest + 2
    train(write_config(tmp_path, "lost", **settings), TWO)
    assert read_rows(folder / "metrics.jsonl")[-1]["step"] == newest + 2


def test_a_request_to_stop_saves_first(settings, tmp_path):
    """SIGTERM, as clusters send it before they take a machine back."""
    settings |= {"max_steps": 500, "checkpoint_steps": 400}
    config, folder = write_config(tmp_path, "asked", **settings), tmp_path / "asked"
    process = FreshProcess([*TRAIN, config], SURROUNDINGS)
    while len(read_rows(folder / "metrics.jsonl")) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    assert process.finish(120).returncode == 0
    (checkpoint,) = folder.glob("checkpoint-*")
    assert int(checkpoint.name.split("-")[1]) == read_rows(folder / "metrics.jsonl")[-1]["step"]
