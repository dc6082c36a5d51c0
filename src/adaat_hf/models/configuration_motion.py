"""Configuration of the model that turns sound into motion of the face."""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig


EMOTIONS = ("neutral", "happy", "angry", "surprise")


@strict
class AdaATMotionConfig(PreTrainedConfig):
    r"""
    Configuration of [`AdaATMotionModel`].

    Args:
        feature_size (`int`, *optional*, defaults to 80): Mel bands of the sound features; ignored with an encoder.
        feature_rate (`float`, *optional*, defaults to 100): Log-mel frames per second.
        sampling_rate (`int`, *optional*, defaults to 16000): Hz of the sound.
        encoder (`dict`, *optional*): Configuration of a transformers speech encoder (`model_type` `"wav2vec2"`,
            `"hubert"`, ...) that reads the waveform in place of log-mel features.
        freeze_encoder (`bool`, *optional*, defaults to `True`): Do not train the encoder.
        frame_rate (`float`, *optional*, defaults to 50): Internal frames per second.
        hidden_size (`int`, *optional*, defaults to 160): Channels.
        kernel_size (`int`, *optional*, defaults to 3): Frames that a convolution sees, times its dilation.
        dilations (`tuple[int, ...]`, *optional*): One residual layer each.
        dropout (`float`, *optional*, defaults to 0.1): During training.
        noise_seconds (`tuple[float, ...]`, *optional*): Time scales of the noise that head, brows and gaze follow.
        noise_channels (`int`, *optional*, defaults to 4): Noise channels per time scale.
    """

    model_type = "adaat_motion"

    feature_size: int = 80
    feature_rate: int | float = 100.0
    sampling_rate: int = 16_000
    encoder: dict[str, Any] | None = None
    freeze_encoder: bool = True
    frame_rate: int | float = 50.0
    hidden_size: int = 160
    kernel_size: int = 3
    dilations: list[int] | tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8, 1, 2)
    dropout: int | float = 0.1
    noise_seconds: list[float] | tuple[float, ...] = (0.4, 1.0, 2.5, 6.0)
    noise_channels: int = 4

    def validate_structure(self) -> None:
        """Check the fields against each other."""
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}, expected an odd number.")
        if self.feature_rate % self.frame_rate:
            raise ValueError(f"feature_rate {self.feature_rate} is no multiple of frame_rate {self.frame_rate}.")
        if self.encoder is not None and "model_type" not in self.encoder:
            raise ValueError(f"encoder has the keys {sorted(self.encoder)}, expected 'model_type' among them.")

    @property
    def stride(self) -> int:
        """Log-mel frames per internal frame."""
        return round(self.feature_rate / self.frame_rate)

    @property
    def noise_size(self) -> int:
        """All noise channels."""
        return len(self.noise_seconds) * self.noise_channels

    def encoder_config(self) -> PreTrainedConfig:
        """The encoder's configuration as an object of its class."""
        assert self.encoder is not None
        values = dict(self.encoder)
        return AutoConfig.for_model(values.pop("model_type"), **values)


__all__ = ["EMOTIONS", "AdaATMotionConfig"]
