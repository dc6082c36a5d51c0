"""The motion model's training: targets, windows, losses, a run that learns and resumes, and its evaluation."""

import dataclasses
import io
import json
from fractions import Fraction

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from fresh_process import run_fresh
from safetensors.torch import save as save_tensors

from adaat_hf import (
    ARKIT_EXPRESSIONS,
    AdaATFeatureExtractor,
    AdaATMotionConfig,
    AdaATMotionModel,
    demo_motion,
    retarget,
)
from adaat_hf.evaluation.speech_motion import correlations, evaluate, open_clips
from adaat_hf.preparation.clips import encode_clip
from adaat_hf.processing.sound import encode_sound
from adaat_hf.training.motion_data import MotionDataset, clips_with_sound
from adaat_hf.training.motion_losses import MotionLosses, energy_score
from adaat_hf.training.motion_targets import find_blinks, motion_targets
from adaat_hf.training.motion_trainer import MotionArguments, MotionTrainer
from adaat_hf.training.packs import FACTS, SOUND, TENSORS, VIDEO, read_packs, write_pack


FPS, SECONDS = 25, 3.0
JAW = ARKIT_EXPRESSIONS.index("jawOpen")


def loudness(random: np.random.Generator, rate: int) -> np.ndarray:
    """A syllable-like curve in [0, 1] of a clip, at a rate."""
    knots = np.concatenate([[0, 0], random.uniform(0, 1, 14) * (random.random(14) < 0.6), [0, 0]])
    return np.interp(np.arange(round(SECONDS * rate)) / rate, np.linspace(0, SECONDS, len(knots)), knots)


@pytest.fixture(scope="module")
def talking_packs(tmp_path_factory, face_model):
    """Sixteen clips whose jaw opens with the loudness of a hum, and one without sound."""
    folder = tmp_path_factory.mktemp("talking")
    clips = {}
    still = demo_motion(face_model, seconds=0.1, fps=10).coefficients.frames(torch.tensor([0]))
    for number in range(17):
        seeds = [np.random.default_rng(number) for _ in range(2)]
        curve = torch.from_numpy(loudness(seeds[0], FPS)).float()
        frames = len(curve)
        motion = dataclasses.replace(
            still, expression=still.expression.repeat(frames, 1), rotation=still.rotation.repeat(frames, 1),
            scale=still.scale.repeat(frames), translation=still.translation.repeat(frames, 1),
            valid=torch.ones(frames, dtype=torch.bool),
        )  # fmt: skip
        motion.expression[:, JAW] = 0.5 * curve
        face = retarget(still, motion, motion="absolute")
        points = face.project(face_model)
        hum = 0.4 * loudness(seeds[1], 16_000) * np.sin(2 * np.pi * (150 + 5 * number) * np.arange(48_000) / 16_000)
        buffer = io.BytesIO()
        encode_sound(hum.astype(np.float32), 16_000, buffer)
        tensors = {"points": points, "visibility": torch.ones(points.shape[:2]), **vars(face)}
        parts = {
            VIDEO: encode_clip([np.zeros((32, 32, 3), np.uint8)] * frames, Fraction(FPS), 30),
            SOUND: buffer.getvalue(),
            TENSORS: save_tensors({name: value.contiguous() for name, value in tensors.items()}),
            FACTS: json.dumps({"frames": frames, "fps": FPS}).encode(),
        }
        if number == 16:
            del parts[SOUND]
        clips[f"clip_{number:02d}"] = parts
    write_pack(folder / "clips-00000.tar", clips.items())
    return folder


def arguments(folder, output, **changes) -> MotionArguments:
    values = {
        "output_dir": str(output), "train_data": [str(folder)], "exclude": ["clip_12", "clip_13", "clip_14", "clip_15"],
        "model": {"hidden_size": 24, "dilations": [1, 2, 4], "dropout": 0.0}, "batch_size": 8, "max_steps": 60,
        "warmup_steps": 5, "learning_rate": 5e-3, "ema_decay": 0.9, "num_workers": 0, "checkpoint_steps": 30,
    }  # fmt: skip
    return MotionArguments(**{**values, **changes})


def test_prepared_clips_bring_their_sound(talking_packs):
    clips = read_packs(talking_packs)
    assert [clip.has_sound for clip in clips].count(False) == 1
    assert len(clips_with_sound(clips)) == 16
    assert len(clips[0].sound()) == 48_000
    with pytest.raises(ValueError, match="None of the 1 clips has sound"):
        clips_with_sound(clips[-1:])
    labelled = dataclasses.replace(clips[0], facts={**clips[0].facts, "emotion": "bored"})
    with pytest.raises(ValueError, match="labelled 'bored'"):
        clips_with_sound([labelled])


def test_targets_are_changes_of_the_resting_face(talking_packs, face_model):
    from adaat_hf.training.motion_data import clip_coefficients

    face = clip_coefficients(read_packs(talking_packs)[0])
    targets = motion_targets(face, FPS, face_model)
    assert targets.expression[targets.opening.argmin(), JAW].abs() < 0.03
    assert torch.corrcoef(torch.stack([targets.opening, face.expression[:, JAW]]))[0, 1] > 0.95
    assert targets.pose.abs().max() < 1e-3 and not targets.blinking.any()


def test_blinks_are_found():
    lids = torch.full((100,), 0.1)
    lids[20:25] = torch.tensor([0.4, 0.8, 0.9, 0.6, 0.3])
    lids[60:90] = 0.8  # eyes that stay closed do not blink
    blinking, begins = find_blinks(lids, 25)
    assert len(begins) == 1 and 15 <= int(begins[0]) <= 20
    assert blinking[20:25].all() and not blinking[40:].any()


def test_windows_keep_sound_and_motion_together(talking_packs, face_model):
    clips = clips_with_sound(read_packs(talking_packs))
    weights = np.ones(len(clips)) / len(clips)
    data = MotionDataset(
        clips, weights, face_model, AdaATFeatureExtractor(), AdaATMotionConfig(), seconds=2.0, augment=True
    )  # fmt: skip
    agreement = []
    for number in range(20):
        item = data[number]
        assert item["input_features"].shape == (201, 80) and item["expression"].shape == (50, 52)
        assert torch.equal(item["weight"], data[number]["weight"]), "items are the same when they are asked for again"
        heard = item["input_features"][::4][:50].amax(1)
        inside = item["weight"] > 0
        assert inside.sum() > 20
        agreement.append(float(torch.corrcoef(torch.stack([heard, item["expression"][:, JAW]])[:, inside])[0, 1]))
    assert np.median(agreement) > 0.5


def test_the_energy_score_rewards_the_right_spread():
    torch.manual_seed(0)
    truth, weight = torch.randn(4000, 4, 2), torch.ones(4000, 4)
    scores = {
        spread: float(
            energy_score(spread * torch.randn(4000, 4, 2), spread * torch.randn(4000, 4, 2), truth, weight, (1,))
        )
        for spread in (0.3, 1.0, 2.0)
    }
    assert scores[1.0] < scores[0.3] and scores[1.0] < scores[2.0]


def test_losses_are_smallest_at_the_truth(talking_packs, face_model):
    clips = clips_with_sound(read_packs(talking_packs))
    data = MotionDataset(clips, np.ones(16), face_model, AdaATFeatureExtractor(), AdaATMotionConfig(), augment=False)
    batch = {name: value[None] for name, value in data[0].items()}
    from adaat_hf import AdaATMotionOutput

    right = AdaATMotionOutput(batch["expression"], batch["pose"], torch.zeros(1, 151))
    wrong = AdaATMotionOutput(batch["expression"] + torch.eye(52)[JAW] * 0.2, batch["pose"], torch.zeros(1, 151))
    losses = MotionLosses(face_model, torch.device("cpu"))
    best, worse = losses(right, right, batch), losses(wrong, wrong, batch)
    assert all(best[name] < 1e-5 for name in ("coefficients", "landmarks", "velocity", "amplitude", "closure"))
    assert worse["landmarks"] > 1e-3 and worse["closure"] > 1e-3
    assert worse["velocity"] < 1e-5, "a constant error does not move"


@pytest.mark.slow
def test_a_run_learns_resumes_and_is_scored(talking_packs, face_model, tmp_path):
    """Sixty steps are enough to move the jaw with the hum, better than every method that learns nothing."""
    MotionTrainer(arguments(talking_packs, tmp_path / "whole"), face_model).train()
    MotionTrainer(arguments(talking_packs, tmp_path / "parts", time_limit=0.0), face_model).train()
    assert (tmp_path / "parts" / "checkpoint-1").is_dir()
    MotionTrainer(arguments(talking_packs, tmp_path / "parts"), face_model).train()
    models = [AdaATMotionModel.from_pretrained(tmp_path / name / "motion_model") for name in ("whole", "parts")]
    for (name, one), two in zip(models[0].state_dict().items(), models[1].state_dict().values(), strict=True):
        assert torch.allclose(one, two, atol=1e-4), name
    extractor = AdaATFeatureExtractor.from_pretrained(tmp_path / "whole" / "feature_extractor")
    held_out = open_clips(read_packs(talking_packs)[12:], face_model, 16_000)
    assert len(held_out) == 4, "the clip without sound is left out"
    scores = evaluate(held_out, models[0].eval(), extractor, face_model)
    ours = scores.pop("motion model")
    assert ours["correlation"] > 0.8 and abs(ours["offset"]) <= 1
    for other in scores.values():
        assert ours["distance"] < other["distance"]


def test_correlations_tell_who_is_late():
    true = np.sin(np.arange(100) / 5)
    late = np.roll(true, 3)
    curve = correlations(late, true, 6)
    assert curve.argmax() - 6 == 3
    assert np.isnan(correlations(np.zeros(100), true, 6)).all()


def test_settings(tmp_path):
    path = tmp_path / "motion.yaml"
    path.write_text("output_dir: x\ntrain_data: [y]\nweights: {pose: 2.0}\n")
    settings = MotionArguments.from_yaml(path, max_steps=7)
    assert settings.max_steps == 7 and settings.weights["pose"] == 2.0 and settings.weights["velocity"] == 20.0
    path.write_text("output_dir: x\ntrain_data: [y]\nmax_step: 3\n")
    with pytest.raises(ValueError, match="max_step"):
        MotionArguments.from_yaml(path)
    with pytest.raises(ValueError, match="There is no loss"):
        MotionArguments(output_dir="x", train_data=["y"], weights={"lips": 1.0})
    for file in (ROOT / "scripts" / "configs").glob("motion*.yaml"):
        MotionArguments.from_yaml(file)


@pytest.mark.slow
def test_the_scripts(talking_packs, tmp_path):
    """Train, evaluate and bundle as the README says, each in a fresh process."""
    config = tmp_path / "tiny.yaml"
    values = vars(arguments(talking_packs, tmp_path / "run", max_steps=2))
    config.write_text(yaml.safe_dump(values))

    def script(name, *options):
        done = run_fresh([ROOT / "scripts" / name, *options])
        assert done.returncode == 0, done.stderr
        return done.stdout

    script("train_motion.py", "--config", config, "--set", "max_steps=3")
    scores = tmp_path / "some_clips.json"
    printed = script(
        "evaluate_motion.py", "--model", tmp_path / "run", "--clips", talking_packs, "--only", "clip_1", "--output", scores
    )  # fmt: skip
    assert "| motion model | 6 |" in printed
    import shutil

    from adaat_hf.bundled import bundled_path

    checkpoint = tmp_path / "face"
    shutil.copytree(bundled_path("bundled/face"), checkpoint)
    for _ in range(2):
        script("bundle_motion.py", "--motion", tmp_path / "run", "--checkpoint", checkpoint, "--scores", scores)
    card = (checkpoint / "README.md").read_text()
    assert card.count("## Motion from sound") == 1 and "**some clips**" in card and "3 steps of 8 windows" in card
    assert json.loads((checkpoint / "model_index.json").read_text())["motion_model"][1] == "AdaATMotionModel"
    assert AdaATMotionModel.from_pretrained(checkpoint / "motion_model").config.hidden_size == 24
