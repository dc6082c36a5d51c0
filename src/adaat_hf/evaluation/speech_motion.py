"""How well motion from sound agrees with what a talking face did: held-out clips, three simple methods to beat."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..expressions import ARKIT_EXPRESSIONS, EXPRESSION_GROUPS
from ..models.modeling_motion import AdaATMotionModel
from ..pipelines.speaking import SpeakingStyle, SpeechMotion
from ..processing.feature_extraction_adaat import AdaATFeatureExtractor, measure_level
from ..processing.keypoints import MOUTH
from ..training.motion_data import clip_coefficients
from ..training.motion_targets import frontal_points, lip_opening, motion_targets
from ..training.packs import PackedClip


JAW_STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.45)
MOTION_HEADINGS = "clips | mouth distance (%) | mean aligned (%) | velocity error (%) | correlation of opening | best offset (frames) | amplitude"
# Offsets at which sound and mouth are compared, in seconds either way.
LARGEST_OFFSET = 0.4
EYE_CORNERS = (36, 45)
MIN_FRAMES = 20


@dataclass(frozen=True)
class TalkingClip:
    """A held-out clip.

    Args:
        key (`str`): Its name.
        face ([`FaceCoefficients`]): Fitted coefficients, unsmoothed.
        landmarks (`Tensor` of shape (T, 96, 2)): As the landmark detector saw them, in pixels.
        rest (`Tensor` of shape (52,)): The expression at rest.
        sound (`np.ndarray` of shape (N,)): From frame 0 on.
        fps (`float`): Frame rate.
    """

    key: str
    face: FaceCoefficients
    landmarks: Tensor
    rest: Tensor
    sound: np.ndarray
    fps: float


@dataclass(frozen=True)
class MotionScores:
    """Scores of one method on one clip; lengths in percent of the outer eye corners' distance.

    Args:
        distance (`float`): Of mouth landmarks from the detected ones, in the frames' own head pose.
        aligned (`float`): The same once the mean error of each landmark over the clip is taken off, so that only the
            motion counts and not how this mouth is held.
        velocity (`float`): Of the landmarks' change from frame to frame.
        correlations (`np.ndarray`): Of predicted and true mouth opening, by offset; see [`correlations`].
        amplitude (`float`): Deviation of the predicted opening by that of the true one.
    """

    distance: float
    aligned: float
    velocity: float
    correlations: np.ndarray
    amplitude: float


def open_clips(clips: Iterable[PackedClip], model: AdaATFaceModel, sampling_rate: int) -> list[TalkingClip]:
    """Read the clips that have sound, a face throughout, and some length."""
    found = []
    for clip in clips:
        if not clip.has_sound:
            continue
        face, fps = clip_coefficients(clip), float(clip.facts["fps"])
        if len(face) >= MIN_FRAMES and bool(face.valid.float().mean() > 0.95):
            rest = motion_targets(face, fps, model).rest
            landmarks = clip.tensors()["points"]
            found.append(TalkingClip(clip.key, face, landmarks, rest, clip.sound(sampling_rate), fps))
    return found


def predict(clip: TalkingClip, model: AdaATMotionModel, extractor: AdaATFeatureExtractor, seed: int = 0) -> Tensor:
    """Expressions (T, 52) that the motion model gives a clip's face, from its rest and its sound."""
    level = measure_level(clip.sound, extractor.sampling_rate)
    rate = Fraction(clip.fps).limit_denominator(100_000)
    motion = SpeechMotion(model, extractor, [clip.sound], level, rate, SpeakingStyle(seed=seed))
    change = torch.cat([part.expression for part in motion])
    return _fit_length(clip.rest + change, len(clip.face)).clamp(0, 1)


def loudness_jaw(clip: TalkingClip, sampling_rate: int, strength: float) -> Tensor:
    """A jaw that opens with the sound's level, from 30 dB below speech level on."""
    size = sampling_rate / clip.fps
    middles = ((np.arange(len(clip.face)) + 0.5) * size).astype(int)
    reach = max(1, int(size))
    parts = [clip.sound[max(0, middle - reach) : middle + reach] for middle in middles]
    decibels = np.array([10 * np.log10(np.mean(np.square(part)) + 1e-9) if len(part) else -90.0 for part in parts])
    loud = np.clip((decibels - (measure_level(clip.sound, sampling_rate) - 30)) / 30, 0, 1)
    expression = clip.rest.expand(len(loud), -1).clone()
    expression[:, ARKIT_EXPRESSIONS.index("jawOpen")] += strength * torch.from_numpy(loud).float()
    return expression.clamp(0, 1)


def other_sentence(clip: TalkingClip, other: TalkingClip) -> Tensor:
    """The mouth motion of another clip of the same length, on this clip's face at rest."""
    change = other.face.expression - other.rest
    positions = torch.arange(len(clip.face)) * (other.fps / clip.fps)
    return (clip.rest + change[positions.long().clamp(max=len(change) - 1)]).clamp(0, 1)


def _fit_length(values: Tensor, frames: int) -> Tensor:
    """Cut, or hold the last frame: a clip's sound may end a little before or after its pictures."""
    return torch.cat([values[:frames], values[-1:].expand(max(0, frames - len(values)), -1)])


def score(clip: TalkingClip, expression: Tensor, model: AdaATFaceModel) -> MotionScores:
    """Score the mouth of a motion (T, 52); the clip's own head pose and upper face are used."""
    mouth = list(EXPRESSION_GROUPS["mouth"])
    whole = clip.face.expression.clone()
    whole[:, mouth] = expression[:, mouth]
    face = FaceCoefficients(**{**vars(clip.face), "expression": whole})
    points = face.project(model)
    seen = clip.face.valid
    unit = (clip.landmarks[:, EYE_CORNERS[0]] - clip.landmarks[:, EYE_CORNERS[1]]).norm(dim=-1)[seen].median()
    error = (points - clip.landmarks)[:, MOUTH][seen] * (100 / unit)
    steps = (error[1:] - error[:-1]).norm(dim=-1)
    predicted = lip_opening(frontal_points(face, model))[seen].numpy()
    true = true_opening(clip)[seen].numpy()
    curve = correlations(predicted, true, round(LARGEST_OFFSET * clip.fps))
    return MotionScores(
        float(error.norm(dim=-1).mean()),
        float((error - error.mean(0)).norm(dim=-1).mean()),
        float(steps.mean()),
        curve,
        float(predicted.std() / max(1e-6, true.std())),
    )


def true_opening(clip: TalkingClip) -> Tensor:
    """Distance of the detected inner lips (T,), across the line through the eyes, in units of the eyes' distance."""
    eyes = clip.landmarks[:, EYE_CORNERS[1]] - clip.landmarks[:, EYE_CORNERS[0]]
    length = eyes.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    down = torch.stack([-eyes[:, 1], eyes[:, 0]], -1) / length
    gaps = clip.landmarks[:, [67, 66, 65]] - clip.landmarks[:, [61, 62, 63]]
    return (gaps * down[:, None]).sum(-1).mean(1) / length[:, 0].median()


def correlations(predicted: np.ndarray, true: np.ndarray, largest: int) -> np.ndarray:
    """Correlation of two curves (T,) when the prediction is taken `-largest` to `largest` frames later; NaN if one is flat."""

    def correlation(shift: int) -> float:
        a = predicted[max(0, shift) : len(predicted) + min(0, shift)]
        b = true[max(0, -shift) : len(true) + min(0, -shift)]
        if len(a) < 5 or a.std() < 1e-6 or b.std() < 1e-6:
            return float("nan")
        return float(np.corrcoef(a, b)[0, 1])

    return np.array([correlation(shift) for shift in range(-largest, largest + 1)])


def summarize(scores: list[MotionScores]) -> dict[str, float]:
    """Means over clips; `offset` is where the mean correlation is highest, in frames (positive: the mouth is late)."""
    known = [item.correlations for item in scores if np.isfinite(item.correlations).all()]
    largest = min((len(curve) // 2 for curve in known), default=0)
    # Clips of other frame rates have longer curves; the middle is offset 0 in all of them.
    curves = np.array([curve[len(curve) // 2 - largest : len(curve) // 2 + largest + 1] for curve in known])
    mean = curves.mean(0) if len(curves) else np.array([float("nan")])
    return {
        "clips": len(scores),
        "distance": float(np.mean([item.distance for item in scores])),
        "aligned": float(np.mean([item.aligned for item in scores])),
        "velocity": float(np.mean([item.velocity for item in scores])),
        "correlation": float(mean[largest]),
        "offset": float(np.argmax(mean) - largest) if len(curves) else float("nan"),
        "amplitude": float(np.mean([item.amplitude for item in scores])),
    }


def motion_cells(row: dict[str, float]) -> str:
    """A row of scores as the cells of a table."""
    cells = [f"{row['clips']:.0f}", f"{row['distance']:.2f}", f"{row['aligned']:.2f}", f"{row['velocity']:.2f}"]
    moves = row["correlation"] == row["correlation"]
    cells += [f"{row['correlation']:.3f}", f"{row['offset']:+.0f}", f"{row['amplitude']:.2f}"] if moves else ["–"] * 3
    return " | ".join(cells)


def evaluate(
    clips: list[TalkingClip], model: AdaATMotionModel, extractor: AdaATFeatureExtractor, face_model: AdaATFaceModel
) -> dict[str, dict[str, float]]:
    """Scores of the motion model and of three methods that learn nothing, on the same clips.

    The mean face is that of the clip itself, and the loudness-driven jaw has the strength that is best on these very clips.
    """
    rate = extractor.sampling_rate
    methods: dict[str, list[Tensor]] = {
        "motion model": [predict(clip, model, extractor) for clip in clips],
        "mean face": [clip.face.expression.mean(0).expand(len(clip.face), -1) for clip in clips],
        "other sentence": [other_sentence(clip, clips[number - 1]) for number, clip in enumerate(clips)],
    }
    scores = {
        name: summarize([score(clip, motion, face_model) for clip, motion in zip(clips, motions, strict=True)])
        for name, motions in methods.items()
    }
    jaws = [
        summarize([score(clip, loudness_jaw(clip, rate, strength), face_model) for clip in clips])
        for strength in JAW_STRENGTHS
    ]
    return {**scores, "loudness-driven jaw": min(jaws, key=lambda found: found["distance"])}
