"""What can be measured: names, units, which way is better, and definitions."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """What a number is called and which way is better.

    Args:
        title (`str`): Heading of a table's column, with the unit.
        better (`str`): `"higher"` or `"lower"`.
        digits (`int`): Decimal places that are printed.
    """

    title: str
    better: Literal["higher", "lower"] = "lower"
    digits: int = 4


MEASURES = {
    "ssim": Measure("SSIM", "higher"),
    "ssim_256": Measure("SSIM 11x11", "higher"),
    "psnr": Measure("PSNR (dB)", "higher", 2),
    "l1": Measure("L1"),
    "mae": Measure("MAE"),
    "lpips": Measure("LPIPS"),
    "fid": Measure("FID", digits=2),
    "keypoint_distance": Measure("key-point distance (px)", digits=2),
    "expression_error": Measure("expression error", digits=3),
    "pose_error": Measure("head pose error (deg)", digits=2),
    "shape_error": Measure("face shape error (%)", digits=2),
    "identity": Measure("identity similarity", "higher", 3),
    "mouth_distance": Measure("mouth distance (%)", digits=2),
    "mouth_shape_distance": Measure("mouth shape distance (%)", digits=2),
    "sync_offset": Measure("sync offset (ms)", digits=0),
    "sync_correlation": Measure("sync correlation", "higher", 2),
    "jitter": Measure("jitter (%)", digits=2),
    "flicker": Measure("flicker", digits=2),
    "lost": Measure("lost (%)", digits=1),
}
# These look for a face; they need a landmark detector.
FACE_MEASURES = (
    "keypoint_distance", "expression_error", "pose_error", "shape_error", "identity", "mouth_distance",
    "mouth_shape_distance", "sync_offset", "sync_correlation", "jitter", "flicker", "lost",
)  # fmt: skip

DEFINITIONS = {
    "psnr": "of all values of a picture, 0 to 255, at most 100 dB",
    "l1": "mean absolute difference, values 0 to 1",
    "mae": "sum of absolute differences / sum of both pictures' values",
    "lpips": "package lpips, version 0.1, {lpips}, values -1 to 1, pictures without padding",
    "fid": "Fréchet distance of Gaussians fitted to features of painted and reference pictures",
    "keypoint_distance": "mean distance of 96 face landmarks, or of 18 body points, from those of the reference frame",
    "expression_error": "mean absolute difference of 52 expression weights (0 to 1) fitted to both clips",
    "pose_error": "angle between the head rotations fitted to both clips",
    "shape_error": "mean distance of 96 points of the expressionless 3-D face from the source's, % of the outer eye corners' distance",
    "identity": "cosine of features of aligned faces, painted against source",
    "mouth_distance": "mean distance of 20 mouth landmarks around their centre, % of the outer eye corners' distance",
    "mouth_shape_distance": "mean distance of 20 mouth landmarks around their centre, each in units of its own face's outer eye corners' distance",
    "sync_offset": "by which the mouth's opening leads or follows the reference's where the two correlate best, absolute",
    "sync_correlation": "of the two openings at that offset",
    "jitter": "mean second difference of landmarks from frame to frame, % of the outer eye corners' distance",
    "flicker": "mean absolute change from frame to frame outside of the face's surroundings, in steps of 255",
    "lost": "frames in which no face (or person) is found in the painted picture",
}


__all__ = ["DEFINITIONS", "FACE_MEASURES", "MEASURES", "Measure"]
