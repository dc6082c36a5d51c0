"""Sound features: levels, rates, batches, windows, saving."""

import numpy as np
import pytest
import torch
from sounds import tone
from transformers import AutoFeatureExtractor

from adaat_hf import AdaATFeatureExtractor, AdaATMotionConfig


def test_quiet_and_loud_recordings_give_the_same_features():
    extractor, sound = AdaATFeatureExtractor(), tone(1.0)
    loud, quiet = (extractor(gain * sound, return_tensors="pt")["input_features"] for gain in (1.0, 0.05))
    assert loud.shape == (1, 101, 80)
    assert (loud - quiet).abs().max() < 0.02
    assert loud.min() == -1.5 and loud.max() < 3


def test_silence_is_not_blown_up():
    features = AdaATFeatureExtractor()(np.zeros(8000, np.float32), return_tensors="pt")["input_features"]
    assert (features == -1.5).all()


def test_the_right_band_answers():
    extractor = AdaATFeatureExtractor()
    low, high = (
        int(extractor(tone(0.5, frequency=f), return_tensors="pt")["input_features"][0, 25].argmax())
        for f in (200, 4000)
    )
    assert low < 12 and 55 < high < 70


def test_windows_give_the_features_of_the_whole():
    extractor, sound = AdaATFeatureExtractor(), tone(2.0)
    whole = extractor.extract(np.pad(sound, extractor.margin))
    start, stop = 40, 120
    part = extractor.extract(sound[start * 160 - extractor.margin : stop * 160 + extractor.margin])
    assert torch.allclose(part, whole[start : stop + 1], atol=1e-4)


def test_batches_are_padded():
    batch = AdaATFeatureExtractor()([tone(0.5), tone(1.0)], 16_000, return_tensors="pt")
    assert batch["input_features"].shape == (2, 101, 80)
    assert batch["attention_mask"].sum(1).tolist() == [51, 101]


def test_what_does_not_fit_is_refused():
    extractor = AdaATFeatureExtractor()
    with pytest.raises(ValueError, match="44100 Hz, expected 16000"):
        extractor(tone(0.1), sampling_rate=44_100)
    with pytest.raises(ValueError, match="at least one sample"):
        extractor(np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="feature_type is 'mfcc'"):
        AdaATFeatureExtractor(feature_type="mfcc")
    with pytest.raises(ValueError, match="Mel bands"):
        AdaATFeatureExtractor(sampling_rate=8000)


def test_saving_and_loading(tmp_path):
    AdaATFeatureExtractor(40, hop_length=320).save_pretrained(tmp_path)
    AdaATMotionConfig().save_pretrained(tmp_path)
    for kind in (AdaATFeatureExtractor, AutoFeatureExtractor):
        loaded = kind.from_pretrained(tmp_path)
        assert isinstance(loaded, AdaATFeatureExtractor) and (loaded.feature_size, loaded.hop_length) == (40, 320)
