"""How well a landmark detector agrees with its teacher on pictures."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..processing.boxes import intersection_over_union
from ..processing.landmarks import FaceLandmarker, FaceLandmarks


# Two detections are the same face if their boxes overlap this much.
SAME_FACE = 0.3


@dataclass
class LandmarkAgreement:
    """
    Counts and errors gathered over pictures.

    Args:
        errors (`list[float]`): Normalised mean error of every face that both found.
        lost (`int`): Faces of the teacher that the detector missed.
        extra (`int`): Faces of the detector that the teacher does not have.
    """

    errors: list[float] = field(default_factory=list)
    lost: int = 0
    extra: int = 0

    @property
    def faces(self) -> int:
        """Faces that the teacher found."""
        return len(self.errors) + self.lost

    def summary(self) -> dict[str, float]:
        """`faces`, `nme` (mean), `nme_median`, `nme_p90`, `lost` (share of faces) and `extra` (count)."""
        errors = np.array(self.errors or [np.nan])
        return {
            "faces": self.faces,
            "nme": float(errors.mean()),
            "nme_median": float(np.median(errors)),
            "nme_p90": float(np.quantile(errors, 0.9)),
            "lost": self.lost / max(self.faces, 1),
            "extra": self.extra,
        }


def normalised_mean_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of points (96, 2) in units of the distance of the outer eye corners (iBUG 37 and 46)."""
    unit = np.linalg.norm(truth[36] - truth[45])
    return float(np.linalg.norm(found - truth, axis=-1).mean() / unit)


def compare_landmarkers(
    pictures: Iterable[np.ndarray], landmarker: FaceLandmarker, teacher: FaceLandmarker, min_size: float = 80
) -> LandmarkAgreement:
    """Compare two detectors on pictures (H, W, 3), uint8.

    Args:
        pictures: Pictures, one at a time.
        landmarker, teacher (`FaceLandmarker`): The detector in question, and the one that counts as the truth.
        min_size (`float`, *optional*, defaults to 80): Smaller faces of the teacher are ignored, in pixels.
    """
    result = LandmarkAgreement()
    for picture in pictures:
        wanted = [face for face in teacher.detect(picture[None])[0] if face.size >= min_size]
        found = landmarker.detect(picture[None])[0]
        for face in wanted:
            match = _same_face(face, found)
            if match is None:
                result.lost += 1
            else:
                result.errors.append(normalised_mean_error(match.as_face96()[0], face.as_face96()[0]))
        result.extra += sum(face.size >= min_size and _same_face(face, wanted) is None for face in found)
    return result


def _same_face(face: FaceLandmarks, others: list[FaceLandmarks]) -> FaceLandmarks | None:
    overlaps = [intersection_over_union(np.array(face.box), np.array(other.box)) for other in others]
    best = int(np.argmax(overlaps)) if overlaps else -1
    return others[best] if overlaps and overlaps[best] >= SAME_FACE else None
