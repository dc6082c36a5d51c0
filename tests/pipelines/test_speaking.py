"""Sound to motion in chunks: the same as in one pass, in steady memory, with blinks."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from sounds import tone
from transformers import Wav2Vec2Config

from adaat_hf import AdaATFeatureExtractor, AdaATMotionConfig, AdaATMotionModel
from adaat_hf.control.talking import BLINKS
from adaat_hf.pipelines.speaking import SampleWindow, SpeakingStyle, SpeechMotion, frame_count
from adaat_hf.training.motion_trainer import extractor_for


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return AdaATMotionModel(AdaATMotionConfig(hidden_size=16, dilations=(1, 2, 4))).eval()


def motion(model, sound, *, fps=Fraction(25), blocks=1, chunk=4.0, style=None, extractor=None):
    stream = SpeechMotion(
        model, extractor or AdaATFeatureExtractor(), np.array_split(sound, blocks), -12.0, fps, style or SpeakingStyle(), chunk
    )  # fmt: skip
    parts = list(stream)
    return torch.cat([part.expression for part in parts]), torch.cat([part.pose for part in parts]), len(parts)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(60)])
def test_chunks_and_blocks_make_no_difference(model, fps):
    sound = tone(9.3)
    whole = motion(model, sound, fps=fps, chunk=20)
    parts = motion(model, sound, fps=fps, chunk=1.7, blocks=400)
    assert (whole[2], parts[2]) == (1, 6)
    assert len(whole[0]) == frame_count(9.3, fps)
    assert torch.allclose(whole[0], parts[0], atol=1e-5) and torch.allclose(whole[1], parts[1], atol=1e-5)


def test_the_seed_decides(model):
    sound = tone(3.0)
    first, again, other = (motion(model, sound, style=SpeakingStyle(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
    assert first[1][0].abs().max() < 1e-6, "the head starts where the photograph has it"


def test_eyes_blink_now_and_then(model):
    """Even a model that never proposes a blink makes eyes blink after a while, and one that always does, not too often."""
    sound = tone(30.0)
    for bias, fewest, most in ((-20.0, 2, 6), (20.0, 15, 44)):
        with torch.no_grad():
            model.blink.project.bias.fill_(bias)
        lids = motion(model, sound)[0][:, BLINKS].mean(1).numpy()
        closed = lids > lids.min() + 0.6 * (lids.max() - lids.min())
        blinks = int((closed[1:] & ~closed[:-1]).sum())
        assert fewest <= blinks <= most
    with torch.no_grad():
        model.blink.project.bias.zero_()


def test_memory_does_not_grow_with_the_sound(model):
    """Blocks are made while they are read, and dropped after use."""

    def peak(seconds: int) -> int:
        blocks = (tone(1.0) for _ in range(seconds))
        tracemalloc.start()
        stream = SpeechMotion(model, AdaATFeatureExtractor(), blocks, -12.0, Fraction(5), SpeakingStyle())
        frames = sum(len(part.pose) for part in stream)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert frames == 5 * seconds
        return used

    peak(20)
    assert peak(600) < 1.5 * peak(60)


def test_an_encoder_sees_overlapping_windows():
    torch.manual_seed(0)
    encoder = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    config = AdaATMotionConfig(encoder=encoder.to_diff_dict(), hidden_size=16, dilations=(1,))
    model = AdaATMotionModel(config).eval()
    expression, pose, parts = motion(model, tone(10.0), chunk=3.0, extractor=extractor_for(config))
    assert len(expression) == len(pose) == 250 and parts == 4
    steps = (pose[1:] - pose[:-1]).norm(dim=1)
    assert steps[[74, 149, 224]].max() < 3 * steps.mean(), "no seam stands out"


def test_windows_of_samples():
    window = SampleWindow((np.full(10, float(n), np.float32) for n in range(1, 4)), gain=2.0)
    assert window.get(-2, 3).tolist() == [0, 0, 2, 2, 2]
    assert window.get(8, 12).tolist() == [2, 2, 4, 4] and not window.ended
    assert window.get(28, 33).tolist() == [6, 6, 0, 0, 0] and window.ended and window.end == 30


def test_wrong_styles_are_refused():
    for options, message in (
        ({"emotion": "sad"}, "emotion is 'sad', expected one of"),
        ({"emotion_strength": 3}, "from 0 to 2"),
        ({"seed": -1}, "whole number from 0"),
    ):
        with pytest.raises(ValueError, match=message):
            SpeakingStyle(**options)
