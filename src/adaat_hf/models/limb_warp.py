"""Move the parts of a body from the source pose to the driving pose, each like a rigid limb."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .inpainting import inpaint


# How fast a part's coverage falls off at its outline, in units of its radius.
SOFTNESS = 0.12
# Parts are mixed by their distance; the closer one wins where they differ by more than about a fifth of a radius.
SHARPNESS = 14.0
# The source's body is erased with this much margin, so that its outline does not stay in the background.
ERASE_MARGIN = 1.75
# Coverage is corrected by the network in logits, which it must be able to overrule.
LARGEST_LOGIT = 3.0
# Around parts that move by less than about this, in units of half the height (4 px of 256), the source's pixels stay.
STILL = 0.03
# A foreshortened limb counts as at least this long, in body sizes: its picture cannot be stretched without end.
SHORTEST = 0.08


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
    """

    start: tuple[int, ...]
    end: tuple[int, ...]
    typical: float
    radius: float
    beyond: float = 0.0
    across: tuple[int, int] | None = None
    rank: float = 0.0


# The 18 points of OpenPose's COCO model; the body's size is the distance from the hips to the shoulders.
BODY18_LIMBS = (
    Limb((2, 5), (8, 11), 1.0, 0.38, beyond=0.12, across=(2, 5)),
    Limb((1, 2, 5), (0, 14, 15, 16, 17), 0.42, 0.24, beyond=0.45),
    Limb((8,), (9,), 0.85, 0.22),
    Limb((9,), (10,), 0.8, 0.15, beyond=0.28),
    Limb((11,), (12,), 0.85, 0.22),
    Limb((12,), (13,), 0.8, 0.15, beyond=0.28),
    Limb((2,), (3,), 0.6, 0.14, rank=0.3),
    Limb((3,), (4,), 0.5, 0.12, beyond=0.5, rank=0.5),
    Limb((5,), (6,), 0.6, 0.14, rank=0.3),
    Limb((6,), (7,), 0.5, 0.12, beyond=0.5, rank=0.5),
)
LIMBS = {18: BODY18_LIMBS}
# Numbers of the parts that clothes mostly cover: trunk and thighs.
CLOTHED = (0, 2, 4)


@dataclass(frozen=True)
class MovedBody:
    """
    A source picture whose body parts were moved.

    Args:
        parts (`Tensor` of shape (B, 3, H, W)): The parts in the driving pose, continued beyond their outlines.
        background (`Tensor` of shape (B, 3, H, W)): The source without its body ([`inpaint`]).
        driving_coverage, source_coverage (`Tensor` of shape (B, 1, H, W)): Where the body is to be and where it was, in
            [0, 1].
    """

    parts: Tensor
    background: Tensor
    driving_coverage: Tensor
    source_coverage: Tensor

    def composed(self) -> Tensor:
        """The parts in front of the background."""
        return compose(self.parts, self.background, self.driving_coverage)


def compose(parts: Tensor, background: Tensor, coverage: Tensor, correction: Tensor | None = None) -> Tensor:
    """Lay parts (B, 3, H, W) over a background as `coverage` (B, 1, H, W) says, corrected by logits of its shape."""
    if correction is not None:
        largest = torch.tensor(LARGEST_LOGIT).sigmoid().item()
        coverage = (torch.logit(coverage.float().clamp(1 - largest, largest)) + correction.float()).sigmoid()
    return (coverage * parts + (1 - coverage) * background).to(parts.dtype)


@dataclass(frozen=True)
class _Axes:
    """Axes of all limbs in one picture, in units of half its height: (B, L, 2), (B, L, 2), (B, L), (B, L), (B,)."""

    start: Tensor
    end: Tensor
    thickness: Tensor
    seen: Tensor
    size: Tensor


@dataclass(frozen=True)
class Background:
    """
    What is behind a body in all frames of a clip, so that it stands still and is made once.

    Args:
        picture (`Tensor` of shape (1, 3, H, W)): The source without its body.
        erased (`Tensor` of shape (1, 1, H, W)): Where the body was taken away, in [0, 1].
    """

    picture: Tensor
    erased: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> "Background":
        """The same on another device, in another type."""
        return Background(self.picture.to(device, dtype), self.erased.to(device, dtype))


def still_background(
    source: Tensor,
    source_keypoints: Tensor,
    driving_keypoints: Tensor,
    source_visibility: Tensor | None = None,
    driving_visibility: Tensor | None = None,
) -> Background:
    """The background of a clip: limbs that move in any of its frames are taken away, others stay.

    Args:
        source (`Tensor` of shape (1, 3, H, W)): Picture.
        source_keypoints (`Tensor` of shape (1, K, 2)), driving_keypoints (`Tensor` of shape (T, K, 2)): In [-1, 1].
        source_visibility (`Tensor` of shape (1, K)), driving_visibility (`Tensor` of shape (T, K)), *optional*: 0 for a
            missing point.
    """
    height, width = source.shape[2:]
    aspect = (width - 1) / (height - 1)
    limbs = LIMBS[source_keypoints.shape[1]]
    here = _axes(source_keypoints, source_visibility, aspect, limbs)
    there = _axes(driving_keypoints, driving_visibility, aspect, limbs)
    moving = _moving(here, there).amax(0, keepdim=True)
    old = _distance(here, limbs, height, width, aspect, ERASE_MARGIN)
    erased = _coverage(old, moving).unflatten(1, (height, width))[:, None]
    return Background(inpaint(source.float(), 1 - erased).to(source.dtype), erased.to(source.dtype))


def move_limbs(
    source: Tensor,
    source_keypoints: Tensor,
    driving_keypoints: Tensor,
    source_visibility: Tensor | None = None,
    driving_visibility: Tensor | None = None,
    background: Background | None = None,
) -> MovedBody:
    """Move the parts of the body in `source` to the driving pose.

    Each part is a capsule around a limb that turns, shifts and stretches along its axis, so that hands, feet and clothes
    go with it (compare the rigid parts of Siarohin et al., Deformable GANs, 2018). Where the body was, the background is
    copied from its surroundings; where a part is seen in one of the poses only, it is left out.

    Args:
        source (`Tensor` of shape (B, 3, H, W)): Picture.
        source_keypoints, driving_keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1]; K must be a layout in `LIMBS`.
        source_visibility, driving_visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point.
        background ([`Background`], *optional*): What is behind the body; by default it is made of the source.
    """
    height, width = source.shape[2:]
    aspect = (width - 1) / (height - 1)
    limbs = LIMBS[source_keypoints.shape[1]]
    here = _axes(source_keypoints, source_visibility, aspect, limbs)
    there = _axes(driving_keypoints, driving_visibility, aspect, limbs)
    pixels = _pixels(height, width, aspect, source.device)
    position, distance = _driving_frame(pixels, there, limbs)
    places = _source_places(position, here, there)
    ranks = torch.tensor([limb.rank for limb in limbs], device=source.device)[:, None]
    hidden = _hidden(here.seen * there.seen)
    share = torch.softmax(SHARPNESS * (ranks - distance) - hidden, 1)
    coverage = _coverage(distance + hidden).unflatten(1, (height, width))[:, None]
    # Mixing places instead of colours would tear limbs apart, so every part is sampled on its own.
    parts = _sample_parts(source, places, share, aspect)
    if background is not None:
        behind, erased = (value.expand(len(source), -1, -1, -1) for value in (background.picture, background.erased))
    else:
        old = _distance(here, limbs, height, width, aspect, ERASE_MARGIN)
        erased = _coverage(old, _moving(here, there)).unflatten(1, (height, width))[:, None]
        behind = inpaint(source.float(), 1 - erased)
    return MovedBody(*(value.to(source.dtype) for value in (parts, behind, coverage, erased)))


def body_coverage(
    keypoints: Tensor,
    visibility: Tensor | None,
    height: int,
    width: int,
    margin: float = 1.0,
    parts: tuple[int, ...] | None = None,
) -> Tensor:
    """Where a body is, by its limbs' capsules.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1]; K must be a layout in `LIMBS`.
        visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point.
        height, width (`int`): Size of the map.
        margin (`float`, *optional*, defaults to 1.0): Factor of the limbs' thickness.
        parts (`tuple[int, ...]`, *optional*): Numbers of the limbs that count, in the order of the layout's `LIMBS`.

    Returns:
        `Tensor` of shape (B, 1, H, W): in [0, 1].
    """
    aspect = (width - 1) / (height - 1)
    limbs = LIMBS[keypoints.shape[1]]
    axes = _axes(keypoints, visibility, aspect, limbs)
    distance = _distance(axes, limbs, height, width, aspect, margin)
    counted = distance if parts is None else distance[:, list(parts)]
    return _coverage(counted).unflatten(1, (height, width))[:, None]


def _distance(axes: _Axes, limbs: tuple[Limb, ...], height: int, width: int, aspect: float, margin: float) -> Tensor:
    """Distance of all pixels from the limbs in radii (B, L, P)."""
    pixels = _pixels(height, width, aspect, axes.start.device)
    return _driving_frame(pixels, axes, limbs, margin)[1] + _hidden(axes.seen)


def _hidden(seen: Tensor) -> Tensor:
    """Distance (B, L, 1) that keeps unseen limbs (B, L) out of everything."""
    return (1 - seen)[..., None] * 1e4


def _axes(keypoints: Tensor, visibility: Tensor | None, aspect: float, limbs: tuple[Limb, ...]) -> _Axes:
    points = keypoints.float() * keypoints.new_tensor([aspect, 1.0]).float()
    seen = torch.ones_like(points[..., 0]) if visibility is None else (visibility > 0).float()
    start, end, present = _ends(points, seen, limbs)
    size = _size(start, end, present, limbs).clamp_min(0.05)
    thickness = [_width(points, seen, limb.across, size) if limb.across is not None else size for limb in limbs]
    return _Axes(start, end, torch.stack(thickness, 1), present, size)


def body_size(keypoints: Tensor, visibility: Tensor) -> Tensor:
    """Distance from hips to shoulders of a body, as if seen without foreshortening.

    Args:
        keypoints (`Tensor` of shape (B, K, 2)): In pixels; K must be a layout in `LIMBS`.
        visibility (`Tensor` of shape (B, K)): 0 for a missing point.

    Returns:
        `Tensor` of shape (B,): in pixels; 0 where no limb is seen.
    """
    limbs = LIMBS[keypoints.shape[1]]
    return _size(*_ends(keypoints.float(), (visibility > 0).float(), limbs), limbs)


def _ends(points: Tensor, seen: Tensor, limbs: tuple[Limb, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Ends (B, L, 2) of all limbs, and whether both are seen (B, L)."""
    ends = [[_mean(points, seen, members) for members in (limb.start, limb.end)] for limb in limbs]
    start, end = (torch.stack([pair[side][0] for pair in ends], 1) for side in (0, 1))
    return start, end, torch.stack([pair[0][1] * pair[1][1] for pair in ends], 1)


def _size(start: Tensor, end: Tensor, present: Tensor, limbs: tuple[Limb, ...]) -> Tensor:
    """Projection only shortens limbs, so the longest ones, measured by what is typical, tell the body's size."""
    typical = torch.tensor([limb.typical for limb in limbs], device=start.device)
    longest = ((end - start).norm(dim=-1) / typical * present).topk(3, 1).values
    return longest.sum(1) / (longest > 0).sum(1).clamp_min(1)


def _mean(points: Tensor, seen: Tensor, members: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    weight = seen[:, members, None]
    count = weight.sum(1)
    return (points[:, members] * weight).sum(1) / count.clamp_min(1), (count[:, 0] > 0).float()


def _width(points: Tensor, seen: Tensor, across: tuple[int, int], size: Tensor) -> Tensor:
    """Seen width of a part as a share of its usual 0.75 body sizes, as a thickness."""
    first, second = across
    measured = (points[:, first] - points[:, second]).norm(dim=-1) / 0.75
    both = seen[:, first] * seen[:, second]
    return torch.maximum(torch.minimum(torch.where(both > 0, measured, size), 1.2 * size), 0.55 * size)


def _pixels(height: int, width: int, aspect: float, device: torch.device) -> Tensor:
    """Positions (H * W, 2) of the pixels in units of half the height."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=device),
        torch.linspace(-aspect, aspect, width, device=device),
        indexing="ij",
    )
    return torch.stack([x, y], -1).reshape(-1, 2)


def _driving_frame(pixels: Tensor, axes: _Axes, limbs: tuple[Limb, ...], margin: float = 1.0) -> tuple[Tensor, Tensor]:
    """Pixels along and across every axis (B, L, P, 2), and their distance from the capsule's axis in radii (B, L, P)."""
    along, length = _direction(axes)
    offset = pixels[None, None] - axes.start[:, :, None]
    forward = (offset * along[:, :, None]).sum(-1)
    normal = torch.stack([-along[..., 1], along[..., 0]], -1)
    sideways = (offset * normal[:, :, None]).sum(-1)
    beyond = torch.tensor([limb.beyond for limb in limbs], device=pixels.device)
    radius = torch.tensor([limb.radius for limb in limbs], device=pixels.device) * axes.thickness * margin
    reach = length * (1 + beyond)
    past = forward - forward.clamp_min(0).minimum(reach[..., None])
    distance = (past.square() + sideways.square() + 1e-12).sqrt() / radius[..., None]
    return torch.stack([forward, sideways], -1), distance


def _direction(axes: _Axes) -> tuple[Tensor, Tensor]:
    """Unit vector (B, L, 2) and length (B, L) of every axis; a vanishing one points down."""
    vector = axes.end - axes.start
    length = vector.norm(dim=-1, keepdim=True)
    down = torch.zeros_like(vector)
    down[..., 1] = 1
    direction = torch.where(length > 1e-4, vector / length.clamp_min(1e-4), down)
    return direction, length[..., 0].maximum(SHORTEST * axes.size[:, None])


def _source_places(position: Tensor, here: _Axes, there: _Axes) -> Tensor:
    """Where positions (B, L, P, 2) in the driving limbs' frames lie in the source, in units of half the height."""
    along, length = _direction(here)
    _, driving_length = _direction(there)
    normal = torch.stack([-along[..., 1], along[..., 0]], -1)
    stretch = (length / driving_length)[..., None, None]
    widen = (here.thickness / there.thickness)[..., None, None]
    return (
        here.start[:, :, None]
        + position[..., :1] * stretch * along[:, :, None]
        + position[..., 1:] * widen * normal[:, :, None]
    )


def _moving(here: _Axes, there: _Axes) -> Tensor:
    """Whether limbs move, from 0 to 1, (B, L); one that the driving pose lacks is gone."""
    ends = [(there.start - here.start).norm(dim=-1), (there.end - here.end).norm(dim=-1)]
    moved = 1 - torch.exp(-((torch.maximum(*ends) / STILL) ** 2))
    return torch.maximum(moved, 1 - there.seen)


def _coverage(distance: Tensor, weight: Tensor | None = None) -> Tensor:
    """Pixels that lie within limbs (B, P), by distances (B, L, P) in radii; limbs may be weighted (B, L)."""
    inside = torch.sigmoid((1 - distance) / SOFTNESS)
    return (inside if weight is None else inside * weight[..., None]).amax(1)


def _sample_parts(source: Tensor, places: Tensor, share: Tensor, aspect: float) -> Tensor:
    batch, _, height, width = source.shape
    grid = places.unflatten(2, (height, width)) / places.new_tensor([aspect, 1.0])
    picture = source.float()
    total = torch.zeros_like(picture)
    for number in range(places.shape[1]):
        sampled = F.grid_sample(picture, grid[:, number], padding_mode="border", align_corners=True)
        total = total + share[:, number].view(batch, 1, height, width) * sampled
    return total


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
    "BODY18_LIMBS",
    "CLOTHED",
    "LIMBS",
    "Background",
    "Limb",
    "MovedBody",
    "body_coverage",
    "body_size",
    "compose",
    "move_limbs",
    "pose_distance",
    "still_background",
]
