"""The motion model: heads, emotions, noise, encoders, saving."""

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel, HubertConfig, HubertModel, Wav2Vec2Config

from adaat_hf import ARKIT_EXPRESSIONS, AdaATMotionConfig, AdaATMotionModel
from adaat_hf.inference.graph_networks import exportable
from adaat_hf.models.configuration_motion import EMOTIONS
from adaat_hf.models.modeling_motion import sample_at
from adaat_hf.models.motion_noise import smooth_noise, uniform_noise


TINY_ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


def tiny_motion(**changes) -> AdaATMotionModel:
    return AdaATMotionModel(AdaATMotionConfig(**{"hidden_size": 12, "dilations": (1, 2), **changes})).eval()


def run(model, features, noise=None, **options):
    frames = 60
    noise = torch.zeros(len(features), frames, model.config.noise_size) if noise is None else noise
    times = torch.arange(0, 40, 2.0).expand(len(features), -1)
    return model(features, times, noise, **options)


def test_shapes_and_saving(tmp_path):
    model, features = tiny_motion(), torch.randn(2, 120, 80)
    output = run(model, features)
    assert (
        output.expression.shape == (2, 20, 52) and output.pose.shape == (2, 20, 6) and output.blinks.shape == (2, 60)
    )
    model.save_pretrained(tmp_path)
    for kind in (AdaATMotionModel, AutoModel):
        loaded = kind.from_pretrained(tmp_path)
        assert torch.equal(run(loaded, features).expression, output.expression)


def test_the_mouth_follows_sound_alone_and_the_head_follows_noise_too():
    model, features = tiny_motion(), torch.randn(1, 120, 80)
    first, second = (run(model, features, torch.randn(1, 60, 16)) for _ in range(2))
    jaw, brow = ARKIT_EXPRESSIONS.index("jawOpen"), ARKIT_EXPRESSIONS.index("browInnerUp")
    assert torch.equal(first.expression[..., jaw], second.expression[..., jaw])
    assert not torch.equal(first.expression[..., brow], second.expression[..., brow])
    assert not torch.equal(first.pose, second.pose) and torch.equal(first.blinks, second.blinks)
    other = run(model, torch.randn(1, 120, 80))
    assert not torch.equal(first.expression[..., jaw], other.expression[..., jaw])


def test_several_draws_in_one_pass():
    model, features, noise = tiny_motion(), torch.randn(2, 120, 80), torch.randn(6, 60, 16)
    together = run(model, features, noise)
    for draw in range(3):
        alone = run(model, features, noise[2 * draw : 2 * draw + 2])
        assert torch.allclose(together.pose[2 * draw : 2 * draw + 2], alone.pose, atol=1e-6)


def test_emotions_hold_the_face_differently():
    model, features = tiny_motion(), torch.randn(1, 120, 80)
    shapes = {
        name: run(model, features, emotion=torch.tensor([number])).expression.mean((0, 1)).detach()
        for number, name in enumerate(EMOTIONS)
    }
    assert torch.allclose(shapes["neutral"], run(model, features).expression.mean((0, 1)))
    for emotion, unit in (("happy", "mouthSmileLeft"), ("angry", "browDownRight"), ("surprise", "eyeWideLeft")):
        column = ARKIT_EXPRESSIONS.index(unit)
        change = shapes[emotion][column] - shapes["neutral"][column]
        assert change > 0.4
        half = run(
            model, features, emotion=torch.tensor([EMOTIONS.index(emotion)]), emotion_strength=torch.tensor([0.5])
        )
        assert torch.isclose(half.expression.mean((0, 1))[column] - shapes["neutral"][column], change / 2, atol=1e-5)


def test_frames_beyond_the_context_do_not_matter():
    model = tiny_motion()
    features = torch.randn(1, 120, 80)
    changed = features.clone()
    changed[:, 2 * (10 + model.context) + 2 :] += 1
    first, second = run(model, features), run(model, changed)
    assert torch.equal(first.expression[:, :6], second.expression[:, :6])
    assert not torch.equal(first.expression, second.expression)


@pytest.mark.parametrize("config", [Wav2Vec2Config(**TINY_ENCODER), HubertConfig(**TINY_ENCODER)])
def test_transformers_encoders_replace_the_features(config, tmp_path):
    model = tiny_motion(encoder=config.to_diff_dict())
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters()), "frozen"
    output = run(model, torch.randn(1, 16_000, 1))
    assert output.expression.shape == (1, 20, 52) and output.blinks.shape == (1, 50)
    model.save_pretrained(tmp_path)
    loaded = AdaATMotionModel.from_pretrained(tmp_path)
    sound = torch.randn(1, 16_000, 1)
    assert type(loaded.encoder) is type(model.encoder)
    assert torch.allclose(run(loaded, sound).pose, run(model, sound).pose, atol=1e-6)


def test_a_trained_encoder_brings_its_weights(tmp_path):
    encoder = HubertModel(HubertConfig(**TINY_ENCODER)).eval()
    encoder.save_pretrained(tmp_path)
    model = AdaATMotionModel.from_pretrained_encoder(str(tmp_path), hidden_size=12, dilations=(1,))
    for name, value in encoder.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], value)


def test_noise_is_the_same_in_every_window():
    whole = smooth_noise(7, -100, 3000, 50, (0.4, 2.0), 3)
    assert torch.equal(whole[450:520], smooth_noise(7, 350, 70, 50, (0.4, 2.0), 3))
    assert not torch.equal(whole, smooth_noise(8, -100, 3000, 50, (0.4, 2.0), 3))
    steps = (whole[1:] - whole[:-1]).square().mean(0)
    assert (steps[:3] > 3 * steps[3:].max()).all(), "the first scale is the quicker one"
    long = smooth_noise(1, 0, 100_000, 50, (0.4,), 2)
    assert torch.allclose(long.std(0), torch.ones(2), atol=0.05) and long.mean(0).abs().max() < 0.05
    numbers = uniform_noise(7, -10, 500)
    assert np.array_equal(numbers[200:300], uniform_noise(7, 190, 100)) and 0 <= numbers.min() < numbers.max() < 1


def test_interpolation_in_time():
    values = torch.arange(5.0)[None, :, None]
    found = sample_at(values, torch.tensor([[-1.0, 0.5, 3.75, 4.0, 9.0]]))
    assert found[0, :, 0].tolist() == [0.0, 0.5, 3.75, 4.0, 4.0]


def test_wrong_configurations_are_refused():
    for changes, message in (
        ({"kernel_size": 4}, "odd"),
        ({"frame_rate": 30}, "no multiple"),
        ({"encoder": {"hidden_size": 4}}, "model_type"),
    ):
        with pytest.raises(StrictDataclassError, match=message):
            AdaATMotionConfig(**changes)


def test_only_models_without_an_encoder_become_graphs():
    assert exportable(tiny_motion()) and not exportable(
        tiny_motion(encoder=Wav2Vec2Config(**TINY_ENCODER).to_diff_dict())
    )
