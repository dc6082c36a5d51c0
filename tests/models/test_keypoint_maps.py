"""Heat maps and the thin-plate-spline flow."""

import torch
from torch.nn import functional as F

from adaat_hf.models.keypoint_maps import gaussian_heatmaps, thin_plate_flow


def test_heatmap_follows_the_formula():
    point = torch.tensor([[[0.2, -0.4]]])
    maps = gaussian_heatmaps(point, 11, 7, 0.01)
    x, y = torch.linspace(-1, 1, 7), torch.linspace(-1, 1, 11)
    expected = torch.exp(-((x[None] - 0.2) ** 2 + (y[:, None] + 0.4) ** 2) / 0.02)
    torch.testing.assert_close(maps[0, 0], expected)


def test_invisible_points_give_empty_maps():
    maps = gaussian_heatmaps(torch.zeros(1, 2, 2), 9, 9, 0.01, torch.tensor([[1.0, 0.0]]))
    assert maps[0, 0].max() > 0.5 and maps[0, 1].max() == 0


def test_equal_points_give_the_identity_flow():
    points = torch.rand(2, 20, 2) * 1.6 - 0.8
    flow = thin_plate_flow(points, points, 24, 32, regularization=0.001)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 32), indexing="ij")
    torch.testing.assert_close(flow, torch.stack([x, y], -1).expand(2, -1, -1, -1), atol=1e-4, rtol=0)


def spread_points():
    """Nine points on a grid, moved a little: no two are close together."""
    axis = torch.tensor([-0.6, 0.0, 0.6])
    return torch.cartesian_prod(axis, axis)[None] + 0.1 * torch.rand(1, 9, 2)


def test_flow_at_driving_points_leads_to_source_points():
    source = spread_points()
    driving = source + 0.05 * torch.randn(1, 9, 2)
    flow = thin_plate_flow(source, driving, 128, 128, regularization=1e-6, stride=1)
    found = F.grid_sample(flow.permute(0, 3, 1, 2), driving[:, :, None], align_corners=True)[..., 0].transpose(1, 2)
    assert (found - source).norm(dim=-1).max() < 0.01


def test_invisible_points_do_not_bend_the_flow():
    source = spread_points()
    driving = source.clone()
    driving[:, 3] += 0.5
    visibility = torch.ones(1, 9)
    visibility[:, 3] = 0
    flow = thin_plate_flow(source, driving, 16, 16, regularization=0.001, visibility=visibility)
    still = thin_plate_flow(source, source, 16, 16, regularization=0.001)
    torch.testing.assert_close(flow, still, atol=5e-3, rtol=0)
