"""The training loop: learns, resumes exactly, accumulates, leaves the discriminator alone in the generator's step."""

import json

import pytest
import torch
from conftest import ROOT, TINY
from safetensors.torch import load_file
from tiny_training import arguments, person_arguments

from adaat_hf import AdaATGenerator
from adaat_hf.training.arguments import TrainingArguments, parse_settings
from adaat_hf.training.loading import load_batches
from adaat_hf.training.tasks import open_task
from adaat_hf.training.trainer import Trainer


def weights(output):
    return load_file(output / "generator" / "model.safetensors")


@pytest.mark.slow
def test_training_lowers_the_loss_and_validates(packs, backbone, tmp_path):
    args = arguments(
        packs, backbone, tmp_path, max_steps=40, adversarial_weight=0.0, validation_data=str(packs), ema_decay=0.8,
        lpips_backbone=str(backbone / "alexnet.safetensors"), validation_steps=20, augment=False, checkpoint_steps=100,
        batch_size=4,
    )  # fmt: skip
    scores = Trainer(args).train()
    assert scores["l1"] < 0.9 * scores["copy_l1"], scores
    lines = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40]
    assert (tmp_path / "samples" / "pairs-0000040.jpg").stat().st_size > 1000
    assert list((tmp_path / "logs").rglob("events*"))
    assert AdaATGenerator.from_pretrained(tmp_path / "generator").config.prewarp


def test_a_finer_stage_continues_a_coarse_one(packs, backbone, tmp_path):
    """Coarse to fine, the way from 256 to 512 px: the second stage starts from the first one's network, at twice the size."""
    Trainer(arguments(packs, backbone, tmp_path / "coarse", max_steps=2)).train()
    fine = arguments(
        packs, backbone, tmp_path / "fine", max_steps=2, resolution=128, init_from=str(tmp_path / "coarse" / "generator")
    )  # fmt: skip
    trainer = Trainer(fine)
    start = trainer.generator.state_dict()
    assert all(torch.equal(start[name], value) for name, value in weights(tmp_path / "coarse").items())
    assert next(load_batches(trainer))["source"].shape[-2:] == (128, 128)
    trainer.train()
    assert any(not torch.equal(start[name], value) for name, value in weights(tmp_path / "coarse").items())
    assert TrainingArguments.from_yaml(ROOT / "scripts" / "configs" / "face_512.yaml").size == (512, 512)


@pytest.mark.slow
def test_a_resumed_run_ends_with_identical_weights(packs, backbone, tmp_path, face_model):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    Trainer(arguments(packs, backbone, whole, fitted_keypoints=0.5), face_model).train()
    Trainer(arguments(packs, backbone, parted, fitted_keypoints=0.5, max_steps=2), face_model).train()
    Trainer(arguments(packs, backbone, parted, fitted_keypoints=0.5), face_model).train()
    expected, found = weights(whole), weights(parted)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.slow
def test_a_time_limit_leaves_a_checkpoint_to_resume_from(packs, backbone, tmp_path):
    Trainer(arguments(packs, backbone, tmp_path, max_steps=1000, time_limit=0.0, checkpoint_steps=500)).train()
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]
    again = Trainer(arguments(packs, backbone, tmp_path, max_steps=2))
    again.train()
    assert again.step == 2


@pytest.mark.slow
def test_the_discriminator_steps_only_on_its_own_loss(packs, backbone, tmp_path):
    trainer = Trainer(arguments(packs, backbone, tmp_path, discriminator_learning_rate=0.0, adversarial_weight=1.0))
    before = {name: value.clone() for name, value in trainer.discriminator.state_dict().items()}
    trainer.train()
    after = trainer.discriminator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in trainer.discriminator.parameters())


@pytest.mark.slow
def test_accumulated_small_batches_equal_one_large_batch(packs, backbone, tmp_path):
    """Without batch norm (evaluation mode) and adversarial loss, two half batches are one batch."""
    changes = {"adversarial_weight": 0.0, "ema_decay": 0.0, "max_steps": 2, "augment": False}
    results = []
    for name, size, count in (("one", 4, 1), ("two", 2, 2)):
        trainer = Trainer(
            arguments(packs, backbone, tmp_path / name, batch_size=size, gradient_accumulation_steps=count, **changes)
        )
        trainer.generator.eval()
        trainer.train()
        results.append(weights(tmp_path / name))
    first, second = (torch.cat([value.flatten().float() for value in result.values()]) for result in results)
    # Adam turns rounding of a vanishing gradient into a full step, so a few weights may differ.
    assert ((first - second).abs() < 1e-4).float().mean() > 0.97
    start = AdaATGenerator(trainer.config).state_dict()
    assert any(not torch.equal(results[0][key], start[key]) for key in start)


def test_arguments_are_checked(tmp_path):
    good = {"output_dir": "out", "train_data": ["data"]}
    for change, message in (
        ({"batch_sizes": 4}, "no training setting 'batch_sizes'; did you mean 'batch_size'"),
        ({"model": {"alignmnt": "none"}}, "no training setting 'model.alignmnt'; did you mean 'model.alignment'"),
        ({"discriminator": {"chanels": [4]}}, "no training setting 'discriminator.chanels'; did you mean"),
        ({"log_with": "wandbb"}, "log_with is 'wandbb', expected one of"),
        ({"resolution": 52}, "resolution is 52, but the discriminator needs at least 53 pixels"),
        ({"learning_rate": "1e-4"}, "write 1.0e-3"),
        ({"schedule": "step"}, "schedule is 'step'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_steps": 1.5}, "expected a whole number"),
        ({"lpips_weight": 1.0}, "lpips_backbone must name"),
    ):
        with pytest.raises(ValueError, match=message):
            TrainingArguments.from_dict({**good, **change})
    with pytest.raises(ValueError, match="lack"):
        TrainingArguments.from_dict({"output_dir": "out"})
    path = tmp_path / "run.yaml"
    path.write_text("output_dir: out\ntrain_data: [data]\nlearning_rate: 1.0e-3\n")
    args = TrainingArguments.from_yaml(path, time_limit=3.0)
    assert args.learning_rate == 0.001 and args.time_limit == 3.0


def test_a_tracker_that_is_not_installed_is_named(packs, backbone, tmp_path, monkeypatch):
    monkeypatch.setattr("adaat_hf.training.records.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="log_with is 'wandb', but the package is not installed: pip install wandb"):
        Trainer(arguments(packs, backbone, tmp_path, log_with="wandb"))


def test_missing_data_is_named(tmp_path, backbone):
    with pytest.raises(FileNotFoundError, match="There is no pack"):
        Trainer(arguments(tmp_path, backbone, tmp_path / "out"))


@pytest.mark.slow
def test_persons_are_learned_with_one_and_two_sources(pairs, backbone, tmp_path):
    args = person_arguments(
        pairs, backbone, tmp_path, max_steps=100, adversarial_weight=0.0,
        perceptual_weight=0.0, validation_data=str(pairs), second_source=0.5,
        lpips_backbone=str(backbone / "alexnet.safetensors"), validation_steps=200, checkpoint_steps=200, body_weight=1.5,
        ema_decay=0.8, batch_size=4, learning_rate=0.005, augment=False,
    )  # fmt: skip
    scores = Trainer(args).train()
    for name in ("l1", "lpips"):
        assert scores[name] < min(scores[f"copy_{name}"], scores[f"warp_{name}"]), scores
    assert scores["ssim"] > max(scores["copy_ssim"], scores["warp_ssim"]), scores
    generator = AdaATGenerator.from_pretrained(tmp_path / "generator")
    start = AdaATGenerator(generator.config)
    assert generator.fusion.confidence.weight.abs().max() > 0 == start.fusion.confidence.weight.abs().max(), (
        "batches of two sources have taught which one to trust"
    )


@pytest.mark.slow
@pytest.mark.parametrize("alignment", ["none", "dense_flow"])
def test_persons_with_the_papers_ablations_and_adversary(pairs, backbone, tmp_path, alignment):
    model = {**TINY, "skip_strides": [2], "alignment": alignment}
    Trainer(person_arguments(pairs, backbone, tmp_path, model=model, max_steps=2, second_source=1.0)).train()
    assert AdaATGenerator.from_pretrained(tmp_path / "generator").config.alignment == alignment


def test_the_losses_stress_where_the_body_is_to_be_and_where_it_was(pairs, backbone, tmp_path, standing_pose):
    """A person walks from the left third of the picture to the right third; with two sources the first one counts."""
    task = open_task(person_arguments(pairs, backbone, tmp_path, body_weight=2.0), 18, None)
    here, there = (torch.from_numpy(standing_pose * [0.4, 1] + [left, 0]).float()[None] * 2 - 1 for left in (0.1, 0.5))
    seen = torch.ones(1, 18)
    batch = {"driving": torch.zeros(1, 3, 96, 96), "driving_keypoints": there, "driving_visibility": seen}
    one = {"source_keypoints": here, "source_visibility": seen}
    two = {"source_keypoints": torch.stack([here, there], 1), "source_visibility": torch.ones(1, 2, 18)}
    weight = task.loss_weights({**batch, **one})
    assert weight.mean() == pytest.approx(1, abs=1e-5)
    assert weight[0, 0, 35, 29] == pytest.approx(3 * weight[0, 0, 2, 2].item(), rel=1e-3), "where the trunk was"
    assert weight[0, 0, 35, 67] == pytest.approx(3 * weight[0, 0, 2, 2].item(), rel=1e-3), "where it is to be"
    assert torch.equal(weight, task.loss_weights({**batch, **two}))


def test_settings_of_the_other_task_are_refused():
    good = {"output_dir": "out", "train_data": ["data"]}
    for change, message in (
        (
            {"task": "person", "eyes_mouth_weight": 2.0},
            "eyes_mouth_weight is 2.0, but the task is 'person', which has none",
        ),
        ({"body_weight": 1.0}, "body_weight is 1.0, but the task is 'face', which has none"),
        ({"cut_off": 0.2}, "cut_off is 0.2, but the task is 'face', which has none"),
        ({"resolution": [64, 48]}, "faces are square"),
        ({"task": "person", "resolution": [64]}, r"expected a number or \[height, width\]"),
    ):
        with pytest.raises(ValueError, match=message):
            TrainingArguments.from_dict({**good, **change})


def test_settings_from_the_command_line(tmp_path):
    settings = parse_settings(["max_steps=7", "model.alignment=none", "model.skip_strides=[2]", "time_limit=2.5"])
    assert settings == {"max_steps": 7, "model": {"alignment": "none", "skip_strides": [2]}, "time_limit": 2.5}
    path = tmp_path / "run.yaml"
    path.write_text("output_dir: out\ntrain_data: [data]\nmodel: {code_blocks: 2, alignment: adaat}\n")
    args = TrainingArguments.from_yaml(path, **settings)
    assert args.model == {"code_blocks": 2, "alignment": "none", "skip_strides": [2]} and args.max_steps == 7
    with pytest.raises(ValueError, match="'max_steps 7', expected KEY=VALUE"):
        parse_settings(["max_steps 7"])
