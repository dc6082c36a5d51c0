"""Judge moved persons: whose proportions they have, and whether the background behind them stands still."""

import numpy as np
import torch
from torch import Tensor

from ..control.body_coefficients import BodyCoefficients
from ..control.body_fitting import BodyFitter
from ..control.body_joints import LIMB_BONES
from ..control.body_model import AdaATBodyModel
from ..control.body_placement import place_pose
from ..models.limbs import body_coverage
from ..processing.body_tracking import BodyTrack
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.pose_files import BodyPose


# The background is what lies this many limb radii away from the body in all frames.
CLEAR_OF_BODY = 2.2


def limb_proportions(model: AdaATBodyModel, body: BodyCoefficients) -> Tensor:
    """Lengths (8,) of a fitted body's arms and legs; see [`limb_lengths`]."""
    return limb_lengths(model.rest(body.shape, body.bone_scale))


def limb_lengths(points: Tensor) -> Tensor:
    """Lengths (..., 8), in the order of `LIMB_BONES`, in units of the trunk's, of a body's joints (..., 24 or more, 3)."""
    trunk = (points[..., 12, :] - points[..., 0, :]).norm(dim=-1)
    bones = LIMB_BONES.values()
    return torch.stack(
        [(points[..., end, :] - points[..., start, :]).norm(dim=-1) / trunk for start, end in bones], -1
    )


def proportion_error(found: Tensor, wanted: Tensor) -> float:
    """Mean error of limb lengths (8,), as a share of the wanted ones."""
    return float((found / wanted - 1).abs().mean())


def fit_track(fitter: BodyFitter, track: BodyTrack, fps: float) -> BodyCoefficients:
    """The body of a followed person."""
    return fitter.fit(torch.from_numpy(track.points), torch.from_numpy(track.visibility), fps)


def measured_proportions(fitter: BodyFitter, track: BodyTrack, fps: float) -> Tensor:
    """Limb lengths (8,) from the key points of a clip; see [`limb_lengths`]."""
    return limb_proportions(fitter.model, fit_track(fitter, track, fps))


def film_error(fitter: BodyFitter, track: BodyTrack, fps: float) -> float:
    """What measured proportions err by themselves: those of a clip's first half against those of its second."""
    middle = len(track.points) // 2
    first, second = (
        measured_proportions(fitter, BodyTrack(track.points[part], track.visibility[part]), fps)
        for part in (slice(middle), slice(middle, None))
    )
    return proportion_error(first, second)


def drive_directly(track: BodyTrack, source: BodyPose) -> np.ndarray:
    """The driver's own key points (T, 18, 2), scaled and shifted once for the clip so that its first pose suits the source."""
    first = int(np.flatnonzero(track.found)[0])
    pose = BodyPose(track.points[first], track.visibility[first])
    placed = place_pose(pose, source)
    seen = pose.visibility > 0
    here, there = placed[seen], pose.points[seen]
    zoom = np.ptp(here, 0).max() / max(np.ptp(there, 0).max(), 1e-6)
    return (track.points - there.mean(0)) * zoom + here.mean(0)


def background_flicker(frames: np.ndarray, tracks: list[BodyTrack]) -> float:
    """How much the background changes from one frame to the next.

    Args:
        frames (`np.ndarray` of shape (T, H, W, 3)): A clip, uint8.
        tracks (`list[BodyTrack]`): Bodies, in pixels of the frames, around which nothing is counted.

    Returns:
        `float`: mean absolute difference in steps of 255; NaN if the bodies leave no background.
    """
    height, width = frames.shape[1:3]
    clear = np.ones((height, width), bool)
    for track in tracks:
        points = AdaATImageProcessor.normalize_keypoints(torch.from_numpy(track.points).float(), height, width)
        seen = torch.from_numpy(track.visibility)
        for start in range(0, len(points), 8):
            part = slice(start, start + 8)
            cover = body_coverage(points[part], seen[part], height, width, CLEAR_OF_BODY)
            clear &= cover.amax((0, 1)).numpy() < 0.05
    if clear.mean() < 0.02:
        return float("nan")
    changes = [np.abs(frames[n + 1].astype(np.int16) - frames[n])[clear].mean() for n in range(len(frames) - 1)]
    return float(np.mean(changes))
