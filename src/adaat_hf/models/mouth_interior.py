"""What a photograph with a closed mouth does not show: teeth and the inside of the mouth, as a prior for the network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


# Inner lips from one corner to the other in the 68-point order, upper and lower, and points on the nose's skin.
UPPER, LOWER = (60, 61, 62, 63, 64), (60, 67, 66, 65, 64)
SKIN = (28, 29, 30)
# The prior is kept for these openings (in units of the inner mouth's width) and interpolated between them.
OPENINGS = (0.06, 0.2, 0.45)
TEXTURE_SIZE = (8, 12)
# Towards the corners, where lips touch and landmarks are least exact, the prior fades out over this share of the width.
CORNER = 0.12
# Lips that part less than this (in the same units) meet: what a photographed smile shows between them is covered, up to this
# share of the width beyond the landmarks, which teeth reach past.
MEETING, COVER = 0.08, 0.02
# Before any training: a dark red, as shares of the skin's brightness.
START = (0.35, 0.18, 0.18)


class MouthInterior(nn.Module):
    """Paint an average mouth interior between lips that were closer together in the source, or that meet.

    Bending the source stretches its lips where they part, and leaves a line of teeth where the lips of a smile meet. Here the place between the driving inner lips is filled, as far as
    the source did not show it, with a small learned texture in units of the skin's brightness, which stands for the light.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texture = nn.Parameter(start_texture())

    def forward(
        self, warped: Tensor, source: Tensor, here: Tensor, there: Tensor, visibility: Tensor | None = None
    ) -> Tensor:
        """Fill the mouth of a warped picture.

        Args:
            warped, source (`Tensor` of shape (B, 3, H, W)): The bent picture and the source.
            here, there (`Tensor` of shape (B, K, 2)): Key points of source and driving pose in [-1, 1].
            visibility (`Tensor` of shape (B, K), *optional*): 0 for points that are not known.
        """
        height, width = warped.shape[2:]
        before, after = (mouth_opening(points.float(), height, width) for points in (here, there))
        meeting = (1 - after / MEETING).clamp(0, 1) * ((before - MEETING) / MEETING).clamp(0, 1)
        across, down, mask, opening = mouth_coordinates(there.float(), height, width, COVER * meeting)
        amount = torch.maximum(((after - before) / after.clamp_min(1e-4)).clamp(0, 1), meeting.sqrt())
        if visibility is not None:
            amount = amount * visibility[:, [*UPPER, *LOWER]].amin(1).float()
        colour = self.sample(across, down, opening) * skin_brightness(source, here)
        blend = mask[:, None] * amount[:, None, None, None]
        return torch.lerp(warped.float(), colour, blend).to(warped.dtype)

    def sample(self, across: Tensor, down: Tensor, opening: Tensor) -> Tensor:
        """The texture (B, 3, H, W) at mouth coordinates (B, H, W) in [0, 1] for mouths that are open by `opening` (B,)."""
        grid = torch.stack([across, down], -1).clamp(0, 1) * 2 - 1
        shares = opening_shares(opening)
        texture = torch.einsum("bl,lchw->bchw", shares, self.texture.float())
        return F.grid_sample(texture, grid, align_corners=True, padding_mode="border")


def start_texture() -> Tensor:
    """The texture of an untrained network, (levels, 3, h, w)."""
    return torch.tensor(START)[:, None, None].expand(len(OPENINGS), 3, *TEXTURE_SIZE).clone()


def opening_shares(opening: Tensor) -> Tensor:
    """Weights (B, levels) of linear interpolation between [`OPENINGS`]."""
    levels = torch.tensor(OPENINGS, device=opening.device)
    position = torch.zeros_like(opening)
    for low, high in zip(levels[:-1], levels[1:], strict=True):
        position = position + ((opening - low) / (high - low)).clamp(0, 1)
    return (1 - (position[:, None] - torch.arange(len(OPENINGS), device=opening.device)).abs()).clamp_min(0)


def _in_pixels(points: Tensor, height: int, width: int) -> Tensor:
    return (points + 1) / 2 * points.new_tensor([width - 1, height - 1])


def _mouth_frame(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First corner (B, 2), direction to the other (B, 2), direction down (B, 2), width (B, 1); in pixels."""
    along = points[:, UPPER[-1]] - points[:, UPPER[0]]
    width = along.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    along = along / width
    return points[:, UPPER[0]], along, torch.stack([-along[:, 1], along[:, 0]], -1), width


def mouth_opening(points: Tensor, height: int, width: int) -> Tensor:
    """Mean distance of the inner lips of points (B, K, 2) in [-1, 1], in units of the inner mouth's width; (B,)."""
    points = _in_pixels(points, height, width)
    _, _, down, breadth = _mouth_frame(points)
    gaps = points[:, list(LOWER[1:-1])] - points[:, list(UPPER[1:-1])]
    return (torch.einsum("bkd,bd->bk", gaps, down).mean(1) / breadth[:, 0]).clamp_min(0)


def mouth_coordinates(
    points: Tensor, height: int, width: int, margin: Tensor | float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where each pixel lies between the inner lips.

    Args:
        points (`Tensor` of shape (B, K, 2)): Key points in [-1, 1].
        height, width (`int`): Size of the picture.
        margin (`Tensor` of shape (B,), *optional*, defaults to 0): How far the inside reaches onto the lips, in units of the
            inner mouth's width.

    Returns:
        Position from corner to corner and from upper to lower lip (B, H, W), in [0, 1] inside the mouth; how much of the
        pixel lies inside (B, H, W); and the opening (B,), as [`mouth_opening`] has it.
    """
    opening = mouth_opening(points, height, width)
    points = _in_pixels(points, height, width)
    corner, along, below, breadth = _mouth_frame(points)
    y, x = torch.meshgrid(
        torch.arange(height, device=points.device), torch.arange(width, device=points.device), indexing="ij"
    )
    offset = torch.stack([x, y], -1)[None] - corner[:, None, None]
    across = torch.einsum("bhwd,bd->bhw", offset, along) / breadth[..., None]
    depth = torch.einsum("bhwd,bd->bhw", offset, below)
    upper, lower = (_lip(across, points[:, list(lip)], corner, along, below, breadth) for lip in (UPPER, LOWER))
    edge = max(1.0, height / 256)
    onto = torch.as_tensor(margin, device=points.device).view(-1, 1, 1) * breadth[..., None]
    inside = ((depth - upper + onto) / edge).clamp(0, 1) * ((lower - depth + onto) / edge).clamp(0, 1)
    inside = inside * (torch.minimum(across, 1 - across) / CORNER).clamp(0, 1)
    share = (depth - upper) / (lower - upper).clamp_min(1e-3)
    return across, share, inside, opening


def _lip(across: Tensor, knots: Tensor, corner: Tensor, along: Tensor, below: Tensor, breadth: Tensor) -> Tensor:
    """Depth in pixels of a lip's edge (a chain of points) below the line through the corners, for each pixel."""
    offset = knots - corner[:, None]
    place = torch.einsum("bkd,bd->bk", offset, along) / breadth
    depth = torch.einsum("bkd,bd->bk", offset, below)
    result = depth[:, 0, None, None].expand_as(across)
    for first in range(knots.shape[1] - 1):
        step = (place[:, first + 1] - place[:, first]).clamp_min(1e-3)
        share = ((across - place[:, first, None, None]) / step[:, None, None]).clamp(0, 1)
        result = result + (depth[:, first + 1] - depth[:, first])[:, None, None] * share
    return result


def skin_brightness(source: Tensor, points: Tensor) -> Tensor:
    """Mean of all channels (B, 1, 1, 1) of the source (B, 3, H, W) on the nose, at points (B, K, 2) in [-1, 1]."""
    grid = points[:, None, list(SKIN)].float()
    return F.grid_sample(source.float(), grid, align_corners=True).mean((1, 3), keepdim=True)
