"""Move the parts of a body from the source pose to the driving pose, each like a rigid limb."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .completion import complete
from .inpainting import inpaint
from .limb_layers import SourceLayers, front_parts, joint_discs, take_apart
from .limb_presence import hidden_by_body, presence_of_parts, reach_of_parts
from .limbs import (
    LIMBS,
    Limb,
    LimbAxes,
    axis_directions,
    foot_distance,
    hidden_distance,
    joined_coverage,
    limb_axes,
    limb_coverage,
    limb_distance,
    limb_frames,
    picture_positions,
    sample,
    widen,
)


# Parts are mixed by their distance; the closer one wins where they differ by more than about a fifth of a radius.
SHARPNESS = 14.0
# The source's body is erased with a rim around its silhouette, in heights of the picture, so that its outline does not stay in the
# background.
ERASED_RIM = 0.024
# Coverage is corrected by the network in logits, which it must be able to overrule.
LARGEST_LOGIT = 3.0
# Around parts that move by less than about this, in units of half the height (4 px of 256), the source's pixels stay.
STILL = 0.03
LEAST_PRESENCE = 1e-4
# Within the body, parts without pixels of their own give way to those that have some all the more.
EMPHASIS = 3.0
# What lies behind the body is farther from all pixels by this many radii.
FARTHER = 3.0


@dataclass(frozen=True)
class MovedBody:
    """
    A source picture whose body parts were moved.

    Args:
        parts (`Tensor` of shape (B, 3, H, W)): The parts in the driving pose, continued beyond their outlines.
        background (`Tensor` of shape (B, 3, H, W)): The source without its body.
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
class PreparedSources:
    """
    What is made once of the sources of many pictures.

    Args:
        layers ([`SourceLayers`]): The S sources taken apart.
        empty (`Tensor` of shape (1, 3, H, W)): What the first source would be if nobody were in it ([`complete`]).
        background (`Tensor` of shape (1, 3, H, W), *optional*): The first source without its body, for a clip, whose background
            stands still; by default it is made for every pose.
        erased (`Tensor` of shape (1, 1, H, W), *optional*): Where the body was taken away, in [0, 1].
    """

    layers: SourceLayers
    empty: Tensor
    background: Tensor | None = None
    erased: Tensor | None = None

    def source(self, number: int) -> "PreparedSources":
        """One of the sources alone."""
        return PreparedSources(self.layers.only(number), self.empty, self.background, self.erased)

    def to(self, device: torch.device, dtype: torch.dtype) -> "PreparedSources":
        """The same on another device, in another type; layers stay in float32, in which limbs are moved."""
        still = (None if value is None else value.to(device, dtype) for value in (self.background, self.erased))
        return PreparedSources(self.layers.to(device), self.empty.to(device), *still)


def prepare_sources(
    sources: Tensor,
    source_keypoints: Tensor,
    driving_keypoints: Tensor,
    source_visibility: Tensor | None = None,
    driving_visibility: Tensor | None = None,
    parts: Tensor | None = None,
) -> PreparedSources:
    """Prepare the sources of a clip: limbs that move in any of its frames are taken out of the background, others stay.

    For poses that are no clip, see [`prepare_layers`].

    Args:
        sources (`Tensor` of shape (S, 3, H, W)): Pictures of one subject; the background is the first one's.
        source_keypoints (`Tensor` of shape (S, K, 2)), driving_keypoints (`Tensor` of shape (T, K, 2)): In [-1, 1].
        source_visibility (`Tensor` of shape (S, K)), driving_visibility (`Tensor` of shape (T, K)), *optional*: 0 for a
            missing point.
        parts (`Tensor` of shape (S, 3, H, W), *optional*): See [`take_apart`].
    """
    aspect = (sources.shape[3] - 1) / (sources.shape[2] - 1)
    limbs = LIMBS[source_keypoints.shape[1]]
    here = limb_axes(source_keypoints, source_visibility, aspect, limbs)
    there = limb_axes(driving_keypoints, driving_visibility, aspect, limbs)
    ready, first = _prepared(sources, here, limbs, parts), here.only(0)
    moving = _moving(first, there).amax(0, keepdim=True)
    behind, erased = _without_body(sources[:1], first, ready.layers.body[:1], moving, limbs, ready.empty)
    return PreparedSources(ready.layers, ready.empty, behind, erased).to(sources.device, sources.dtype)


def prepare_layers(
    sources: Tensor, source_keypoints: Tensor, source_visibility: Tensor | None = None, parts: Tensor | None = None
) -> PreparedSources:
    """Prepare the sources of poses that are no clip, once; arguments as of [`prepare_sources`]."""
    aspect = (sources.shape[3] - 1) / (sources.shape[2] - 1)
    limbs = LIMBS[source_keypoints.shape[1]]
    return _prepared(sources, limb_axes(source_keypoints, source_visibility, aspect, limbs), limbs, parts)


def _prepared(sources: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...], parts: Tensor | None) -> PreparedSources:
    layers = take_apart(sources.float(), axes, limbs, parts)
    first = axes.only(0)
    (body,) = _places(first, layers.body[:1], limbs, torch.ones_like(first.seen))
    return PreparedSources(layers, complete(sources[:1].float(), 1 - body))


def _without_body(
    source: Tensor,
    axes: LimbAxes,
    silhouette: Tensor,
    moving: Tensor,
    limbs: tuple[Limb, ...],
    empty: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The picture (B, 3, H, W) without its moving (B, L) limbs, and where they were taken away (B, 1, H, W); float32.

    What is behind them is taken from `empty`, the picture without all of its body, which is made here by default: faster and worse than
    [`complete`] makes it, for training.
    """
    body, erased = _places(axes, silhouette, limbs, torch.ones_like(moving), moving)
    if empty is None:
        # A trunk that stays must not run into the place of an arm that leaves.
        empty = inpaint(source.float(), 1 - body)
    return torch.lerp(source.float(), empty, erased), erased


def _places(axes: LimbAxes, silhouette: Tensor, limbs: tuple[Limb, ...], *moving: Tensor) -> list[Tensor]:
    """Where the limbs that move, by each of `moving` (B, L), are in a picture, (B, 1, H, W): what is nearest to them of the silhouette
    (B, 1, H, W) and a rim around it, and in any case within their capsules."""
    height, width = silhouette.shape[2:]
    aspect = (width - 1) / (height - 1)
    # A soft edge, within the rim: what is filled in may be a little brighter or darker than its surroundings.
    soft = round(height * ERASED_RIM) // 2
    outline = F.avg_pool2d(widen(silhouette, ERASED_RIM), 2 * soft + 1, 1, soft, count_include_pad=False)
    distance = limb_distance(axes, limbs, height, width, aspect, 1.0, feet=True)
    nearest = torch.softmax(-SHARPNESS * distance, 1).unflatten(2, (height, width))
    within = limb_coverage(limb_distance(axes, limbs, height, width, aspect, 1.0)).unflatten(2, (height, width))
    return [
        torch.maximum((nearest * moves).sum(1, keepdim=True) * outline, (within * moves).amax(1, keepdim=True))
        for moves in (limb[..., None, None] for limb in moving)
    ]


def move_limbs(
    source: Tensor,
    source_keypoints: Tensor,
    driving_keypoints: Tensor,
    source_visibility: Tensor | None = None,
    driving_visibility: Tensor | None = None,
    prepared: PreparedSources | None = None,
) -> MovedBody:
    """Move the parts of the body in `source` to the driving pose.

    Each part is a capsule around a limb that turns, shifts and stretches along its axis, so that hands, feet and clothes
    go with it (compare the rigid parts of Siarohin et al., Deformable GANs, 2018); it ends where the photographed body does
    ([`find_silhouettes`]). Arms are told from what is behind them ([`take_apart`]). Where the body was, the background goes
    on as around it, best if it was prepared; where a part is seen in one of the poses only, it is left out.

    Args:
        source (`Tensor` of shape (B, 3, H, W)): Picture.
        source_keypoints, driving_keypoints (`Tensor` of shape (B, K, 2)): (x, y) in [-1, 1]; K must be a layout in `LIMBS`.
        source_visibility, driving_visibility (`Tensor` of shape (B, K), *optional*): 0 for a missing point; in the driving pose,
            `BEHIND` where an arm's part that ends in the point is behind the body.
        prepared ([`PreparedSources`], *optional*): What was made of the S sources before, where the batch is those S sources
            again and again ([`prepare_sources`], [`prepare_layers`]); by default it is made here, for every picture.
    """
    height, width = source.shape[2:]
    aspect = (width - 1) / (height - 1)
    limbs = LIMBS[source_keypoints.shape[1]]
    here = limb_axes(source_keypoints, source_visibility, aspect, limbs, driving_visibility)
    there = limb_axes(driving_keypoints, driving_visibility, aspect, limbs, source_visibility)
    pixels = picture_positions(height, width, aspect, source.device)
    position, distance = limb_frames(pixels, there, limbs)
    places = _source_places(position, here, there, limbs)
    ranks = torch.tensor([limb.rank for limb in limbs], device=source.device)[:, None]
    hidden = hidden_distance(here.seen * there.seen)
    moving = _moving(here, there)
    layers = prepared.layers.expand(len(source)) if prepared else take_apart(source.float(), here, limbs)
    if prepared is None or prepared.background is None or prepared.erased is None:
        empty = None if prepared is None else prepared.empty
        behind, erased = _without_body(source, here, layers.body, moving, limbs, empty)
    else:
        behind, erased = (value.expand(len(source), -1, -1, -1) for value in (prepared.background, prepared.erased))
    grids = places.unflatten(2, (height, width)) / places.new_tensor([aspect, 1.0])
    feet = foot_distance(position, there, limbs)
    reach, distance = reach_of_parts(position, distance, there, limbs).minimum(feet), distance.minimum(feet)
    joints = joint_discs(pixels, there, limbs)
    presence = presence_of_parts(layers, grids, moving, position, distance, reach, joints, there, limbs)
    reach = reach + hidden
    under = hidden_by_body(presence, reach, there, limbs)
    presence = presence * (1 - under)
    distance = distance + FARTHER * under
    coverage = joined_coverage(reach, presence)
    share = shares_of_parts(distance, ranks, presence, hidden, coverage)
    coverage = coverage.unflatten(1, (height, width))[:, None]
    # Mixing places instead of colours would tear limbs apart, so every part is sampled on its own.
    behind_arms = layers.behind(moving[:, front_parts(limbs)])
    parts = _sample_parts(layers.colours, behind_arms, grids, share, limbs)
    return MovedBody(*(value.to(source.dtype) for value in (parts, behind, coverage, erased)))


def shares_of_parts(distance: Tensor, ranks: Tensor, presence: Tensor, hidden: Tensor, coverage: Tensor) -> Tensor:
    """How much of each pixel is each part's (B, L, P): of what has pixels there, the foremost and nearest one's.

    Args:
        distance (`Tensor` of shape (B, L, P)): From the limbs, in radii.
        ranks (`Tensor` of shape (L, 1)): Those of limbs that lie in front are higher.
        presence (`Tensor` of shape (B, L, P)): How far each limb has pixels of its own there, in [0, 1].
        hidden (`Tensor` of shape (B, L, 1)): See [`hidden_distance`].
        coverage (`Tensor` of shape (B, P)): Where the body is, in [0, 1].
    """
    emphasis = 1 + (EMPHASIS - 1) * coverage[:, None]
    owned = emphasis * presence.clamp_min(LEAST_PRESENCE).log()
    return torch.softmax(SHARPNESS * (ranks - distance) - hidden + owned, 1)


def _source_places(position: Tensor, here: LimbAxes, there: LimbAxes, limbs: tuple[Limb, ...]) -> Tensor:
    """Where positions (B, L, P, 2) in the driving limbs' frames lie in the source, in units of half the height.

    Limbs stretch along their axes, but heads, which are held by their far end: when they nod, necks get shorter, not faces.
    """
    along, length = axis_directions(here)
    _, driving_length = axis_directions(there)
    normal = torch.stack([-along[..., 1], along[..., 0]], -1)
    stretch = (length / driving_length)[..., None, None]
    widen = (here.thickness / there.thickness)[..., None, None]
    forward = position[..., :1]
    steady = torch.tensor([bool(limb.steady) for limb in limbs], device=position.device)[:, None, None]
    held = length[..., None, None] + (forward - driving_length[..., None, None]) * widen
    return (
        here.start[:, :, None]
        + torch.where(steady, held, forward * stretch) * along[:, :, None]
        + position[..., 1:] * widen * normal[:, :, None]
    )


def _moving(here: LimbAxes, there: LimbAxes) -> Tensor:
    """Whether limbs move, from 0 to 1, (B, L); one that the driving pose lacks is gone."""
    ends = [(there.start - here.start).norm(dim=-1), (there.end - here.end).norm(dim=-1)]
    moved = 1 - torch.exp(-((torch.maximum(*ends) / STILL) ** 2))
    return torch.maximum(moved, 1 - there.seen)


def _sample_parts(
    source: Tensor, behind_arms: Tensor, grids: Tensor, share: Tensor, limbs: tuple[Limb, ...]
) -> Tensor:
    """The moved limbs on top of each other (B, 3, H, W), mixed by their shares (B, L, P)."""
    batch, _, height, width = source.shape
    total = torch.zeros_like(source)
    for number, limb in enumerate(limbs):
        picture = source if limb.rank > 0 else behind_arms
        total = total + share[:, number].view(batch, 1, height, width) * sample(picture, grids[:, number])
    return total


__all__ = [
    "MovedBody",
    "PreparedSources",
    "compose",
    "move_limbs",
    "prepare_layers",
    "prepare_sources",
    "shares_of_parts",
]
