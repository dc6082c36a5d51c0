"""Take a photographed body apart into layers: its silhouette, its arms, and what is behind them."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from .inpainting import fill, grow
from .limbs import (
    SOFTNESS,
    Limb,
    LimbAxes,
    axis_directions,
    hidden_distance,
    limb_frames,
    picture_positions,
    sample,
    widen,
)
from .matting import BAND, matte
from .silhouette import find_silhouettes


# What place and colour say about a pixel, as logits: the first falls from an arm's axis outwards and is 0 at this distance,
# in radii; the second compares the pixel with the colour on the axis beside it and with the colours around the arm.
BOUND, STEEPNESS = 0.8, 6.0
COLOUR_SPREAD, LARGEST_EVIDENCE = 0.08, 3.5
# How much a network's word counts beside place and colour; its logits are limited.
TOLD, LARGEST_TOLD = 0.7, 4.0
# Colours around an arm are taken outside this many radii.
OUTSIDE = 1.15
# Width of the rim around an arm that goes with it, in heights of the picture.
RIM = 0.008
# Around a shoulder, up to this many radii of the arm, the body belongs to both the arm and the trunk, so that no gap opens
# between them when the arm turns.
JOINT = 1.2
# A leg takes what lies up to this many radii beyond the middle between it and the other one; of legs whose axes are nearer to each
# other than the second number, there is no middle.
LEG_OVERLAP, LEGS_APART = 0.18, 0.1
# Knees or ankles that are nearer than this many radii do not tell the side any more, but what lies above them by up to this share of the
# limb's length.
ENDS_APART, ABOVE = 0.5, 0.4
# What is behind an arm is continued from both of its sides, this far, in heights of the picture.
RINGS = 0.06


@dataclass(frozen=True)
class SourceLayers:
    """
    A picture taken apart.

    Args:
        colours (`Tensor` of shape (B, 3, H, W)): The picture, with the body's own colours alone at its outline, if a network told
            where it is ([`matte`]).
        filled (`Tensor` of shape (B, 3, H, W)): What it would be without its arms, filled from around them.
        arms (`Tensor` of shape (B, A, H, W)): How far each pixel belongs to each part that lies in front, in [0, 1], in the
            order of [`front_parts`].
        legs (`Tensor` of shape (B, P, H, W)): How far each pixel belongs to each part of the legs rather than to the same part of
            the other leg, in [0, 1], in the order of [`leg_parts`].
        joints (`Tensor` of shape (B, 1, H, W)): How far each pixel belongs to an arm and to the trunk at once, in [0, 1].
        body (`Tensor` of shape (B, 1, H, W)): The silhouette ([`find_silhouettes`], [`matte`]).
        rest (`Tensor` of shape (B, 1, H, W)): What it would be without the arms, filled as the picture is.
    """

    colours: Tensor
    filled: Tensor
    arms: Tensor
    legs: Tensor
    joints: Tensor
    body: Tensor
    rest: Tensor

    def behind(self, moving: Tensor) -> Tensor:
        """The colours (B, 3, H, W) without the arms that move (B, A), from 0 to 1; at their outline a little more is filled."""
        gone = widen((self.arms * moving[..., None, None]).amax(1, keepdim=True), RIM + BAND) * (1 - self.joints)
        return torch.lerp(self.colours, self.filled, gone)

    def expand(self, count: int) -> "SourceLayers":
        """The layers of these pictures, again and again, for a batch of `count`."""
        own = len(self.filled)
        if own == 1:
            return self._each(lambda value: value.expand(count, -1, -1, -1))
        return self._each(lambda value: value.repeat(count // own, 1, 1, 1))

    def to(self, device: torch.device) -> "SourceLayers":
        """The same on another device."""
        return self._each(lambda value: value.to(device))

    def only(self, number: int) -> "SourceLayers":
        """One of the pictures alone."""
        return self._each(lambda value: value[[number]])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "SourceLayers":
        return SourceLayers(*(change(getattr(self, field.name)) for field in fields(self)))


def front_parts(limbs: tuple[Limb, ...]) -> list[int]:
    """Numbers of the limbs that lie in front of others."""
    return [number for number, limb in enumerate(limbs) if limb.rank > 0]


def leg_parts(limbs: tuple[Limb, ...]) -> dict[int, int]:
    """Numbers of the limbs that have a twin on the other side and do not lie in front of others, and the twins' numbers."""
    twins = {}
    for number, limb in enumerate(limbs):
        for other, twin in enumerate(limbs):
            alike = (limb.typical, limb.radius, limb.beyond) == (twin.typical, twin.radius, twin.beyond)
            if alike and other != number and limb.rank == 0:
                twins[number] = other
    return twins


def trunk_and_thighs(limbs: tuple[Limb, ...]) -> tuple[int, list[int]]:
    """Number of the limb on which the legs hang, and of those that hang on it."""
    for trunk, limb in enumerate(limbs):
        thighs = [number for number, leg in enumerate(limbs) if set(leg.start) < set(limb.end)]
        if thighs:
            return trunk, thighs
    raise ValueError("Of these limbs no two hang on one and the same.")


@torch.no_grad()
def take_apart(picture: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...], parts: Tensor | None = None) -> SourceLayers:
    """Find the pixels of arms by place and colour, so that clothes beside a hanging arm do not go with it, nor the arm with
    the clothes.

    Args:
        picture (`Tensor` of shape (B, 3, H, W)): The source in [0, 1].
        axes ([`LimbAxes`]): Where its limbs are.
        limbs (`tuple[Limb, ...]`): The limbs.
        parts (`Tensor` of shape (B, 3, H, W), *optional*): How likely each pixel is each of `PARTS`, in [0, 1], by a network.
    """
    height, width = picture.shape[2:]
    aspect = (width - 1) / (height - 1)
    pixels = picture_positions(height, width, aspect, picture.device)
    position, distance = limb_frames(pixels, axes, limbs)
    front = front_parts(limbs)
    apart = (distance + hidden_distance(axes.seen)).unflatten(2, (height, width))
    distance, legs = apart[:, front], _nearer_legs(pixels, position, axes, limbs).unflatten(2, (height, width))
    outside = torch.sigmoid((distance.amin(1, keepdim=True) - OUTSIDE) / SOFTNESS)
    unlike_around = (picture - fill(picture, outside)).square().sum(1, keepdim=True)
    reach = axis_directions(axes)[1][:, front] * (1 + torch.tensor([limbs[n].beyond for n in front]).to(picture))
    unlike_axis = _difference_from_axis(picture, _nearest_on_axes(position[:, front], axes.some(front), reach), aspect)
    evidence = ((unlike_around - unlike_axis) / COLOUR_SPREAD**2).clamp(-LARGEST_EVIDENCE, LARGEST_EVIDENCE)
    if parts is not None:
        evidence = evidence + TOLD * torch.logit(parts[:, 2:].clamp(1e-3, 1 - 1e-3)).clamp(-LARGEST_TOLD, LARGEST_TOLD)
    arms = torch.sigmoid(STEEPNESS * (BOUND - distance) + evidence) * torch.sigmoid((OUTSIDE - distance) / SOFTNESS)
    arms = F.avg_pool2d(arms, 3, 1, 1, count_include_pad=False)
    rim = widen(arms.amax(1, keepdim=True), RIM)
    body = find_silhouettes(picture, axes, limbs, None if parts is None else 1 - parts[:, :1])
    filled, rest = grow(torch.cat([picture, body], 1), 1 - rim, round(height * RINGS)).split([3, 1], 1)
    colours = picture
    if parts is not None:
        # Silhouettes by colours alone are too often wrong by more than the band in which mixtures are looked for.
        filled, rest = matte(filled, rest)
        colours, body = matte(picture, body)
    joints = joint_discs(pixels, axes, limbs).unflatten(2, (height, width))
    return SourceLayers(colours, filled, arms, legs, joints, body, rest)


def _nearer_legs(pixels: Tensor, position: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...]) -> Tensor:
    """How far places (P, 2), at positions (B, L, P, 2) in the limbs' frames, lie on the side of each part of the legs (B, N, P) rather than
    of the other leg's."""
    twins = leg_parts(limbs)
    own, other = list(twins), list(twins.values())
    radius = torch.tensor([limb.radius for limb in limbs], device=pixels.device)[own] * axes.thickness[:, own]
    ends = (axes.end[:, own] - axes.end[:, other]).norm(dim=-1) / radius
    # Not the axes beyond their ends tell the side of feet: those of legs that come nearer to each other cross there.
    reach = axis_directions(axes)[1][:, own] * (1 - ABOVE * (1 - ends / ENDS_APART).clamp_min(0))
    legs = axes.some(own)
    nearest = _nearest_on_axes(position[:, own], legs, reach)
    distance = (pixels - nearest).norm(dim=-1) / radius[..., None] + hidden_distance(legs.seen)
    twin = [own.index(number) for number in other]
    between = (nearest - nearest[:, twin]).norm(dim=-1) / radius[..., None]
    # The distance from the line that is as far from one place as from the other.
    inside = (distance[:, twin].square() - distance.square()) / (2 * between.clamp_min(LEGS_APART))
    return torch.sigmoid(2 * (inside + LEG_OVERLAP) / SOFTNESS)


def _nearest_on_axes(position: Tensor, axes: LimbAxes, reach: Tensor) -> Tensor:
    """Those points (B, L, P, 2) of the axes, up to a distance (B, L) from their starts, that are nearest to positions in the limbs'
    frames, of that shape."""
    along, _ = axis_directions(axes)
    forward = position[..., 0].clamp_min(0).minimum(reach[..., None])
    return axes.start[:, :, None] + forward[..., None] * along[:, :, None]


def joint_discs(pixels: Tensor, axes: LimbAxes, limbs: tuple[Limb, ...]) -> Tensor:
    """Discs (B, 1, P) at those ends of the front limbs with which they hang on the rest of the body, at places (P, 2)."""
    ends = {limb.end for limb in limbs}
    hanging = [number for number in front_parts(limbs) if limbs[number].start not in ends]
    radius = torch.tensor([limbs[number].radius for number in hanging], device=pixels.device)
    apart = (pixels - axes.start[:, hanging, None]).norm(dim=-1) / (radius * axes.thickness[:, hanging])[..., None]
    apart = apart + hidden_distance(axes.seen[:, hanging])
    return torch.sigmoid((JOINT - apart) / SOFTNESS).amax(1, keepdim=True)


def _difference_from_axis(picture: Tensor, nearest: Tensor, aspect: float) -> Tensor:
    """Squared colour difference (B, A, H, W) of every pixel from the points of axes (B, A, H * W, 2) that are nearest to it."""
    smooth = F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    grids = (nearest / nearest.new_tensor([aspect, 1.0])).unflatten(2, tuple(picture.shape[2:]))
    return torch.stack([(picture - sample(smooth, grid)).square().sum(1) for grid in grids.unbind(1)], 1)


__all__ = ["SourceLayers", "front_parts", "joint_discs", "leg_parts", "take_apart", "trunk_and_thighs"]
