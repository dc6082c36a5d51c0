"""Sound to motion, chunk by chunk: windows that overlap, so that a sound of any length gives the motion of one pass."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from ..control.talking import BLINKS, MotionChange, blink_amount
from ..models.configuration_motion import EMOTIONS
from ..models.modeling_motion import AdaATMotionModel
from ..models.motion_noise import smooth_noise, uniform_noise
from ..processing.feature_extraction_adaat import AdaATFeatureExtractor


# What an encoder, which looks at all it gets, sees before and after each chunk, and over which chunks are blended.
ENCODER_CONTEXT_SECONDS, ENCODER_BLEND_SECONDS = 1.0, 0.4
# After a blink the next one waits; eyes that stay open for long are likelier to close (Bentivoglio et al., 1997).
SHORTEST_BETWEEN_BLINKS, LONG_WITHOUT_BLINK, LATE_BLINK = 0.7, 5.0, 0.03
# The head starts where it is in the photograph, and loses the difference to its course over this time.
SETTLING_SECONDS = 1.5


@dataclass(frozen=True)
class SpeakingStyle:
    """How something is said.

    Args:
        emotion (`str`, *optional*, defaults to `"neutral"`): `"neutral"`, `"happy"`, `"angry"` or `"surprise"`.
        emotion_strength (`float`, *optional*, defaults to 1): From 0 (neutral) to 2.
        seed (`int`, *optional*, defaults to 0): Another one gives other head motion, gaze and blinks.
    """

    emotion: str = "neutral"
    emotion_strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.emotion not in EMOTIONS:
            raise ValueError(f"The emotion is {self.emotion!r}, expected one of {EMOTIONS}.")
        if not 0 <= self.emotion_strength <= 2:
            raise ValueError(f"The emotion's strength is {self.emotion_strength}, expected a number from 0 to 2.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise ValueError(f"The seed is {self.seed!r}, expected a whole number from 0.")


class SampleWindow:
    """Random access to a sound that is read once, from its start to its end; silence lies outside.

    Args:
        blocks (`Iterable[np.ndarray]`): The sound.
        gain (`float`): Factor for its samples.
    """

    def __init__(self, blocks: Iterable[np.ndarray], gain: float) -> None:
        self._blocks, self._gain = iter(blocks), np.float32(gain)
        self._kept, self._start, self.ended = np.zeros(0, np.float32), 0, False

    @property
    def end(self) -> int:
        """Samples read so far."""
        return self._start + len(self._kept)

    def reach(self, stop: int) -> None:
        """Read on until sample `stop`, or the end of the sound."""
        parts = [self._kept]
        count = self.end
        while count < stop and not self.ended:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            else:
                parts.append(block * self._gain)
                count += len(block)
        self._kept = np.concatenate(parts)

    def get(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop`; those before `start` are not needed any more."""
        self.reach(stop)
        if start > self._start:
            dropped = min(start - self._start, len(self._kept))
            self._kept, self._start = self._kept[dropped:], self._start + dropped
        result = np.zeros(stop - start, np.float32)
        low, high = max(start, self._start), min(stop, self.end)
        if low < high:
            result[low - start : high - start] = self._kept[low - self._start : high - self._start]
        return result


class SpeechMotion:
    """Motion of a face that says what a sound contains. Iterating yields [`MotionChange`] chunks while the sound is read.

    Args:
        model ([`AdaATMotionModel`]): Predicts motion.
        extractor ([`AdaATFeatureExtractor`]): Prepares its input.
        blocks (`Iterable[np.ndarray]`): Mono sound at the extractor's rate; a file or a live source.
        speech_level (`float`): Level of the speech in dB; see [`measure_sound`].
        fps (`Fraction`): Frame rate of the motion.
        style ([`SpeakingStyle`]): Emotion and seed.
        chunk_seconds (`float`, *optional*, defaults to 4): Motion per chunk.
    """

    def __init__(
        self,
        model: AdaATMotionModel,
        extractor: AdaATFeatureExtractor,
        blocks: Iterable[np.ndarray],
        speech_level: float,
        fps: Fraction,
        style: SpeakingStyle,
        chunk_seconds: float = 4.0,
    ) -> None:
        self.model, self.extractor, self.fps, self.style = model, extractor, fps, style
        self.rate = float(model.config.frame_rate)
        self.window = SampleWindow(blocks, extractor.gain(speech_level))
        self.chunk = max(1, round(chunk_seconds * fps))
        encoded = model.config.encoder is not None
        self.context = math.ceil(ENCODER_CONTEXT_SECONDS * self.rate) if encoded else model.context
        self.blend = max(1, round(ENCODER_BLEND_SECONDS * fps)) if encoded else 0
        self._begins: list[float] = []
        self._first_pose: Tensor | None = None

    def __iter__(self) -> Iterator[MotionChange]:
        start, tail = 0, None
        while True:
            # Frames are only made for sound that exists; its end is known once it was reached.
            self.window.reach(self._sample_of(start + self.chunk + self.blend) + 1)
            stop, last = start + self.chunk, False
            if self.window.ended:
                total = frame_count(self.window.end / self.extractor.sampling_rate, self.fps)
                stop, last = min(stop, total), total <= start + self.chunk
            if stop <= start:
                return
            motion = self._predict(start, stop + (0 if last else self.blend))
            if tail is not None:
                motion[: len(tail)] = _crossfade(tail, motion[: len(tail)])
            tail = motion[stop - start :] if self.blend and not last else None
            yield self._finish(motion[: stop - start], start)
            if last:
                return
            start = stop

    def _sample_of(self, frame: int) -> int:
        return math.ceil(frame / self.fps * self.extractor.sampling_rate)

    @torch.no_grad()
    def _predict(self, start: int, stop: int) -> Tensor:
        """Expression and pose (N, 58) of frames `start` to `stop`; finds the blinks that begin there."""
        model = self.model
        moments = torch.arange(start, stop, dtype=torch.float64) / float(self.fps) * self.rate
        first = math.floor(moments[0]) - self.context
        last = math.ceil(moments[-1]) + self.context
        per_frame = round(self.extractor.sampling_rate / self.rate)
        margin = self.extractor.margin
        samples = self.window.get(first * per_frame - margin, last * per_frame + margin)
        features = self.extractor.extract(samples)[None].to(model.device, model.dtype)
        config = model.config
        noise = smooth_noise(
            self.style.seed, first, last - first + 1, self.rate, config.noise_seconds, config.noise_channels
        )  # fmt: skip
        output = model(
            features,
            (moments - first).float()[None].to(model.device),
            noise[None].to(model.device),
            torch.tensor([EMOTIONS.index(self.style.emotion)], device=model.device),
            torch.tensor([self.style.emotion_strength], device=model.device),
        )
        chunk_end = math.ceil(min(stop, start + self.chunk) / float(self.fps) * self.rate)
        self._draw_blinks(output.blinks[0].float().sigmoid().cpu().numpy(), first, math.ceil(moments[0]), chunk_end)
        return torch.cat([output.expression[0], output.pose[0]], -1).float().cpu()

    def _draw_blinks(self, probability: np.ndarray, offset: int, start: int, stop: int) -> None:
        chance = uniform_noise(self.style.seed, start, stop - start)
        for frame, luck in zip(range(start, stop), chance, strict=True):
            time = frame / self.rate
            waited = time - self._begins[-1] if self._begins else time + 1.0
            likely = probability[min(frame - offset, len(probability) - 1)]
            if waited > LONG_WITHOUT_BLINK:
                likely = max(likely, LATE_BLINK)
            if waited >= SHORTEST_BETWEEN_BLINKS and luck < likely:
                self._begins.append(time)

    def _finish(self, motion: Tensor, start: int) -> MotionChange:
        expression, pose = motion.split([motion.shape[1] - 6, 6], 1)
        times = (start + torch.arange(len(motion))) / float(self.fps)
        expression = expression.clone()
        expression[:, BLINKS] += blink_amount(times, self._begins)[:, None]
        self._begins = self._begins[-20:]
        if self._first_pose is None:
            self._first_pose = pose[0].clone()
        settling = torch.exp(-times / SETTLING_SECONDS)[:, None]
        return MotionChange(expression, pose - settling * self._first_pose)


def frame_count(seconds: float, fps: Fraction) -> int:
    """Frames that a sound takes: the last one begins before the sound ends."""
    return max(1, math.ceil(round(seconds * float(fps), 6)))


def _crossfade(before: Tensor, after: Tensor) -> Tensor:
    share = (torch.arange(1, len(before) + 1) / (len(before) + 1))[:, None]
    return torch.lerp(before[: len(after)], after, share[: len(after)])
