"""Sound features for the motion model: log-mel frames, or the level-adjusted waveform for a transformers encoder."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BatchFeature
from transformers.audio_utils import mel_filter_bank
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor

from .sound import LEVEL_SECONDS, SILENCE_DB, SPEECH_SHARE


FEATURE_TYPES = ("log_mel", "waveform")
# Log-mel values in decibels of full scale become features by (dB - MIDDLE) / SPREAD, which keeps them within about 2.
FLOOR_DB, MIDDLE_DB, SPREAD_DB = -90.0, -60.0, 20.0
MAX_GAIN_DB = 40.0


class AdaATFeatureExtractor(SequenceFeatureExtractor):
    r"""
    Prepares speech for [`AdaATMotionModel`].

    Speech is brought to one level first, so that quiet and loud recordings move the face alike. Frame n of the log-mel
    features is centred at sample `n * hop_length`; silence stands before and after the sound.

    Args:
        feature_size (`int`, *optional*, defaults to 80): Mel bands; 1 for the waveform.
        sampling_rate (`int`, *optional*, defaults to 16000): Hz.
        padding_value (`float`, *optional*, defaults to 0): Fills shorter sounds of a batch.
        feature_type (`str`, *optional*, defaults to `"log_mel"`): `"log_mel"` or `"waveform"`.
        hop_length (`int`, *optional*, defaults to 160): Samples between frames.
        window_length (`int`, *optional*, defaults to 400): Samples per frame (Hann window).
        n_fft (`int`, *optional*, defaults to 512): Points of the Fourier transform.
        min_frequency, max_frequency (`float`, *optional*, default to 60 and 7600): Range of the mel bands in Hz.
        speech_level (`float`, *optional*, defaults to -20): dB of full scale to which speech is brought; 0 for encoders
            that expect a deviation of 1.

    Example:
    ```python
    >>> import numpy as np

    >>> from adaat_hf import AdaATFeatureExtractor

    >>> extractor = AdaATFeatureExtractor()
    >>> features = extractor(np.random.randn(16000).astype("float32"), sampling_rate=16000, return_tensors="pt")
    >>> features["input_features"].shape
    torch.Size([1, 101, 80])
    ```"""

    model_input_names = ["input_features"]

    def __init__(
        self,
        feature_size: int = 80,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        feature_type: str = "log_mel",
        hop_length: int = 160,
        window_length: int = 400,
        n_fft: int = 512,
        min_frequency: float = 60.0,
        max_frequency: float = 7600.0,
        speech_level: float = -20.0,
        **kwargs: Any,
    ) -> None:
        if feature_type not in FEATURE_TYPES:
            raise ValueError(f"feature_type is {feature_type!r}, expected one of {FEATURE_TYPES}.")
        if not hop_length <= window_length <= n_fft:
            raise ValueError(f"Expected hop_length <= window_length <= n_fft: {hop_length}, {window_length}, {n_fft}.")
        if not 0 <= min_frequency < max_frequency <= sampling_rate / 2:
            raise ValueError(f"Mel bands from {min_frequency} to {max_frequency} Hz do not fit {sampling_rate} Hz.")
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.feature_type, self.speech_level = feature_type, speech_level
        self.hop_length, self.window_length, self.n_fft = hop_length, window_length, n_fft
        self.min_frequency, self.max_frequency = min_frequency, max_frequency

    @property
    def margin(self) -> int:
        """Samples on either side of a frame's centre that belong to it."""
        return self.n_fft // 2 if self.feature_type == "log_mel" else 0

    def __call__(
        self,
        raw_speech: np.ndarray | list[float] | list[np.ndarray] | list[list[float]],
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        speech_level: float | None = None,
    ) -> BatchFeature:
        """Features of one or several sounds, shorter ones padded, with an `attention_mask`.

        Args:
            raw_speech: One mono sound (N,), or a list of them.
            sampling_rate (`int`, *optional*): Rate of the sound, to be checked against the extractor's.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`.
            speech_level (`float`, *optional*): Level of the recording in dB, measured here by default.

        Raises:
            ValueError: if the rate is another one, a sound is empty or has several channels.
        """
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(f"The sound has {sampling_rate} Hz, expected {self.sampling_rate}: resample it first.")
        several = isinstance(raw_speech, list) and len(raw_speech) and np.ndim(raw_speech[0]) > 0
        sounds = [np.asarray(sound, np.float32) for sound in (raw_speech if several else [raw_speech])]
        for sound in sounds:
            if sound.ndim != 1 or not len(sound):
                raise ValueError(f"A sound has shape {sound.shape}, expected (samples,) with at least one sample.")
        features = []
        for sound in sounds:
            padded = np.pad(sound * self.gain(speech_level, sound), self.margin)
            features.append(self.extract(padded).numpy())
        return self.pad(BatchFeature({"input_features": features}), padding=True, return_tensors=return_tensors)

    def gain(self, speech_level: float | None, sound: np.ndarray | None = None) -> float:
        """Factor that brings a recording to the extractor's level; noise and silence are not blown up beyond reason."""
        if speech_level is None:
            assert sound is not None
            speech_level = measure_level(sound, self.sampling_rate)
        if speech_level <= SILENCE_DB:
            return 1.0
        limit = MAX_GAIN_DB + max(0.0, self.speech_level + 20.0)
        return float(10 ** (min(self.speech_level - speech_level, limit) / 20))

    def extract(self, samples: np.ndarray) -> Tensor:
        """Features of samples that have the right level and `margin` samples more on either side.

        Args:
            samples (`np.ndarray` of shape (N + 2 * margin,)): float32.

        Returns:
            `Tensor` of shape (N // hop_length + 1, feature_size), or (N, 1) for waveforms.
        """
        waveform = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
        if self.feature_type == "waveform":
            return waveform[:, None]
        window = torch.hann_window(self.window_length)
        spectrum = torch.stft(
            waveform, self.n_fft, self.hop_length, self.window_length, window, center=False, return_complex=True
        )
        # A sine of full scale in one bin has a power of 1.
        power = spectrum.abs().square() * (2 / window.sum()).square()
        mel = torch.from_numpy(self._filters()).T @ power
        decibels = 10 * torch.log10(mel.clamp_min(10 ** (FLOOR_DB / 10)))
        return ((decibels - MIDDLE_DB) / SPREAD_DB).T

    def _filters(self) -> np.ndarray:
        bins = self.n_fft // 2 + 1
        return mel_filter_bank(
            bins, self.feature_size, self.min_frequency, self.max_frequency, self.sampling_rate, mel_scale="htk"
        ).astype(np.float32)


def measure_level(sound: np.ndarray, sampling_rate: int) -> float:
    """Level of the speech in a short sound, as [`measure_sound`] tells it of a file."""
    size = round(LEVEL_SECONDS * sampling_rate)
    frames = sound[: max(1, len(sound) // size) * size].reshape(-1, min(size, len(sound)))
    return float(np.quantile(10 * np.log10(np.square(frames, dtype=np.float64).mean(1) + 1e-12), SPEECH_SHARE))


__all__ = ["AdaATFeatureExtractor"]
