"""Windows of talking clips: sound features and the motion that belongs to them."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..models.configuration_motion import EMOTIONS, AdaATMotionConfig
from ..processing.feature_extraction_adaat import FLOOR_DB, MIDDLE_DB, SPREAD_DB, AdaATFeatureExtractor, measure_level
from .motion_targets import MotionTargets, motion_targets
from .packs import PackedClip
from .pair_maker import COEFFICIENTS


# Targets have this many frames per second, a divisor of the model's internal rate.
TARGET_RATE = 25.0
# Motion near a cut inside a clip depends on sound that the window does not hold.
CUT_SECONDS = 0.3
FLOOR = (FLOOR_DB - MIDDLE_DB) / SPREAD_DB
SPEEDS = (0.85, 1.18)
EMOTION = "emotion"


class MotionDataset(Dataset):
    """Endless windows; item number n is always the same for the same seed, so that a run can be resumed exactly.

    Items are dictionaries: `input_features` (F, feature_size) or (samples, 1); `expression` (N, 52), `pose` (N, 6),
    `opening` (N,) and `weight` (N,), which is 0 outside the clip; `steady` (N,), which is 0 also in blinks; `blinks` (T,),
    1 where one begins, and `blink_weight` (T,) at the internal rate; `emotion`.

    Args:
        clips (`list[PackedClip]`): Clips with sound.
        weights (`np.ndarray`): Their probabilities.
        face_model ([`AdaATFaceModel`]): What the coefficients belong to.
        extractor ([`AdaATFeatureExtractor`]): Makes sound features.
        config ([`AdaATMotionConfig`]): The model's structure.
        seconds (`float`, *optional*, defaults to 3): Length of the windows.
        augment (`bool`, *optional*, defaults to `True`): Change speed with pitch, level, noise and band width.
        seed (`int`, *optional*, defaults to 0): Of all random choices.
    """

    def __init__(
        self,
        clips: list[PackedClip],
        weights: np.ndarray,
        face_model: AdaATFaceModel,
        extractor: AdaATFeatureExtractor,
        config: AdaATMotionConfig,
        *,
        seconds: float = 3.0,
        augment: bool = True,
        seed: int = 0,
    ) -> None:
        self.clips, self.face_model, self.extractor, self.config = clips, face_model, extractor, config
        self.seconds, self.augment, self.seed = seconds, augment, seed
        self._cumulative = np.cumsum(weights)
        self._clip = lru_cache(maxsize=2000)(self._load_clip)

    def _load_clip(self, number: int) -> tuple[np.ndarray, MotionTargets, float]:
        clip = self.clips[number]
        sound = clip.sound(self.extractor.sampling_rate)
        level = measure_level(sound, self.extractor.sampling_rate)
        targets = motion_targets(clip_coefficients(clip), clip.facts["fps"], self.face_model)
        return sound * np.float32(self.extractor.gain(level)), targets, float(clip.facts["fps"])

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, number))
        index = int(np.searchsorted(self._cumulative, random.random() * self._cumulative[-1]))
        sound, targets, fps = self._clip(index)
        speed = float(random.uniform(*SPEEDS)) if self.augment else 1.0
        length = len(targets) / fps / speed
        start = float(random.uniform(0, max(0.0, length - self.seconds))) if self.augment else 0.0
        item = self._targets(targets, fps * speed, start, length)
        samples = self._sound(sound, speed, start)
        if self.augment:
            samples = _disturb(samples, random)
        features = self.extractor.extract(np.pad(samples, self.extractor.margin))
        if self.augment and self.extractor.feature_type == "log_mel":
            features = _hide_bands(features, random)
        emotion = self.clips[index].facts.get(EMOTION) or EMOTIONS[0]
        return {**item, "input_features": features, "emotion": torch.tensor(EMOTIONS.index(emotion))}

    def _sound(self, sound: np.ndarray, speed: float, start: float) -> np.ndarray:
        """The window's samples, silence after the end."""
        rate = self.extractor.sampling_rate
        positions = (start * rate + np.arange(round(self.seconds * rate))) * speed
        return np.interp(positions, np.arange(len(sound)), sound, right=0.0).astype(np.float32)

    def _targets(self, targets: MotionTargets, fps: float, start: float, length: float) -> dict[str, Tensor]:
        moments = start + np.arange(round(self.seconds * TARGET_RATE)) / TARGET_RATE
        frames = torch.from_numpy(moments * fps)
        nearest = frames.round().long().clamp(0, len(targets) - 1)
        inside = torch.from_numpy(moments <= length - 1 / fps) & targets.valid[nearest]
        if start > 0:
            inside &= torch.from_numpy(moments - start > CUT_SECONDS)
        if start + self.seconds < length:
            inside &= torch.from_numpy(start + self.seconds - moments > CUT_SECONDS)
        whole = torch.cat([targets.expression, targets.pose, targets.opening[:, None]], 1)
        before = frames.floor().long().clamp(0, len(targets) - 1)
        after = (before + 1).clamp(max=len(targets) - 1)
        values = torch.lerp(whole[before], whole[after], (frames - before).clamp(0, 1).float()[:, None])
        expression, pose, opening = values.split([52, 6, 1], 1)
        internal = round(self.seconds * self.config.frame_rate)
        begins = torch.zeros(internal)
        at = ((targets.blinks / fps - start) * self.config.frame_rate).round().long()
        begins[at[(at >= 0) & (at < internal)]] = 1
        weight = inside.float()
        return {
            "expression": expression,
            "pose": pose,
            "opening": opening[:, 0],
            "weight": weight,
            "steady": weight * ~targets.blinking[nearest],
            "blinks": begins,
            "blink_weight": weight.repeat_interleave(internal // len(weight)),
        }


def clip_coefficients(clip: PackedClip) -> FaceCoefficients:
    """The face-model coefficients of a packed clip."""
    tensors = clip.tensors()
    return FaceCoefficients(**{name: tensors[name] for name in COEFFICIENTS})


def clips_with_sound(clips: list[PackedClip]) -> list[PackedClip]:
    """Those that can be used here.

    Raises:
        ValueError: if there is none, or one is labelled with an unknown emotion.
    """
    found = [clip for clip in clips if clip.has_sound]
    if not found:
        raise ValueError(f"None of the {len(clips)} clips has sound; prepare clips whose videos have a sound track.")
    for clip in found:
        emotion: Any = clip.facts.get(EMOTION) or EMOTIONS[0]
        if emotion not in EMOTIONS:
            raise ValueError(f"The clip {clip.key!r} is labelled {emotion!r}, expected one of {EMOTIONS}.")
    return found


def _disturb(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Another level and, often, background noise; both also where nobody speaks."""
    samples = samples * np.float32(10 ** (random.uniform(-5, 5) / 20))
    if random.random() < 0.5:
        noise = random.standard_normal(len(samples)).astype(np.float32)
        if random.random() < 0.5:
            noise = np.convolve(noise, np.full(8, 1 / 3, np.float32), "same")
        samples = samples + noise * np.float32(10 ** (random.uniform(-75, -38) / 20))
    return samples


def _hide_bands(features: Tensor, random: np.random.Generator) -> Tensor:
    """Telephone sound now and then, and the masked bands of SpecAugment (Park et al., 2019)."""
    features = features.clone()
    bands = features.shape[1]
    if random.random() < 0.15:
        features[:, int(random.integers(bands // 2, bands)) :] = FLOOR
    if random.random() < 0.3:
        width = int(random.integers(1, bands // 10 + 2))
        first = int(random.integers(0, bands - width))
        features[:, first : first + width] = features[:, first : first + width].mean()
    return features
