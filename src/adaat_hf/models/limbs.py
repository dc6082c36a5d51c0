"""A body as rigid limbs: capsules along axes between key points, their coverage, and measures of body and pose."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional as F


# How fast a part's coverage falls off at its outline, in units of its radius.
SOFTNESS = 0.12
# A foreshortened limb counts as at least this long, in body sizes: its picture cannot be stretched without end.
SHORTEST = 0.08
# Visibility of a point whose limb lies behind the body, between 1 of one that is seen and 0 of one that is missing.
BEHIND = 0.5


@dataclass(frozen=True)
class Limb:
    """One rigid part of a body: a capsule along an axis.

    Args:
        start, end (`tuple[int, ...]`): Key points whose visible mean is an end of the axis.
        typical (`float`): Length of the axis in body sizes when seen from the side.
        radius (`float`): Half the thickness in body sizes.
        beyond (`float`, *optional*, defaults to 0.0): How far the part goes on beyond its end, in axis lengths (a hand
            beyond the wrist).
        across (`tuple[int, int]`, *optional*): Key points whose distance scales the thickness, otherwise the body's size
            does.
        rank (`float`, *optional*, defaults to 0.0): Preference where parts overlap, in radii.
        foot (`float`, *optional*, defaults to 0.0): Radius in body sizes around the middle of what is beyond its end, within which
            the part may point aside.
        steady (`tuple[int, ...]`, *optional*): Those key points of the end whose middle stays where it is when the part turns about
            its axis; it is the end where all of them are seen.
    """

    start: tuple[int, ...]
    end: tuple[int, ...]
    typical: float
    radius: float
    beyond: float = 0.0
    across: tuple[int, int] | None = None
    rank: float = 0.0
    foot: float = 0.0
    steady: tuple[int, ...] = ()


# The 18 points of OpenPose's COCO model; the body's size is the distance from the hips to the shoulders.
BODY18_LIMBS = (
    Limb((2, 5), (8, 11), 1.0, 0.38, beyond=0.12, across=(2, 5)),
    Limb((1, 2, 5), (0, 14, 15, 16, 17), 0.42, 0.24, beyond=0.45, steady=(16, 17)),
    Limb((8,), (9,), 0.85, 0.22),
    Limb((9,), (10,), 0.8, 0.15, beyond=0.36, foot=0.42),
    Limb((11,), (12,), 0.85, 0.22),
    Limb((12,), (13,), 0.8, 0.15, beyond=0.36, foot=0.42),
    Limb((2,), (3,), 0.6, 0.14, rank=0.3),
    Limb((3,), (4,), 0.5, 0.12, beyond=0.5, rank=0.5),
    Limb((5,), (6,), 0.6, 0.14, rank=0.3),
    Limb((6,), (7,), 0.5, 0.12, beyond=0.5, rank=0.5),
)
LIMBS = {18: BODY18_LIMBS}


@dataclass(frozen=True)
class LimbAxes:
    """Axes of all limbs in one picture, in units of half its height: (B, L, 2), (B, L, 2), (B, L), (B, L), (B, L), (B,)."""

    start: Tensor
    end: Tensor
    thickness: Tensor
    seen: Tensor
    behind: Tensor
    size: Tensor

    def only(self, number: int) -> "LimbAxes":
        """Those of one picture alone."""
        return LimbAxes(*(getattr(self, field.name)[[number]] for field in fields(self)))

    def some(self, numbers: list[int]) -> "LimbAxes":
        """Those of some of the limbs."""
        per_limb = ("start", "end", "thickness", "seen", "behind")
        return replace(self, **{name: getattr(self, name)[:, numbers] for name in per_limb})


def body_coverage(
    keypoints: Tensor,
    visibility: Tensor | None,
    height: int,
    width: int,
    margin: float = 1.0,
) -> Tensor:
    """Where a body is, by its limbs' capsules.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1]; K must be a layout in `LIMBS`.
        visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point.
        height, width (`int`): Size of the map.
        margin (`float`, *optional*, defaults to 1.0): Factor of the limbs' thickness.

    Returns:
        `Tensor` of shape (B, 1, H, W): in [0, 1].
    """
    aspect = (width - 1) / (height - 1)
    limbs = LIMBS[keypoints.shape[1]]
    axes = limb_axes(keypoints, visibility, aspect, limbs)
    return joined_coverage(limb_distance(axes, limbs, height, width, aspect, margin)).unflatten(1, (height, width))[
        :, None
    ]


def limb_distance(
    axes: LimbAxes, limbs: tuple[Limb, ...], height: int, width: int, aspect: float, margin: float, feet: bool = False
) -> Tensor:
    """Distance of all pixels from the limbs in radii (B, L, P), also from `feet`, in theirs."""
    pixels = picture_positions(height, width, aspect, axes.start.device)
    position, distance = limb_frames(pixels, axes, limbs, margin)
    if feet:
        distance = distance.minimum(foot_distance(position, axes, limbs))
    return distance + hidden_distance(axes.seen)


def foot_distance(position: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...]) -> Tensor:
    """Distance (B, L, P) of positions (B, L, P, 2) in the limbs' frames from the middle of their feet, in feet's radii."""
    radius = torch.tensor([limb.foot for limb in limbs], device=position.device) * axes.thickness
    half = torch.tensor([1 + limb.beyond / 2 for limb in limbs], device=position.device)
    middle = axis_directions(axes)[1] * half
    apart = torch.hypot(position[..., 0] - middle[..., None], position[..., 1])
    return torch.where(radius[..., None] > 0, apart / radius[..., None].clamp_min(1e-6), torch.inf)


def hidden_distance(seen: Tensor) -> Tensor:
    """Distance (B, L, 1) that keeps unseen limbs (B, L) out of everything."""
    return (1 - seen)[..., None] * 1e4


def limb_axes(
    keypoints: Tensor, visibility: Tensor | None, aspect: float, limbs: tuple[Limb, ...], other: Tensor | None = None
) -> LimbAxes:
    """Axes of a body (B, K, 2); `other` (B, K) is the visibility in a picture whose axes shall end in the same points."""
    points = keypoints.float() * keypoints.new_tensor([aspect, 1.0]).float()
    seen = torch.ones_like(points[..., 0]) if visibility is None else (visibility > 0).float()
    start, end, present = _ends(points, seen, limbs, seen if other is None else seen * (other > 0))
    size = _size(start, end, present, limbs).clamp_min(0.05)
    thickness = [_width(points, seen, limb.across, size) if limb.across is not None else size for limb in limbs]
    return LimbAxes(start, end, torch.stack(thickness, 1), present, _behind(visibility, present, limbs), size)


def _behind(visibility: Tensor | None, present: Tensor, limbs: tuple[Limb, ...]) -> Tensor:
    """How far limbs that usually lie in front are behind the body (B, L), in [0, 1]: wholly at a visibility of `BEHIND` of the point
    in which they end."""
    if visibility is None:
        return torch.zeros_like(present)
    ends = torch.stack([visibility[:, limb.end].float().mean(1) for limb in limbs], 1)
    front = torch.tensor([limb.rank > 0 for limb in limbs], device=present.device)
    return ((1 - ends) / (1 - BEHIND)).clamp(0, 1) * front * present


def body_size(keypoints: Tensor, visibility: Tensor) -> Tensor:
    """Distance from hips to shoulders of a body, as if seen without foreshortening.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): In pixels; K must be a layout in `LIMBS`.
        visibility (`Tensor` of shape (B, K)): 0 for a missing point.

    Returns:
        `Tensor` of shape (B,): in pixels; 0 where no limb is seen.
    """
    limbs = LIMBS[keypoints.shape[1]]
    seen = (visibility > 0).float()
    return _size(*_ends(keypoints.float(), seen, limbs, seen), limbs)


def _ends(points: Tensor, seen: Tensor, limbs: tuple[Limb, ...], common: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ends (B, L, 2) of all limbs, and whether both are seen (B, L). Of an end's points those count that are in `common` (B, K) too,
    if there are any."""
    starts = [_end(points, seen, limb.start, common) for limb in limbs]
    ends = [_end(points, seen, limb.end, common, limb.steady) for limb in limbs]
    start, end = (torch.stack([place for place, _ in side], 1) for side in (starts, ends))
    return start, end, torch.stack([here[1] * there[1] for here, there in zip(starts, ends, strict=True)], 1)


def _end(
    points: Tensor, seen: Tensor, members: tuple[int, ...], common: Tensor, steady: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor]:
    """The middle (B, 2) of some points, and whether any is seen (B,)."""
    weight, shared = seen[:, members], common[:, members]
    weight = torch.where(shared.amax(1, keepdim=True) > 0, shared, weight)
    if steady:
        only = torch.tensor([number in steady for number in members], device=seen.device)
        weight = torch.where(common[:, steady].amin(1, keepdim=True) > 0, only.to(weight.dtype), weight)
    count = weight.sum(1, keepdim=True)
    return (points[:, members] * weight[..., None]).sum(1) / count.clamp_min(1), (count[:, 0] > 0).float()


def _size(start: Tensor, end: Tensor, present: Tensor, limbs: tuple[Limb, ...]) -> Tensor:
    """Projection only shortens limbs, so the longest ones, measured by what is typical, tell the body's size."""
    typical = torch.tensor([limb.typical for limb in limbs], device=start.device)
    longest = ((end - start).norm(dim=-1) / typical * present).topk(3, 1).values
    return longest.sum(1) / (longest > 0).sum(1).clamp_min(1)


def _width(points: Tensor, seen: Tensor, across: tuple[int, int], size: Tensor) -> Tensor:
    """Seen width of a part as a share of its usual 0.75 body sizes, as a thickness."""
    first, second = across
    measured = (points[:, first] - points[:, second]).norm(dim=-1) / 0.75
    both = seen[:, first] * seen[:, second]
    return torch.maximum(torch.minimum(torch.where(both > 0, measured, size), 1.2 * size), 0.55 * size)


def picture_positions(height: int, width: int, aspect: float, device: torch.device) -> Tensor:
    """Positions (H * W, 2) of the pixels in units of half the height."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=device),
        torch.linspace(-aspect, aspect, width, device=device),
        indexing="ij",
    )
    return torch.stack([x, y], -1).reshape(-1, 2)


def limb_frames(pixels: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...], margin: float = 1.0) -> tuple[Tensor, Tensor]:
    """Pixels along and across every axis (B, L, P, 2), and their distance from the capsule's axis in radii (B, L, P)."""
    along, length = axis_directions(axes)
    offset = pixels[None, None] - axes.start[:, :, None]
    forward = (offset * along[:, :, None]).sum(-1)
    normal = torch.stack([-along[..., 1], along[..., 0]], -1)
    sideways = (offset * normal[:, :, None]).sum(-1)
    beyond = torch.tensor([limb.beyond for limb in limbs], device=pixels.device)
    radius = torch.tensor([limb.radius for limb in limbs], device=pixels.device) * axes.thickness * margin
    reach = length * (1 + beyond * margin)
    past = forward - forward.clamp_min(0).minimum(reach[..., None])
    distance = (past.square() + sideways.square() + 1e-12).sqrt() / radius[..., None]
    return torch.stack([forward, sideways], -1), distance


def axis_directions(axes: LimbAxes) -> tuple[Tensor, Tensor]:
    """Unit vector (B, L, 2) and length (B, L) of every axis; a vanishing one points down."""
    vector = axes.end - axes.start
    length = vector.norm(dim=-1, keepdim=True)
    down = torch.zeros_like(vector)
    down[..., 1] = 1
    direction = torch.where(length > 1e-4, vector / length.clamp_min(1e-4), down)
    return direction, length[..., 0].maximum(SHORTEST * axes.size[:, None])


def limb_coverage(distance: Tensor) -> Tensor:
    """How far pixels lie within limbs, by distances in radii; in [0, 1]."""
    return torch.sigmoid((1 - distance) / SOFTNESS)


def joined_coverage(distance: Tensor, weight: Tensor | None = None) -> Tensor:
    """Pixels that lie within limbs (B, P), by distances (B, L, P) in radii; limbs may be weighted, (B, L, 1) or (B, L, P)."""
    inside = limb_coverage(distance)
    return (inside if weight is None else inside * weight).amax(1)


def widen(mask: Tensor, share: float) -> Tensor:
    """A mask (B, C, H, W) that reaches farther on all sides, by a share of its height."""
    rim = round(mask.shape[2] * share)
    return F.max_pool2d(mask, 2 * rim + 1, 1, rim)


def sample(picture: Tensor, grid: Tensor) -> Tensor:
    """A picture (B, C, H, W) at some places (B, h, w, 2) in [-1, 1]; beyond its border it goes on."""
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)


def pose_distance(
    source: Tensor, driving: Tensor, source_visibility: Tensor | None = None, driving_visibility: Tensor | None = None
) -> Tensor:
    """How much poses differ, wherever and however large the bodies are: the mean distance of the points around their common
    centre, in units of the driving pose's spread. A driving point that the source lacks counts as one spread.

    Args:
        source, driving (`Tensor` of shape (B, K, 2)): Key points.
        source_visibility, driving_visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point.

    Returns:
        `Tensor` of shape (B,).
    """
    ones = torch.ones_like(source[..., 0]).float()
    wanted = ones if driving_visibility is None else (driving_visibility > 0).float()
    both = wanted if source_visibility is None else wanted * (source_visibility > 0).float()
    count = both.sum(1).clamp_min(1)
    centred = []
    for points in (source.float(), driving.float()):
        centre = (points * both[..., None]).sum(1, keepdim=True) / count[:, None, None]
        offset = points - centre
        spread = ((offset.square().sum(-1) * both).sum(1) / count).sqrt().clamp_min(1e-3)
        centred.append(offset / spread[:, None, None])
    apart = (centred[0] - centred[1]).norm(dim=-1) * both + (wanted - both)
    return apart.sum(1) / wanted.sum(1).clamp_min(1)


__all__ = [
    "BEHIND",
    "BODY18_LIMBS",
    "LIMBS",
    "Limb",
    "LimbAxes",
    "body_coverage",
    "body_size",
    "pose_distance",
]
