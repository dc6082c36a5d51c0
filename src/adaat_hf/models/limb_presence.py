"""Where the parts of a body have pixels of their own after their move: within their reach, and where the photographed body has."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .limb_layers import SourceLayers, front_parts, leg_parts, trunk_part
from .limbs import SOFTNESS, Limb, LimbAxes, axis_directions


# Parts reach up to this many radii sideways, as far as the silhouette does, at their ends, and at those ends at which they meet
# the next limb: a bent elbow or knee is no thicker than the limb.
SIDE_MARGIN, END_MARGIN, BEND_MARGIN = 1.6, 1.25, 0.4
# How gradually a trunk ends at the hips, in its lengths.
HIPS_WIDTH = 0.1
# A part that lies behind an arm is continued behind it up to this many radii.
BESIDE = 1.1


def reach_of_parts(position: Tensor, distance: Tensor, there: LimbAxes, limbs: tuple[Limb, ...]) -> Tensor:
    """Distances (B, L, P) of positions (B, L, P, 2) in the limbs' frames, from distances in radii, in units of how far parts may
    reach."""
    radius = torch.tensor([limb.radius for limb in limbs], device=distance.device) * there.thickness
    sideways = position[..., 1] / radius[..., None]
    past = (distance.square() - sideways.square()).clamp_min(0).sqrt()
    starts, ends = {limb.start for limb in limbs}, {limb.end for limb in limbs}
    margins = [
        (BEND_MARGIN if limb.start in ends else END_MARGIN, BEND_MARGIN if limb.end in starts else END_MARGIN)
        for limb in limbs
    ]
    before, after = torch.tensor(margins, device=distance.device).T[..., None]
    return torch.hypot(sideways / SIDE_MARGIN, past / torch.where(position[..., 0] < 0, before, after))


def presence_of_parts(
    layers: SourceLayers,
    grids: Tensor,
    moving: Tensor,
    position: Tensor,
    distance: Tensor,
    reach: Tensor,
    there: LimbAxes,
    limbs: tuple[Limb, ...],
) -> Tensor:
    """How far each limb has pixels of its own after its move.

    Those of the silhouette, but: arms that move leave behind what is not theirs, at the shoulders only beyond the trunk, and
    those beside them what goes with them; legs leave what is the other leg's; the rest is filled in behind arms as the silhouette
    without arms is, but no farther than its capsules reach, as a hanging arm lies beside the trunk.

    Args:
        layers ([`SourceLayers`]): The source taken apart.
        grids (`Tensor` of shape (B, L, H, W, 2)): Where each limb's pixels lie in the source, in [-1, 1].
        moving (`Tensor` of shape (B, L)): Whether limbs move, from 0 to 1.
        position (`Tensor` of shape (B, L, P, 2)), distance (`Tensor` of shape (B, L, P)): Of all pixels in the limbs' frames.
        reach (`Tensor` of shape (B, L, P)): See [`reach_of_parts`].
        there ([`LimbAxes`]): The driving pose.
        limbs (`tuple[Limb, ...]`): The limbs.

    Returns:
        `Tensor` of shape (B, L, P): in [0, 1].
    """
    front, legs, trunk = front_parts(limbs), list(leg_parts(limbs)), trunk_part(limbs)
    moved = layers.arms * moving[:, front, None, None]
    within = torch.sigmoid((1 - reach) / SOFTNESS)
    presence = list(_behind_arms(layers, grids, moved, distance).unbind(1))
    on_trunk = within[:, trunk] * sample(layers.body, grids[:, trunk]).flatten(1)
    for index, number in enumerate(front):
        others = [other for other in range(len(front)) if other != index]
        lost = torch.maximum(moved[:, others].amax(1, keepdim=True), moving[:, number, None, None, None])
        lost = lost * (1 - layers.arms[:, [index]])
        own = layers.body * (1 - torch.cat([lost, lost * (1 - layers.joints)], 1))
        alone, joined = sample(own, grids[:, number]).flatten(2).unbind(1)
        presence[number] = torch.maximum(alone, joined * on_trunk)
    for index, number in enumerate(legs):
        presence[number] = presence[number] * sample(layers.legs[:, [index]], grids[:, number]).flatten(1)
    presence[trunk] = presence[trunk] * _trunk_share(presence, position, within, there, limbs)
    return torch.stack(presence, 1)


def sample(picture: Tensor, grid: Tensor) -> Tensor:
    """A picture (B, C, H, W) at some places (B, h, w, 2) in [-1, 1]; beyond its border it goes on."""
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)


def _behind_arms(layers: SourceLayers, grids: Tensor, moved: Tensor, distance: Tensor) -> Tensor:
    """The silhouette (B, L, P) in each limb's place, where arms that move (B, A, H, W) leave what is behind them."""
    gone = moved.amax(1, keepdim=True) * (1 - layers.joints)
    behind = torch.cat([torch.lerp(layers.body, layers.rest, gone), gone], 1)
    found = [sample(behind, grid).flatten(2) for grid in grids.unbind(1)]
    body, lost = torch.stack(found, 2).unbind(1)
    return body * (1 - torch.sigmoid((distance - BESIDE) / SOFTNESS) * lost)


def _trunk_share(
    presence: list[Tensor], position: Tensor, within: Tensor, there: LimbAxes, limbs: tuple[Limb, ...]
) -> Tensor:
    """What of a trunk stays (B, P): below the hips, what lies on legs. Thighs that move would else remain at its sides."""
    trunk = trunk_part(limbs)
    thighs = [number for number, leg in enumerate(limbs) if set(leg.start) < set(limbs[trunk].end)]
    _, length = axis_directions(there)
    below = torch.sigmoid((position[:, trunk, :, 0] / length[:, trunk, None] - 1) / HIPS_WIDTH)
    on_legs = torch.stack([presence[number] * within[:, number] for number in thighs]).amax(0)
    return 1 - there.seen[:, thighs].amin(1, keepdim=True) * below * (1 - on_legs)


__all__ = ["presence_of_parts", "reach_of_parts", "sample"]
