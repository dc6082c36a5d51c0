"""`scripts/train.py` from a preset to a pipeline that paints: reports, stages, cards, and what it refuses."""

import gc
import json
import multiprocessing
import os
import signal

import numpy as np
import PIL.Image
import pytest
import torch
import yaml
from conftest import ROOT
from fresh_process import run_fresh
from loopback_hub import TOKEN, LoopbackHub
from safetensors.torch import save
from tiny_training import arguments

from adaat_hf import AdaATGenerator, AdaATPipeline
from adaat_hf.training.arguments import TrainingArguments
from adaat_hf.training.checkpoints import CheckpointError
from adaat_hf.training.loading import LostWorkerError, load_batches
from adaat_hf.training.networks import build_discriminator, build_generator
from adaat_hf.training.objectives import NonFiniteLossError
from adaat_hf.training.packs import FACTS, TENSORS, VIDEO, read_packs, write_pack
from adaat_hf.training.publishing import write_pipeline
from adaat_hf.training.records import read_rows
from adaat_hf.training.report import write_report
from adaat_hf.training.stages import train_stages
from adaat_hf.training.trainer import Trainer


CONFIGS = ROOT / "scripts" / "configs"
TASKS = {"face_reenactment": 68, "talking_face": 68, "pose_transfer": 18, "person_generation": 18}


def run_script(name, preset, data, backbone, output, *more, check=True, **environment):
    command = [
        ROOT / "scripts" / "train.py", "--config", str(CONFIGS / f"{name}.yaml"), "--preset", preset, "--set", f"train_data=[{data}]", f"validation_data={data}", f"output_dir={output}",
        "--set", f"backbone=vgg16:{backbone / 'vgg16.safetensors'}", f"lpips_backbone={backbone / 'alexnet.safetensors'}", *more,
    ]  # fmt: skip
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = run_fresh(command, surroundings)
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_its_presets(name):
    """The paper's network and loss as the paper has them; more in the modern one; small ones for tests."""
    path = CONFIGS / f"{name}.yaml"
    paper, modern, tiny = (TrainingArguments.from_yaml(path, preset) for preset in ("paper", "modern", "tiny"))
    assert (paper.perceptual_weight, paper.adversarial_weight, paper.backbone) == (5.0, 1.0, "vgg19")
    assert not paper.ema_decay and paper.mixed_precision == "no" and not paper.model
    assert modern.ema_decay and modern.mixed_precision == "bf16" and modern.channels_last and modern.compile
    assert modern.discriminator["spectral_norm"] and modern.second_source and modern.model["multi_source"]
    assert build_generator(paper).config.num_keypoints == TASKS[name]
    assert sum(p.numel() for p in build_generator(tiny).parameters()) < 50_000
    with pytest.raises(ValueError, match=r"The preset is None, but .* has \['modern', 'paper', 'tiny'\]"):
        TrainingArguments.from_yaml(path)


@pytest.fixture
def hub():
    server = LoopbackHub()
    yield server
    server.close()


@pytest.mark.slow
def test_faces_from_coarse_to_fine_to_a_pipeline_and_the_hub(packs, backbone, tmp_path, astronaut, short_motion, hub):
    """One command trains both stages, records them, writes reports, and a pipeline that animates a photograph; uploads it."""
    output = tmp_path / "run"
    environment = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
    }
    upload = ("--push-to-hub", "lab/tiny-faces")
    text = run_script("talking_face", "tiny", packs, backbone, output, *upload, **environment).stdout
    assert f"pipeline: {output / 'pipeline'}" in text and text.count("report: ") == 2 and "uploaded: " in text
    stages = AdaATGenerator.from_pretrained(output / "pipeline" / "generator").config.adaat_stages
    assert [stage["resolution"] for stage in stages] == [32, 64]
    report = (output / "stage-2" / "report.md").read_text()
    assert "| trained network |" in report and "2 steps, 4 pairs of pictures at 64 px" in report
    pairs, features = (
        np.asarray(PIL.Image.open(output / "stage-2" / "samples" / f"{name}-0000002.jpg"))
        for name in ("pairs", "features")
    )
    # Source, driving, painted, error, warped, blend; three pairs of rows of a picture and eight maps.
    assert pairs.shape == (4 * 64, 6 * 64, 3) and features.shape == (3 * 2 * 64, 9 * 64, 3)
    pipe = AdaATPipeline.from_pretrained(output / "pipeline")
    result = pipe(source=astronaut[:256, 100:356], driving=short_motion, crop_only=True)
    frames = np.stack(list(result.arrays()))
    assert frames.shape[1:] == (64, 64, 3) and frames.std() > 10
    repository = hub.repositories["lab/tiny-faces"]
    files = repository.commits[repository.branches["main"]]
    assert {"model_index.json", "generator/model.safetensors", "pipeline.py", "curves.png"} <= files.keys()
    card = files["README.md"].decode()
    assert 'from_pretrained("lab/tiny-faces")' in card and "2 steps, 4 pairs of pictures at 64 px" in card
    assert "license: cc-by-nc-4.0" in card and str(tmp_path) not in card and "![losses, scores and speed]" in card
    again = run_script("talking_face", "tiny", packs, backbone, output)
    assert "training on" not in again.stderr, "finished stages are passed over"


@pytest.mark.slow
def test_persons_to_a_pipeline(pairs, backbone, tmp_path, files):
    run_script("pose_transfer", "tiny", pairs, backbone, tmp_path / "run")
    pipe = AdaATPipeline.from_pretrained(tmp_path / "run" / "pipeline")
    assert type(pipe).__name__ == "PersonGenerationPipeline"
    result = pipe(source=files["figure"], pose=files["pose"])
    assert len(result.images) >= 1


@pytest.mark.slow
def test_the_papers_network_trains_at_reduced_width(packs, backbone, tmp_path, astronaut, short_motion):
    """68 points, no pre-warp, the adversary: the paper's recipe, narrow enough for a test, to a pipeline."""
    narrow = {
        "encoder_channels": [4, 6, 8], "feature_channels": 12, "code_channels": 8, "code_blocks": 2, "alignment_channels": 6,
    }  # fmt: skip
    args = TrainingArguments.from_yaml(
        CONFIGS / "face_reenactment.yaml", "paper", train_data=[str(packs)], validation_data=None, resolution=64,
        output_dir=str(tmp_path), model=narrow, discriminator={"channels": [4, 4, 4, 4]}, batch_size=2, max_steps=4,
        num_workers=0, backbone=f"vgg16:{backbone / 'vgg16.safetensors'}", perceptual_scales=[0.5], logging_steps=1,
    )  # fmt: skip
    train_stages(args)
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert {"perceptual", "adversarial", "discriminator"} <= rows[-1].keys()
    # Constant for half of the steps, then falling to nothing.
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-4, 1e-4, 5e-5, 0.0])
    write_report(tmp_path)
    pipe = AdaATPipeline.from_pretrained(write_pipeline(tmp_path, tmp_path))
    result = pipe(source=astronaut[:256, 100:356], driving=short_motion, crop_only=True)
    assert np.stack(list(result.arrays())).shape == (8, 64, 64, 3)


def test_a_finer_stage_needs_the_same_network(packs, backbone, tmp_path):
    coarse = arguments(packs, backbone, tmp_path / "coarse", max_steps=1)
    build_generator(coarse).save_pretrained(tmp_path / "coarse" / "generator")
    fine = arguments(packs, backbone, tmp_path / "fine", init_from=str(tmp_path / "coarse"))
    assert build_generator(fine).config.feature_channels == 12
    # The discriminator with its default channels, which json knows as a list.
    coarse.discriminator = fine.discriminator = {}
    earlier = build_discriminator(coarse, build_generator(coarse).config)
    earlier.save_pretrained(tmp_path / "coarse" / "discriminator")
    later = build_discriminator(fine, build_generator(fine).config)
    assert torch.equal(later.head.weight, earlier.head.weight), "the earlier stage's discriminator is taken over"
    fine.model = {**fine.model, "feature_channels": 16}
    with pytest.raises(ValueError, match="model.feature_channels is 16, but the network in .* has 12"):
        build_generator(fine)
    fine.init_from = str(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="there is no generator"):
        build_generator(fine)


def test_stages_that_were_interrupted_continue(packs, backbone, tmp_path):
    stages = [{"resolution": 32, "max_steps": 2}, {"resolution": 64, "max_steps": 3}]
    args = arguments(packs, backbone, tmp_path, stages=stages, time_limit=0.0, adversarial_weight=0.0, log_with="none")
    train_stages(args)
    assert [path.name for path in tmp_path.iterdir()] == ["stage-1"] and not (
        tmp_path / "stage-1/finished.json"
    ).exists()
    args.time_limit = None
    train_stages(args)
    assert [row["step"] for row in read_rows(tmp_path / "stage-1" / "metrics.jsonl")] == [1, 2]
    assert json.loads((tmp_path / "stage-2" / "finished.json").read_text())["settings"]["max_steps"] == 3
    with pytest.raises(ValueError, match="no training setting 'resolutoin'; did you mean 'resolution'"):
        arguments(packs, backbone, tmp_path, stages=[{"resolutoin": 32}])


def test_a_broken_loss_is_named_and_stops_the_run(packs, backbone, tmp_path, monkeypatch):
    args = arguments(packs, backbone, tmp_path, max_steps=4, checkpoint_steps=1, log_with="none")
    trainer = Trainer(args)
    perceptual = trainer.objective.perceptual.forward

    def broken(*values, **named):
        return perceptual(*values, **named) * (float("nan") if trainer.step == 2 else 1.0)

    monkeypatch.setattr(trainer.objective.perceptual, "forward", broken)
    with pytest.raises(NonFiniteLossError, match=r"In step 3 the loss 'perceptual' is nan \(.*pixel 0\."):
        trainer.train()
    again = Trainer(args)
    again.train()
    assert again.step == 4, "the run continues from the checkpoint of step 2"


def test_another_network_does_not_take_the_checkpoint(packs, backbone, tmp_path):
    Trainer(arguments(packs, backbone, tmp_path, max_steps=2, log_with="none")).train()
    before = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    args = arguments(packs, backbone, tmp_path, max_steps=4, log_with="none")
    args.model = {**args.model, "feature_channels": 16}
    with pytest.raises(CheckpointError, match="is of another network: generator .* Choose another output_dir"):
        Trainer(args).train()
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == before


def test_data_and_network_of_another_task_are_refused(packs, pairs, backbone, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no pack .* it holds pairs of pictures: task: person"):
        Trainer(arguments(pairs, backbone, tmp_path))
    person = arguments(packs, backbone, tmp_path, task="person", network="compact-person", resolution=[96, 64])
    with pytest.raises(ValueError, match="have 96 key points, expected 18 for the task 'person'"):
        Trainer(person)
    with pytest.raises(ValueError, match="The task is 'face', but the network has 18 key points, not 68 to 96"):
        Trainer(arguments(packs, backbone, tmp_path, network="compact-person"))
    with pytest.raises(ValueError, match="The task is 'person', but the network has 96 key points, not 18"):
        Trainer(arguments(pairs, backbone, tmp_path, task="person"))


def test_empty_splits_are_refused(backbone, tmp_path):
    (tmp_path / "metadata.jsonl").write_text("")
    person = arguments(tmp_path, backbone, tmp_path / "out", task="person", network="compact-person")
    with pytest.raises(ValueError, match="metadata.jsonl' lists no pairs"):
        Trainer(person)
    (tmp_path / "clips-00000.tar").write_bytes(bytes(10240))
    with pytest.raises(ValueError, match="hold no complete clip"):
        Trainer(arguments(tmp_path, backbone, tmp_path / "out"))


def test_validation_data_without_a_usable_pair_is_refused_before_training(packs, backbone, tmp_path):
    clip = read_packs(packs)[0]
    hidden = {name: torch.zeros_like(value) for name, value in clip.tensors().items()}
    parts = {VIDEO: clip.read(VIDEO), TENSORS: save(hidden), FACTS: clip.read(FACTS)}
    write_pack(tmp_path / "clips-00000.tar", [("hidden", parts)])
    lpips = str(backbone / "alexnet.safetensors")
    with pytest.raises(ValueError, match="There is no usable pair in the validation data"):
        Trainer(arguments(packs, backbone, tmp_path / "out", validation_data=str(tmp_path), lpips_backbone=lpips))


def test_two_sources_of_a_face(packs, backbone, tmp_path):
    args = arguments(packs, backbone, tmp_path, second_source=0.5, max_steps=4, log_with="none")
    args.model = {**args.model, "multi_source": True}
    trainer = Trainer(args)
    shapes = {item["source"].ndim for item in (trainer.task.dataset[number] for number in range(0, 16, 2))}
    assert shapes == {3, 4}
    trainer.train()
    confidence = trainer.trained_generator().fusion.confidence.weight
    assert confidence.abs().max() > 0, "batches of two sources have taught which one to trust"


def test_accelerate_configurations_are_valid(monkeypatch):
    from accelerate.commands.config.config_args import load_config_from_file

    for path in sorted((ROOT / "scripts" / "accelerate").glob("*.yaml")):
        loaded = load_config_from_file(str(path))
        assert loaded.num_processes == {"cpu": 1, "one_gpu": 1, "eight_gpus": 8, "two_machines": 16}[path.stem]
        assert set(yaml.safe_load(path.read_text())) >= {"distributed_type", "num_machines", "machine_rank"}


def test_precision_that_the_device_lacks_is_refused(packs, backbone, tmp_path):
    if torch.accelerator.is_available():
        pytest.skip("fp16 works here")
    done = run_script("face_reenactment", "tiny", packs, backbone, tmp_path, "mixed_precision=fp16", check=False)
    assert done.returncode != 0 and "mixed_precision is 'fp16', which needs a GPU" in done.stderr
    with pytest.raises(ValueError, match="a stage changes mixed_precision"):
        arguments(packs, backbone, tmp_path, stages=[{"mixed_precision": "bf16"}])


def test_a_data_worker_that_dies_is_said_so(packs, backbone, tmp_path):
    trainer = Trainer(arguments(packs, backbone, tmp_path, num_workers=1, max_steps=500))
    batches = load_batches(trainer)
    next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(LostWorkerError, match="A data worker died, often for lack of memory"):
        for _ in range(100):
            next(batches)
    # Until PyTorch's loader is gone, the end of any other process would remind it of the dead one, in whatever test comes next.
    del batches
    gc.collect()


@pytest.mark.slow
def test_the_ablation_trains_five_conditions_into_one_table(packs, backbone, tmp_path):
    """Different networks, the same data; a second call only reads what is there."""
    command = [
        ROOT / "scripts" / "ablation.py", "--config", str(CONFIGS / "ablation_face.yaml"), "--set", f"train_data=[{packs}]", f"validation_data={packs}", f"output_dir={tmp_path}", "max_steps=1",
        "batch_size=2", f"backbone=vgg16:{backbone / 'vgg16.safetensors'}", "exclude=[]",
        f"lpips_backbone={backbone / 'alexnet.safetensors'}", "log_with=none", "model.feature_channels=16",
        "model.encoder_channels=[4,6,8]",
    ]  # fmt: skip
    texts = [run_fresh(command, check=True).stdout for _ in range(2)]
    rows = (tmp_path / "ablation.md").read_text().splitlines()
    assert rows[0].startswith("| 64x64 px, 1 steps") and "| copy source |" in rows[2]
    names = [row.split("|")[1].strip() for row in rows[3:]]
    assert names == ["w/o AdaAT & AdaIN", "w/o AdaAT", "w/o AdaIN", "+ dense flow", "full"]
    assert len({row.split("|", 2)[2] for row in rows[3:]}) == 5
    assert texts[0].endswith(texts[1]) and "step 1" not in texts[1]
    found = {
        path.parent.name: json.loads(path.read_text())["settings"]["model"]
        for path in tmp_path.glob("*/finished.json")
    }
    assert len(found) == 5 and found["dense_flow-0"]["alignment"] == "dense_flow"
    assert found["w_o_AdaAT_AdaIN-0"] | {"adain": False, "alignment": "none"} == found["w_o_AdaAT_AdaIN-0"]


@pytest.mark.slow
def test_the_training_benchmark_compares_with_the_released_loop(tmp_path):
    command = [ROOT / "scripts" / "benchmark_training.py", "--size", "64", "--batch-size", "2"]
    short = ["--steps", "1", "--warmup", "0", "--device", "cpu", "--json", tmp_path / "speed.json"]
    done = run_fresh([*command, *short], timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "speed.json").read_text())
    assert list(rows) == ["released loop", "ours, float32", "ours, bf16"]
    # The usual factor is above 2; wide margins, since machines are noisy.
    assert rows["ours, float32"]["seconds"] < rows["released loop"]["seconds"]
    assert all(row["memory"] > 5e8 for row in rows.values())
