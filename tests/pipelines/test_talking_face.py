"""Talking face from every kind of sound to a video, and what goes wrong before anything is rendered."""

import shutil

import numpy as np
import pytest
import torch
from conftest import MODERN, tiny_config
from sounds import lag, tone, write_sound

from adaat_hf import (
    AdaATFeatureExtractor,
    AdaATGenerator,
    AdaATImageProcessor,
    AdaATMotionConfig,
    AdaATMotionModel,
    FaceReenactmentPipeline,
    MotionTemplate,
    NoFaceError,
    SoundError,
    TalkingFacePipeline,
    VideoReader,
    VideoWriter,
)
from adaat_hf.processing.sound import load_sound


@pytest.fixture(scope="module")
def talker(face_model, landmark_networks) -> TalkingFacePipeline:
    torch.manual_seed(0)
    generator = AdaATGenerator(tiny_config(**MODERN)).eval()
    motion = AdaATMotionModel(AdaATMotionConfig(hidden_size=16, dilations=(1, 2))).eval()
    pipeline = TalkingFacePipeline(
        generator, face_model, AdaATImageProcessor(), motion, AdaATFeatureExtractor(), landmark_networks
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def voice(tmp_path):
    return write_sound(tmp_path / "voice.wav", tone(0.9), 16_000, "pcm_s16le")


def test_a_video_with_the_sound(talker, portrait, voice, tmp_path):
    out = tmp_path / "out.mp4"
    result = talker(portrait, voice, output=out)
    frames = list(VideoReader(out))
    assert len(frames) == result.statistics.frames == 23 and result.fps == 25
    assert frames[0].shape == portrait.shape
    sound = load_sound(out, video_time=True)
    assert abs(lag(sound, tone(0.9))) <= 8 and abs(len(sound) / 16_000 - 0.92) < 0.05


@pytest.mark.parametrize(("name", "codec", "rate"), [("a.mp3", "libmp3lame", 44_100), ("a.m4a", "aac", 48_000)])
def test_compressed_sound(talker, portrait, tmp_path, name, codec, rate):
    path = write_sound(tmp_path / name, tone(0.5), rate, codec, "stereo")
    assert 13 <= talker(portrait, path, crop_only=True).statistics.frames <= 15


def test_sound_of_a_video_and_arrays(talker, portrait, driving_clip, tmp_path):
    assert talker(portrait, driving_clip, crop_only=True).statistics.frames in (15, 16), "0.6 s of sound"
    stereo = np.stack([tone(0.4, 48_000)] * 2, 1)
    result = talker(portrait, (stereo, 48_000), crop_only=True, fps=10)
    assert len(result.frames) == 4 and result.frames[0].size == (256, 256)
    saved = result.save(tmp_path / "array.mp4")
    assert abs(lag(load_sound(saved, video_time=True), tone(0.4))) <= 8


def test_the_seed_and_the_head_motion(talker, portrait, voice, short_motion, tmp_path):
    def clip(**options):
        return np.stack([np.asarray(frame) for frame in talker(portrait, voice, crop_only=True, **options).frames])

    first = clip(seed=3)
    assert np.array_equal(first, clip(seed=3)) and not np.array_equal(first, clip(seed=4))
    still = clip(head_motion="none", strengths={"eyes": 0, "brows": 0, "mouth": 0})
    assert np.abs(still[0].astype(int) - still[-1]).max() <= 1, "nothing moves, but for rounding within a batch"
    borrowed = clip(head_motion=short_motion.save(tmp_path / "m.safetensors"), strengths={"mouth": 0})
    assert not np.array_equal(borrowed[0], borrowed[8])


def test_emotions_reach_the_picture(talker, portrait, voice):
    options = {"crop_only": True, "head_motion": "none", "fps": 5}
    pictures = [
        np.asarray(talker(portrait, voice, emotion=emotion, **options).frames[2], int)
        for emotion in ("neutral", "happy", "surprise")
    ]
    happy, surprised = (np.abs(picture - pictures[0]) for picture in pictures[1:])
    assert happy.max() > 30 and surprised.max() > 30
    assert surprised[60:110].mean() > happy[60:110].mean(), "brows rise in surprise"


def test_sizes(talker, portrait, voice):
    for size in (128, 512):
        assert talker(portrait, voice, size=size, fps=3, crop_only=True).frames[0].size == (size, size)
    whole = talker(portrait, voice, size=128, fps=3)
    assert whole.frames[0].size == portrait.shape[1::-1]


def test_recorded_performances(talker, portrait, short_motion, voice, tmp_path):
    template = short_motion.save(tmp_path / "motion.safetensors")
    result = talker(portrait, performance=template, crop_only=True)
    assert len(result.frames) == 8 and result.fps == 10 and result.sound_from is None
    out = tmp_path / "out.mp4"
    result = talker(portrait, voice, performance=MotionTemplate.load(template), fps=20, output=out)
    assert result.statistics.frames == 16 and result.fps == 20
    assert len(load_sound(out)) > 10_000, "its sound is added"
    table = tmp_path / "face.csv"
    table.write_text("jawOpen,mouthClose,HeadYaw\n" + "0.1,0,0\n0.5,0,0.1\n0.9,0,0.2\n", encoding="utf-8")
    result = talker(portrait, performance=table, crop_only=True)
    assert len(result.frames) == 3 and result.fps == 60
    reenact = FaceReenactmentPipeline(talker.generator, talker.face_model, talker.image_processor, talker.landmarker)
    reenact.set_progress_bar_config(disable=True)
    assert len(reenact(portrait, table, crop_only=True).frames) == 3


def test_text_becomes_speech(talker, portrait, tmp_path):
    """A tiny random VITS model speaks; the words are noise, but the way is the real one."""
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    vocabulary = tmp_path / "vocab.json"
    letters = "abcdefghijklmnopqrstuvwxyz '"
    vocabulary.write_text("{" + ", ".join(f'"{c}": {n}' for n, c in enumerate(["<pad>", *letters])) + "}")
    config = VitsConfig(
        vocab_size=len(letters) + 1, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16,
        flow_size=8, spectrogram_bins=9, upsample_initial_channel=16, upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]],
        prior_encoder_num_wavenet_layers=1, posterior_encoder_num_wavenet_layers=1, depth_separable_num_layers=1,
        duration_predictor_flow_bins=4, duration_predictor_num_flows=2, prior_encoder_num_flows=2,
    )  # fmt: skip
    folder = tmp_path / "voice"
    VitsModel(config).save_pretrained(folder)
    VitsTokenizer(str(vocabulary), normalize=True, phonemize=False, pad_token="<pad>").save_pretrained(folder)
    result = talker(portrait, text="hello you", voice=str(folder), crop_only=True, fps=10)
    assert len(result.frames) >= 1
    saved = result.save(tmp_path / "spoken.mp4")
    assert np.abs(load_sound(saved)).max() > 0.01


def test_saving_and_loading(talker, portrait, voice, tmp_path):
    talker.save_pretrained(tmp_path / "pipe")
    loaded = TalkingFacePipeline.from_pretrained(tmp_path / "pipe")
    loaded.set_progress_bar_config(disable=True)
    one, two = (np.asarray(pipe(portrait, voice, fps=4, crop_only=True).frames[1], int) for pipe in (talker, loaded))
    assert np.abs(one - two).max() <= 1
    assert type(FaceReenactmentPipeline.from_pretrained(tmp_path / "pipe")) is FaceReenactmentPipeline
    shutil.rmtree(tmp_path / "pipe" / "motion_model")
    with pytest.raises(ValueError, match="motion_model"):
        TalkingFacePipeline.from_pretrained(tmp_path / "pipe")


def test_bad_input_is_refused_before_rendering(talker, portrait, voice, tmp_path, monkeypatch):
    monkeypatch.setattr(talker, "paint", lambda *a, **k: pytest.fail("rendered"))
    silent = write_sound(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16_000, "pcm_s16le")
    text = tmp_path / "text.mp3"
    text.write_text("no sound at all\n" * 99)
    with VideoWriter(tmp_path / "mute.mp4", 25, 32, 32) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    blank = np.full((200, 200, 3), 128, np.uint8)
    for error, message, source, options in (
        (SoundError, "is silent", portrait, {"sound": silent}),
        (SoundError, "cannot be read as sound", portrait, {"sound": text}),
        (SoundError, "no sound track", portrait, {"sound": tmp_path / "mute.mp4"}),
        (FileNotFoundError, "nowhere.wav", portrait, {"sound": tmp_path / "nowhere.wav"}),
        (NoFaceError, "No face", blank, {"sound": voice}),
        (ValueError, "emotion is 'bored'", portrait, {"sound": voice, "emotion": "bored"}),
        (ValueError, "expected at least one word", portrait, {"text": "  "}),
        (ValueError, "none of them", portrait, {}),
        (ValueError, "sound and text", portrait, {"sound": voice, "text": "hello"}),
        (ValueError, "multiple of 32", portrait, {"sound": voice, "size": 250}),
        (ValueError, "frame rate is 0", portrait, {"sound": voice, "fps": 0}),
        (ValueError, "strength of mouth", portrait, {"sound": voice, "strengths": {"mouth": 9}}),
        (ValueError, r"shape \(0,\)", portrait, {"sound": (np.zeros(0), 16_000)}),
        (ValueError, "does not exist", portrait, {"sound": voice, "output": tmp_path / "no" / "out.mp4"}),
        (FileNotFoundError, "nowhere.mp4", portrait, {"sound": voice, "head_motion": tmp_path / "nowhere.mp4"}),
    ):
        with pytest.raises(error, match=message):
            talker(source, **options)


def test_clipped_sound_works_with_a_warning(talker, portrait, tmp_path):
    loud = write_sound(tmp_path / "loud.wav", np.clip(6 * tone(0.5), -1, 1), 16_000, "pcm_s16le")
    with pytest.warns(UserWarning, match="clipped"):
        assert len(talker(portrait, loud, fps=4, crop_only=True).frames) == 2


def test_nothing_is_left_of_a_broken_run(talker, portrait, voice, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        talker(portrait, voice, output=tmp_path / "out.mp4", callback_on_step_end=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["voice.wav"]
