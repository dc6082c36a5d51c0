"""Motion of a face from sound: mouth, brows and eyes, head pose, as three heads (paper, reference [13])."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from ..expressions import ARKIT_EXPRESSIONS, EXPRESSION_GROUPS
from .configuration_motion import EMOTIONS, AdaATMotionConfig


UPPER_FACE = (*EXPRESSION_GROUPS["eyes"], *EXPRESSION_GROUPS["brows"])
POSE_SIZE = 6
# Where each of the 52 expressions lies among the outputs of the mouth head, followed by those of the upper face.
_OUTPUTS = (*EXPRESSION_GROUPS["mouth"], *UPPER_FACE)
COLUMNS = [_OUTPUTS.index(number) for number in range(len(ARKIT_EXPRESSIONS))]
# How each emotion holds the face, as action units that define it (EMFACS; Ekman & Friesen, 1983): happiness 6 + 12,
# anger 4 + 5 + 7 + 23, surprise 1 + 2 + 5; none of them keeps the lips from meeting. Labelled clips refine the values.
EMOTION_EXPRESSIONS: dict[str, dict[str, float]] = {
    "happy": {"mouthSmile": 0.5, "cheekSquint": 0.35, "eyeSquint": 0.15, "browOuterUp": 0.1},
    "angry": {"browDown": 0.7, "eyeSquint": 0.25, "noseSneer": 0.3, "mouthFrown": 0.25, "mouthPress": 0.15},
    "surprise": {"browInnerUp": 0.6, "browOuterUp": 0.6, "eyeWide": 0.5},
}


@dataclass
class AdaATMotionOutput(ModelOutput):
    """
    Motion of a face, as a change of the face at rest.

    Args:
        expression (`Tensor` of shape (B, N, 52)): Change of the ARKit-named expressions, without blinks.
        pose (`Tensor` of shape (B, N, 6)): Change of head pose: rotation vector in radians, logarithm of the size, and
            translation in units of the face model (distance of the outer eye corners).
        blinks (`Tensor` of shape (B, T)): Logit of a blink beginning, per internal frame.
    """

    expression: Tensor = cast(Tensor, None)
    pose: Tensor = cast(Tensor, None)
    blinks: Tensor = cast(Tensor, None)


class TemporalBlock(nn.Module):
    """Residual dilated convolution over time; every frame is normalised by itself, so windows agree."""

    def __init__(self, channels: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        padding = dilation * (kernel_size - 1) // 2
        self.conv = nn.Conv1d(channels, channels, kernel_size, padding=padding, dilation=dilation)
        self.mix = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Frames (B, T, C) to frames of the same shape."""
        inner = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.mix(nn.functional.gelu(inner)))


class MotionHead(nn.Module):
    """Two convolutions and a projection; what it predicts may depend on noise besides the sound."""

    radius = 3

    def __init__(self, channels: int, noise: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels + noise, channels, 3, padding=1)
        self.second = nn.Conv1d(channels, channels, 5, padding=2)
        self.project = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Frames (B, T, channels + noise) to (B, T, outputs)."""
        inner = nn.functional.gelu(self.first(x.transpose(1, 2)))
        inner = nn.functional.gelu(self.second(inner))
        return self.project(inner.transpose(1, 2))


class AdaATMotionModel(PreTrainedModel):
    """Turns speech into expression and head motion.

    The mouth follows the sound alone. Brows, gaze and head follow the sound and smooth noise, so that one sentence can be
    spoken with many motions; blinks are drawn from the probability that one begins.

    Args:
        config ([`AdaATMotionConfig`]): Its structure.
    """

    config_class = AdaATMotionConfig
    config: AdaATMotionConfig
    base_model_prefix = "motion"
    main_input_name = "input_features"

    def __init__(self, config: AdaATMotionConfig) -> None:
        super().__init__(config)
        channels = config.hidden_size
        self.encoder = None
        size = config.feature_size
        if config.encoder is not None:
            self.encoder = AutoModel.from_config(config.encoder_config())
            if config.freeze_encoder:
                self.encoder.requires_grad_(False)
            size = int(self.encoder.config.hidden_size)
        stride = 1 if config.encoder is not None else config.stride
        self.input = nn.Conv1d(size, channels, 2 * stride + 1, stride=stride, padding=stride)
        self.emotion_embedding = nn.Embedding(len(EMOTIONS), channels)
        self.layers = nn.ModuleList(
            TemporalBlock(channels, config.kernel_size, dilation, config.dropout) for dilation in config.dilations
        )
        self.norm = nn.LayerNorm(channels)
        self.mouth = MotionHead(channels, 0, len(EXPRESSION_GROUPS["mouth"]))
        self.upper_face = MotionHead(channels, config.noise_size, len(UPPER_FACE))
        self.blink = MotionHead(channels, 0, 1)
        self.pose = MotionHead(channels, config.noise_size, POSE_SIZE)
        self.emotion_expression = nn.Parameter(torch.zeros(len(EMOTIONS), len(ARKIT_EXPRESSIONS)))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self.emotion_embedding:
            init.zeros_(self.emotion_embedding.weight)
        if module is self:
            init.copy_(self.emotion_expression, emotion_expressions())

    @classmethod
    def from_pretrained_encoder(cls, encoder: str, **config: Any) -> "AdaATMotionModel":
        """An untrained motion model on a trained speech encoder.

        Args:
            encoder (`str`): Hub id or folder of a transformers speech encoder (wav2vec 2.0, HuBERT, WavLM, ...).
            config: Fields of [`AdaATMotionConfig`].
        """
        trained = AutoModel.from_pretrained(encoder, dtype=torch.float32)
        model = cls(AdaATMotionConfig(encoder=trained.config.to_diff_dict(), **config))
        assert model.encoder is not None
        model.encoder.load_state_dict(trained.state_dict())
        return model

    @property
    def context(self) -> int:
        """Internal frames on either side that a frame's motion depends on (without an encoder, which sees everything)."""
        reach = sum(self.config.dilations) * (self.config.kernel_size - 1) // 2
        return reach + MotionHead.radius + 1

    def encode(
        self, input_features: Tensor, emotion: Tensor | None = None, emotion_strength: Tensor | None = None
    ) -> Tensor:
        """What the sound says, per internal frame: (B, T, C); arguments as in `forward`."""
        if self.encoder is not None:
            features = self._encoded(input_features)
        else:
            features = input_features
        hidden = self.input(features.transpose(1, 2)).transpose(1, 2)
        if emotion is not None:
            hidden = hidden + self._emotional(self.emotion_embedding.weight, emotion, emotion_strength)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.norm(hidden)

    def _encoded(self, waveform: Tensor) -> Tensor:
        """The encoder's hidden states, resampled to the internal frame rate."""
        assert self.encoder is not None
        frames = round(waveform.shape[1] * self.config.frame_rate / self.config.sampling_rate)
        hidden = self.encoder(waveform[..., 0]).last_hidden_state
        return nn.functional.interpolate(hidden.transpose(1, 2), size=frames, mode="linear").transpose(1, 2)

    def _emotional(self, table: Tensor, emotion: Tensor, strength: Tensor | None) -> Tensor:
        """Rows of a table by emotion, times the strength: (B, 1, D). Neutral changes nothing."""
        amount = (emotion != 0).to(table.dtype)
        if strength is not None:
            amount = amount * strength.to(table.dtype)
        return (table[emotion] * amount[:, None])[:, None]

    def move(
        self,
        hidden: Tensor,
        times: Tensor,
        noise: Tensor,
        emotion: Tensor | None = None,
        emotion_strength: Tensor | None = None,
    ) -> AdaATMotionOutput:
        """The three heads; `hidden` comes from [`~AdaATMotionModel.encode`], the rest as in `forward`."""
        frames = hidden.shape[1]
        both = torch.cat([hidden, noise[:, :frames].to(hidden.dtype)], -1)
        expression = torch.cat([self.mouth(hidden), self.upper_face(both)], -1)[..., COLUMNS]
        if emotion is not None:
            expression = expression + self._emotional(self.emotion_expression, emotion, emotion_strength)
        motion = sample_at(torch.cat([expression, self.pose(both)], -1).float(), times)
        expression, pose = motion.split([len(ARKIT_EXPRESSIONS), POSE_SIZE], -1)
        return AdaATMotionOutput(expression, pose, self.blink(hidden)[..., 0])

    @can_return_tuple
    def forward(
        self,
        input_features: Tensor,
        times: Tensor,
        noise: Tensor,
        emotion: Tensor | None = None,
        emotion_strength: Tensor | None = None,
    ) -> AdaATMotionOutput:
        """Predict motion.

        Args:
            input_features (`Tensor` of shape (B, F, feature_size)): Log-mel frames of [`AdaATFeatureExtractor`]; with an
                encoder, its waveform (B, samples, 1).
            times (`Tensor` of shape (B, N)): Moments at which motion is wanted, in internal frames from the first
                feature on.
            noise (`Tensor` of shape (D * B, T, noise_size)): See [`smooth_noise`]; one row per internal frame. With D > 1,
                D motions are drawn for each sound, one batch after the other.
            emotion (`Tensor` of shape (B,), *optional*): Index into [`EMOTIONS`]; neutral by default.
            emotion_strength (`Tensor` of shape (B,), *optional*): 0 is neutral, 1 (the default) the emotion.
        """
        hidden = self.encode(input_features, emotion, emotion_strength)
        draws = len(noise) // len(hidden)
        if draws > 1:
            hidden, times = hidden.repeat(draws, 1, 1), times.repeat(draws, 1)
            emotion = None if emotion is None else emotion.repeat(draws)
            emotion_strength = None if emotion_strength is None else emotion_strength.repeat(draws)
        return self.move(hidden, times, noise, emotion, emotion_strength)


def sample_at(values: Tensor, times: Tensor) -> Tensor:
    """Linear interpolation of values (B, T, D) at times (B, N) in frames; ends are held."""
    last = values.shape[1] - 1
    times = times.clamp(0, last)
    before = times.floor().long().clamp(max=max(0, last - 1))
    after = (before + 1).clamp(max=last)
    share = (times - before).to(values.dtype)[..., None]
    pick = [torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[2])) for index in (before, after)]
    return torch.lerp(pick[0], pick[1], share)


def emotion_expressions() -> Tensor:
    """The table (4, 52) that `emotion_expression` starts from."""
    table = torch.zeros(len(EMOTIONS), len(ARKIT_EXPRESSIONS))
    for emotion, units in EMOTION_EXPRESSIONS.items():
        for column, name in enumerate(ARKIT_EXPRESSIONS):
            stem = name.removesuffix("Left").removesuffix("Right")
            table[EMOTIONS.index(emotion), column] = units.get(stem, 0.0)
    return table


__all__ = ["AdaATMotionModel", "AdaATMotionOutput"]
