"""What the generator makes of key points: Gaussian heat maps and a thin-plate-spline flow."""

import torch
from torch import Tensor
from torch.nn import functional as F


ANCHORS_PER_SIDE = 4
# A point that is not visible enters the spline with this much slack, which leaves it without influence.
INVISIBLE_SLACK = 1e3


def gaussian_heatmaps(
    keypoints: Tensor, height: int, width: int, variance: float, visibility: Tensor | None = None
) -> Tensor:
    """Draw one Gaussian per key point, on a grid whose corner pixels are at -1 and 1.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1].
        height, width (`int`): Size of the maps.
        variance (`float`): Variance of the Gaussian, in squared normalised units (0.01 in the paper).
        visibility (`Tensor` of shape (B, K), *optional*): Peak of each map; an invisible point (0) draws nothing.

    Returns:
        `Tensor` of shape (B, K, H, W): values in [0, 1], of the type of `keypoints`.
    """
    along_y, along_x = gaussian_profiles(keypoints, height, width, variance, visibility)
    return (along_y[..., :, None] * along_x[..., None, :]).to(keypoints.dtype)


def gaussian_profiles(
    keypoints: Tensor, height: int, width: int, variance: float, visibility: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Profiles along y (B, K, H) and along x (B, K, W), float32, whose products are the maps of [`gaussian_heatmaps`]."""
    points = keypoints.float()
    x = torch.linspace(-1, 1, width, device=points.device)
    y = torch.linspace(-1, 1, height, device=points.device)
    along_x = torch.exp(-((x - points[..., :1]) ** 2) / (2 * variance))
    along_y = torch.exp(-((y - points[..., 1:]) ** 2) / (2 * variance))
    if visibility is not None:
        along_y = along_y * visibility[..., None].float()
    return along_y, along_x


def thin_plate_flow(
    source: Tensor,
    driving: Tensor,
    height: int,
    width: int,
    *,
    regularization: float,
    stride: int = 4,
    visibility: Tensor | None = None,
) -> Tensor:
    """Where each pixel of the driving pose lies in the source picture, interpolated between key points.

    A thin-plate spline (Bookstein, 1989) through the key points and fixed anchors on the picture's border, evaluated on
    a coarse grid and enlarged.

    Args:
        source, driving (`Tensor` of shape (B, K, 2)): The same points in both pictures, (x, y) in [-1, 1].
        height, width (`int`): Size of the flow.
        regularization (`float`): Smoothing; 0 interpolates exactly.
        stride (`int`, *optional*, defaults to 4): Pixels per cell of the coarse grid.
        visibility (`Tensor` of shape (B, K), *optional*): Points with 0 have no influence.

    Returns:
        `Tensor` of shape (B, H, W, 2): positions in the source picture for `grid_sample(..., align_corners=True)`.
    """
    source, driving = source.float(), driving.float()
    batch, count = driving.shape[:2]
    anchors = _border_anchors(driving)
    control = torch.cat([driving, anchors.expand(batch, -1, -1)], 1)
    shift = torch.cat([source - driving, torch.zeros_like(anchors).expand(batch, -1, -1)], 1)
    slack = driving.new_full((batch, control.shape[1]), regularization)
    if visibility is not None:
        slack[:, :count] += INVISIBLE_SLACK * (1 - visibility.float())
    coefficients = _solve_spline(control, shift, slack)
    rows, columns = -(-height // stride) + 1, -(-width // stride) + 1
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, rows, device=driving.device),
        torch.linspace(-1, 1, columns, device=driving.device),
        indexing="ij",
    )
    cells = torch.stack([x, y], -1).reshape(1, -1, 2)
    basis = torch.cat([_kernel(cells, control), _affine_terms(cells).expand(batch, -1, -1)], 2)
    flow = (cells + basis @ coefficients).reshape(batch, rows, columns, 2).permute(0, 3, 1, 2)
    return F.interpolate(flow, (height, width), mode="bilinear", align_corners=True).permute(0, 2, 3, 1)


def _border_anchors(like: Tensor) -> Tensor:
    """Points (1, 4 * ANCHORS_PER_SIDE, 2) evenly along the border of the picture."""
    edge = torch.linspace(-1, 1, ANCHORS_PER_SIDE + 1, device=like.device)[:-1]
    low, high = -torch.ones_like(edge), torch.ones_like(edge)
    sides = [(edge, low), (high, edge), (-edge, high), (low, -edge)]
    return torch.cat([torch.stack(side, -1) for side in sides])[None]


def _kernel(points: Tensor, control: Tensor) -> Tensor:
    squared = ((points[:, :, None] - control[:, None]) ** 2).sum(-1)
    return squared * torch.log(squared + 1e-8)


def _affine_terms(points: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(points[..., :1]), points], -1)


def _solve_spline(control: Tensor, values: Tensor, slack: Tensor) -> Tensor:
    batch, count = control.shape[:2]
    affine = _affine_terms(control)
    system = control.new_zeros(batch, count + 3, count + 3)
    system[:, :count, :count] = _kernel(control, control) + torch.diag_embed(slack)
    system[:, :count, count:] = affine
    system[:, count:, :count] = affine.transpose(1, 2)
    return torch.linalg.solve(system, F.pad(values, (0, 0, 0, 3)))


__all__ = ["gaussian_heatmaps", "gaussian_profiles", "thin_plate_flow"]
