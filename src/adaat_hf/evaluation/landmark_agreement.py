"""How well a landmark detector agrees with its teacher on pictures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch

from ..models.limbs import body_size
from ..processing.body_keypoints import BodyKeypoints
from ..processing.boxes import intersection_over_union
from ..processing.landmarks import FaceLandmarks, Landmarks


# Two detections are the same face or body if their boxes overlap this much.
SAME = 0.3
Found = TypeVar("Found", bound=Landmarks)


class Detector(Protocol[Found]):
    """A [`FaceLandmarker`] or [`BodyDetector`]."""

    def detect(self, frames: np.ndarray) -> list[list[Found]]:
        """All that is found in every frame (N, H, W, 3)."""
        ...


@dataclass
class LandmarkAgreement:
    """
    Counts and errors gathered over pictures.

    Args:
        errors (`list[float]`): Error of every face or body that both found.
        lost (`int`): Those of the teacher that the detector missed.
        extra (`int`): Those of the detector that the teacher does not have.
    """

    errors: list[float] = field(default_factory=list)
    lost: int = 0
    extra: int = 0

    @property
    def count(self) -> int:
        """How many the teacher found."""
        return len(self.errors) + self.lost

    def summary(self) -> dict[str, float]:
        """`count`, `error` (mean), `error_median`, `error_p90`, `lost` (share) and `extra` (count)."""
        errors = np.array(self.errors or [np.nan])
        return {
            "count": self.count,
            "error": float(errors.mean()),
            "error_median": float(np.median(errors)),
            "error_p90": float(np.quantile(errors, 0.9)),
            "lost": self.lost / max(self.count, 1),
            "extra": self.extra,
        }


def normalised_mean_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of points (96, 2) in units of the distance of the outer eye corners (iBUG 37 and 46)."""
    unit = np.linalg.norm(truth[36] - truth[45])
    return float(np.linalg.norm(found - truth, axis=-1).mean() / unit)


def face_error(found: FaceLandmarks, truth: FaceLandmarks) -> float:
    """See [`normalised_mean_error`]."""
    return normalised_mean_error(found.as_face96()[0], truth.as_face96()[0])


def body_error(found: BodyKeypoints, truth: BodyKeypoints) -> float:
    """Mean distance of the 18 points that both see, in units of the body's size (from hips to shoulders); NaN without any."""
    (points, seen), (wanted, visible) = found.as_body18(), truth.as_body18()
    both = (seen > 0) & (visible > 0)
    if not both.any():
        return float("nan")
    unit = float(body_size(torch.from_numpy(wanted)[None], torch.from_numpy(visible)[None]))
    return float(np.linalg.norm(points - wanted, axis=-1)[both].mean() / unit)


def compare_detectors(
    pictures: Iterable[np.ndarray],
    detector: Detector[Found],
    teacher: Detector[Found],
    error: Callable[[Found, Found], float],
    min_size: float = 80,
) -> LandmarkAgreement:
    """Compare two detectors of faces or bodies on pictures (H, W, 3), uint8.

    Args:
        pictures: Pictures, one at a time.
        detector, teacher: The detector in question, and the one that counts as the truth.
        error (`Callable`): [`face_error`] or [`body_error`].
        min_size (`float`, *optional*, defaults to 80): Smaller ones of the teacher are ignored, in pixels.
    """
    result = LandmarkAgreement()
    for picture in pictures:
        wanted = [truth for truth in teacher.detect(picture[None])[0] if truth.size >= min_size]
        found = detector.detect(picture[None])[0]
        for truth in wanted:
            match = _same(truth, found)
            if match is None:
                result.lost += 1
            else:
                result.errors.append(error(match, truth))
        result.extra += sum(one.size >= min_size and _same(one, wanted) is None for one in found)
    return result


def _same(one: Landmarks, others: Sequence[Found]) -> Found | None:
    overlaps = [intersection_over_union(np.array(one.box), np.array(other.box)) for other in others]
    best = int(np.argmax(overlaps)) if overlaps else -1
    return others[best] if overlaps and overlaps[best] >= SAME else None
