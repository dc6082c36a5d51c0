"""Extra points that keep eyebrows in shape: when a lid falls, the eyelid unfolds, and the brow above it does not stretch."""

import torch
from torch import Tensor


# Brow points and the upper-lid points below them, in the 68-point order, and the corners of the eye each belongs to.
BROWS = (18, 19, 20, 21, 22, 23, 24, 25)
LIDS = (37, 37, 38, 38, 43, 43, 44, 44)
CORNERS = ((36, 39),) * 4 + ((42, 45),) * 4
# Landmarks lie on a brow's upper edge; its hair ends above this share of the way to the lid.
BROW_SHARE = 0.5


def with_brow_guards(
    here: Tensor, there: Tensor, visibility: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Add a point below each brow point that keeps its distance from it when the lid moves away.

    Args:
        here, there (`Tensor` of shape (B, K, 2)): Key points of source and driving pose in the 68-point order.
        visibility (`Tensor` of shape (B, K), *optional*): 0 for points that are not known.

    Returns:
        The same with 8 more points.
    """
    brows, lids = list(BROWS), list(LIDS)
    below_here, below_there = (points[:, lids] - points[:, brows] for points in (here, there))
    # A lid that rises pushes the skin together; one that falls leaves the brow alone.
    ratio = _in_eye_widths(below_here, here) / _in_eye_widths(below_there, there).clamp_min(1e-4)
    kept = BROW_SHARE * ratio.clamp(max=1)[..., None]
    here = torch.cat([here, here[:, brows] + BROW_SHARE * below_here], 1)
    there = torch.cat([there, there[:, brows] + kept * below_there], 1)
    if visibility is not None:
        visibility = torch.cat([visibility, torch.minimum(visibility[:, brows], visibility[:, lids])], 1)
    return here, there, visibility


def _in_eye_widths(vectors: Tensor, points: Tensor) -> Tensor:
    """Lengths (B, 8) in units of the width of the eye below."""
    first, last = ([pair[side] for pair in CORNERS] for side in (0, 1))
    width = (points[:, first] - points[:, last]).norm(dim=-1).clamp_min(1e-4)
    return vectors.norm(dim=-1) / width
