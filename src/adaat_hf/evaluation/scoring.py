"""Score one painted clip by a protocol."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from ..control.fitting import FaceFitter
from ..processing.body_keypoints import BodyDetector
from ..processing.face_tracking import FaceTrack, track_face
from ..processing.images import limit_size
from ..processing.landmarks import FaceLandmarker
from ..processing.tracking import batched
from .face_measures import (
    BackgroundFlicker,
    FaceClip,
    expression_error,
    jitter,
    keypoint_distance,
    lost_share,
    mouth_distance,
    mouth_shape_distance,
    mouth_sync,
    pose_error,
    shape_error,
)
from .features import Features, align_face, cosine_similarity
from .footage import EvaluationError, Footage, Pair
from .measures import FACE_MEASURES
from .protocols import Protocol
from .similarity import mean_difference, perceptual_distance, psnr, relative_difference, ssim


BATCH = 8
# Longer side of the pictures that are kept of the worst cases.
KEPT_SIDE = 192


@dataclass(frozen=True)
class Tools:
    """What the measures of a protocol need.

    Args:
        lpips (`nn.Module`, *optional*): From [`lpips_metric`].
        landmarker ([`FaceLandmarker`], *optional*): Finds faces.
        fitter ([`FaceFitter`], *optional*): Fits the face model.
        body_detector ([`BodyDetector`], *optional*): Finds persons; takes the landmarker's place.
        identity, fid (`Features`, *optional*): See [`open_features`].
    """

    lpips: nn.Module | None = None
    landmarker: FaceLandmarker | None = None
    fitter: FaceFitter | None = None
    body_detector: BodyDetector | None = None
    identity: Features | None = None
    fid: Features | None = None


@dataclass(frozen=True)
class ClipScore:
    """What was measured on one clip.

    Args:
        name (`str`): Of the clip.
        frames (`int`): How many were compared.
        values (`dict[str, float]`): Means by name of the measure; NaN where it could not be measured.
        worst (`list[np.ndarray]`): Source (if any), reference and painted picture of the clip's worst frame.
        features (`tuple[np.ndarray, np.ndarray]`, *optional*): For FID, of painted and reference frames (T, D).
        seconds (`float`, *optional*): What painting took, from files to a file.
    """

    name: str
    frames: int
    values: dict[str, float]
    worst: list[np.ndarray] = field(default_factory=list)
    features: tuple[np.ndarray, np.ndarray] | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class TrueFaces:
    """The faces that painted ones are compared with, which are the same for all methods.

    Args:
        reference ([`FaceClip`]): Of the film or the driver.
        source ([`FaceClip`], *optional*): Of the photograph.
        identity (`np.ndarray` of shape (1, D), *optional*): Features of the photograph's face.
    """

    reference: FaceClip
    source: FaceClip | None = None
    identity: np.ndarray | None = None

    @classmethod
    def read(cls, reference: Footage, source: Footage | None, tools: Tools) -> "TrueFaces | None":
        """Find the faces; `None` if `tools` find none at all."""
        if tools.landmarker is None:
            return None
        film = FaceClip.fit(track_face(reference, tools.landmarker), tools.fitter)
        if source is None:
            return cls(film)
        photograph = next(iter(source))
        shown = FaceClip.fit(track_face([photograph], tools.landmarker), tools.fitter)
        if tools.identity is None or not shown.track.found.any():
            return cls(film, shown)
        return cls(film, shown, tools.identity(align_face(photograph, shown.track.points[0])[None]))


def score_clip(pair: Pair, protocol: Protocol, tools: Tools, faces: TrueFaces | None = None) -> ClipScore:
    """Compare a painted clip with its reference.

    Args:
        pair ([`Pair`]): The clip.
        protocol ([`Protocol`]): What to measure; of its measures those that `tools` lack something for are left out.
        tools ([`Tools`]): Networks.
        faces ([`TrueFaces`], *optional*): Those of the reference and the source; found anew by default.

    Raises:
        EvaluationError: if frames are missing, sizes differ, or a clip has one frame where the protocol compares clips.
    """
    wanted = set(protocol.measures)
    painted = None
    if tools.landmarker is not None and wanted & set(FACE_MEASURES):
        faces = faces or TrueFaces.read(pair.reference, pair.source, tools)
        painted = track_face(pair.painted, tools.landmarker)
    flicker = None
    if painted is not None and faces is not None and "flicker" in wanted:
        flicker = BackgroundFlicker(painted, *([faces.reference.track] if pair.same_size else []))
    frames = _FrameScores(protocol, tools, flicker)
    for number, both in enumerate(pair.frames()):
        frames.add(*both, number)
    if frames.count < 2 and protocol.task != "pictures":
        raise EvaluationError(f"{pair.painted} has a single frame, the protocol {protocol.name!r} compares clips.")
    values = frames.means()
    if painted is not None and faces is not None:
        values |= _face_values(pair, painted, faces, tools, wanted)
    first = [] if pair.source is None else [next(iter(pair.source))]
    kept = [limit_size(picture, KEPT_SIDE) for picture in first + frames.worst]
    measured = {name: values[name] for name in protocol.measures if name in values}
    return ClipScore(pair.name, frames.count, measured, kept, frames.features())


class _FrameScores:
    """Measures that compare frame with frame, gathered over a clip."""

    def __init__(self, protocol: Protocol, tools: Tools, flicker: BackgroundFlicker | None) -> None:
        self.protocol, self.tools = protocol, tools
        self.rows: list[dict[str, float]] = []
        self.worst: list[np.ndarray] = []
        self.worst_value = -math.inf
        self.flicker = flicker
        self.waiting: list[list[np.ndarray]] = [[], []]
        self.found: list[list[np.ndarray]] = [[], []]

    @property
    def count(self) -> int:
        return len(self.rows)

    def add(self, painted: np.ndarray, reference: np.ndarray, number: int) -> None:
        row = self._compare(painted, reference)
        self.rows.append(row)
        # Where frames have no value of their own, the last one is shown.
        value = row.get(self.protocol.worst, float(number))
        if value > self.worst_value:
            self.worst, self.worst_value = [reference, painted], value
        if self.flicker is not None:
            self.flicker.add(painted)
        if self.tools.fid is not None:
            for waiting, picture in zip(self.waiting, (painted, reference), strict=True):
                waiting.append(picture)
            if len(self.waiting[0]) == BATCH:
                self._describe()

    def _compare(self, painted: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        wanted = self.protocol.measures
        row = {name: ssim(painted, reference, settings) for name, settings in self.protocol.ssim.items()}
        for name, function in (("psnr", psnr), ("l1", mean_difference), ("mae", relative_difference)):
            if name in wanted:
                row[name] = function(painted, reference)
        if "lpips" in wanted and self.tools.lpips is not None:
            row["lpips"] = perceptual_distance(self.tools.lpips, painted, reference)
        if self.tools.body_detector is not None:
            row |= _body_values(painted, reference, self.tools.body_detector)
        return row

    def _describe(self) -> None:
        if self.tools.fid is not None and self.waiting[0]:
            for found, waiting in zip(self.found, self.waiting, strict=True):
                found.append(self.tools.fid(np.stack(waiting)))
            self.waiting = [[], []]

    def features(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Of painted and reference frames."""
        self._describe()
        return (np.concatenate(self.found[0]), np.concatenate(self.found[1])) if self.found[0] else None

    def means(self) -> dict[str, float]:
        """Means over the frames in which a measure could be taken."""
        means = {}
        for name in self.rows[0] if self.rows else ():
            values = np.array([row[name] for row in self.rows])
            means[name] = float(np.nanmean(values)) if not np.isnan(values).all() else math.nan
        return means | ({"flicker": self.flicker.value} if self.flicker is not None else {})


def _face_values(pair: Pair, painted: FaceTrack, faces: TrueFaces, tools: Tools, wanted: set[str]) -> dict[str, float]:
    reference = faces.reference.track
    values = {
        "keypoint_distance": keypoint_distance(painted, reference),
        "mouth_distance": mouth_distance(painted, reference),
        "mouth_shape_distance": mouth_shape_distance(painted, reference),
        "lost": lost_share(painted, reference),
        "jitter": jitter(painted),
    }
    if wanted & {"sync_offset", "sync_correlation"}:
        values["sync_offset"], values["sync_correlation"] = mouth_sync(painted, reference, pair.reference.fps)
    if tools.fitter is not None and wanted & {"expression_error", "pose_error", "shape_error"}:
        here = FaceClip.fit(painted, tools.fitter)
        values["expression_error"] = expression_error(here, faces.reference)
        values["pose_error"] = pose_error(here, faces.reference)
        if faces.source is not None:
            values["shape_error"] = shape_error(here, faces.source, tools.fitter.model)
    if tools.identity is not None and faces.identity is not None and "identity" in wanted:
        values["identity"] = _identity(pair.painted, painted, faces.identity, tools.identity)
    return values


def _identity(footage: Footage, track: FaceTrack, wanted: np.ndarray, features: Features) -> float:
    """Mean cosine of the painted faces' features with the wanted ones; NaN where no face is seen."""
    faces = (
        align_face(frame, points)
        for frame, points, found in zip(footage, track.points, track.found, strict=True)
        if found
    )
    cosines = [cosine_similarity(features(np.stack(batch)), wanted) for batch in batched(faces, BATCH)]
    return float(np.concatenate(cosines).mean()) if cosines else math.nan


def _body_values(painted: np.ndarray, reference: np.ndarray, detector: BodyDetector) -> dict[str, float]:
    """Distance of the 18 points of the largest person, and whether the painted one is missed, in percent."""
    found: list[Any] = [
        bodies[0].as_body18() if bodies else None for bodies in detector.detect(np.stack([painted, reference]))
    ]
    if found[1] is None:
        return {"keypoint_distance": math.nan, "lost": math.nan}
    if found[0] is None:
        return {"keypoint_distance": math.nan, "lost": 100.0}
    (points, seen), (wanted, visible) = found
    both = (seen > 0) & (visible > 0)
    distance = float(np.linalg.norm(points - wanted, axis=-1)[both].mean()) if both.any() else math.nan
    return {"keypoint_distance": distance, "lost": 0.0}


__all__ = ["ClipScore", "Tools", "score_clip"]
