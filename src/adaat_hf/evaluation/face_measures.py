"""What a face does in a painted clip, measured on its landmarks and on the face model that is fitted to them."""

from dataclasses import dataclass

import numpy as np
import torch

from ..control.coefficients import FaceCoefficients
from ..control.face_model import AdaATFaceModel
from ..control.fitting import FaceFitter
from ..control.rotation import rotation_matrix
from ..processing.face_tracking import FaceTrack
from ..processing.keypoints import MOUTH
from .sync import best_offset, eye_distance, filled, mouth_opening


# The background is what lies outside of the landmarks' box, widened by this share of its longer side on every side, since hair and
# neck move with the head.
SURROUNDINGS = 0.25
# Less background than this share of the picture says nothing.
LEAST_BACKGROUND = 0.02
NAN = float("nan")


@dataclass(frozen=True)
class FaceClip:
    """Landmarks of one face in a clip, and the face model fitted to them.

    Args:
        track ([`FaceTrack`]): Landmarks, in pixels.
        face ([`FaceCoefficients`], *optional*): The fit; `None` if no frame shows a face.
    """

    track: FaceTrack
    face: FaceCoefficients | None

    @classmethod
    def fit(cls, track: FaceTrack, fitter: FaceFitter | None) -> "FaceClip":
        """Fit one identity and an expression and head pose per frame, if there is a fitter."""
        if fitter is None or not track.found.any():
            return cls(track, None)
        points, visibility = torch.from_numpy(track.points), torch.from_numpy(track.visibility)
        return cls(track, fitter.fit(points, visibility))


def keypoint_distance(painted: FaceTrack, reference: FaceTrack) -> float:
    """Mean distance of the landmarks in pixels over the frames in which both clips show a face."""
    both = painted.found & reference.found
    seen = (painted.visibility[both] > 0) & (reference.visibility[both] > 0)
    distances = np.linalg.norm(painted.points[both] - reference.points[both], axis=-1)
    return float(distances[seen].mean()) if seen.any() else NAN


def lost_share(painted: FaceTrack, reference: FaceTrack) -> float:
    """Frames without a painted face among those whose reference has one, in percent."""
    return float(100 * (~painted.found[reference.found]).mean()) if reference.found.any() else NAN


def expression_error(painted: FaceClip, reference: FaceClip) -> float:
    """Mean absolute difference of the 52 expression weights over the frames in which both clips show a face."""
    if painted.face is None or reference.face is None:
        return NAN
    both = torch.from_numpy(painted.track.found & reference.track.found)
    difference = (painted.face.expression - reference.face.expression).abs().mean(1)[both]
    return float(difference.mean()) if len(difference) else NAN


def pose_error(painted: FaceClip, reference: FaceClip) -> float:
    """Mean angle in degrees between the head rotations of both clips."""
    if painted.face is None or reference.face is None:
        return NAN
    both = torch.from_numpy(painted.track.found & reference.track.found)
    here, there = (rotation_matrix(clip.face.rotation[both].double()) for clip in (painted, reference) if clip.face)
    if not len(here):
        return NAN
    cosine = ((here.mT @ there).diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    return float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).mean())


def shape_error(painted: FaceClip, source: FaceClip, model: AdaATFaceModel) -> float:
    """Mean distance of the points of both expressionless faces, in percent of the outer eye corners' distance of the mean face:
    how much of somebody else's face a painted clip has taken over."""
    if painted.face is None or source.face is None:
        return NAN
    still = torch.zeros(1, painted.face.expression.shape[1])
    here, there = (
        model.shape(face.identity[None], still, face.offset[None])[0] for face in (painted.face, source.face)
    )
    return float(100 * (here - there).norm(dim=-1).mean())


def mouth_distance(painted: FaceTrack, reference: FaceTrack) -> float:
    """Mean distance of the 20 mouth landmarks, each frame's mouth moved to its centre, in percent of the reference's outer eye
    corners' distance."""
    both = painted.found & reference.found
    return _mouth_distance(painted.points[both], reference.points[both])


def mouth_shape_distance(painted: FaceTrack, reference: FaceTrack) -> float:
    """The same of faces of different sizes: every frame's mouth is in units of the outer eye corners' distance of its own face."""
    both = painted.found & reference.found
    here, there = painted.points[both], reference.points[both]
    return _mouth_distance(here * (eye_distance(there) / eye_distance(here))[:, None, None], there)


def _mouth_distance(painted: np.ndarray, reference: np.ndarray) -> float:
    if not len(reference):
        return NAN
    here, there = (points[:, MOUTH] for points in (painted, reference))
    moved = (here - here.mean(1, keepdims=True)) - (there - there.mean(1, keepdims=True))
    return float(100 * (np.linalg.norm(moved, axis=-1).mean(1) / eye_distance(reference)).mean())


def jitter(track: FaceTrack) -> float:
    """Mean second difference of the landmarks from frame to frame in percent of the outer eye corners' distance; a face that
    moves evenly has none. Frames beside one without a face are left out."""
    found = track.found
    inside = found[:-2] & found[1:-1] & found[2:]
    if not inside.any():
        return NAN
    second = (track.points[2:] - 2 * track.points[1:-1] + track.points[:-2])[inside]
    return float(100 * (np.linalg.norm(second, axis=-1).mean(1) / eye_distance(track.points[1:-1][inside])).mean())


def mouth_sync(painted: FaceTrack, reference: FaceTrack, fps: float) -> tuple[float, float]:
    """How far the mouth's opening leads or follows that of the reference, in milliseconds, and their correlation there; NaN if the
    mouths stand still or less than ten frames show both faces."""
    both = painted.found & reference.found
    if both.sum() < 10:
        return NAN, NAN
    opening, guide = (filled(mouth_opening(track.points), track.found) for track in (painted, reference))
    shift, correlation = best_offset(opening, guide, fps)
    return (NAN, NAN) if correlation <= -1 else (1000 * abs(shift) / fps, correlation)


class BackgroundFlicker:
    """How much what should stand still changes from frame to frame: the pixels outside of the face's surroundings.

    Frames are added one at a time, so that a long clip needs little memory.

    Args:
        tracks (`tuple[FaceTrack, ...]`): Faces around which nothing is counted.
    """

    def __init__(self, *tracks: FaceTrack) -> None:
        self.boxes = [_surroundings(track) for track in tracks if track.found.any()]
        self.last: np.ndarray | None = None
        self.changes: list[float] = []

    def add(self, frame: np.ndarray) -> None:
        """The next frame (H, W, 3), uint8."""
        clear = np.ones(frame.shape[:2], bool)
        for left, top, right, bottom in self.boxes:
            clear[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = False
        if self.last is not None and clear.mean() >= LEAST_BACKGROUND:
            self.changes.append(float(np.abs(frame.astype(np.int16) - self.last)[clear].mean()))
        self.last = frame

    @property
    def value(self) -> float:
        """Mean absolute change in steps of 255; NaN if faces leave no background."""
        return float(np.mean(self.changes)) if self.changes else NAN


def _surroundings(track: FaceTrack) -> tuple[int, int, int, int]:
    points = track.points[track.found][track.visibility[track.found] > 0]
    low, high = points.min(0), points.max(0)
    margin = SURROUNDINGS * (high - low).max()
    left, top = np.floor(low - margin).astype(int)
    right, bottom = np.ceil(high + margin).astype(int)
    return int(left), int(top), int(right), int(bottom)


__all__ = [
    "BackgroundFlicker",
    "FaceClip",
    "expression_error",
    "jitter",
    "keypoint_distance",
    "lost_share",
    "mouth_distance",
    "mouth_shape_distance",
    "mouth_sync",
    "pose_error",
    "shape_error",
]
