"""Where the parts of a body have pixels of their own after their move: within their reach, and where the photographed body has."""

import torch
from torch import Tensor

from .limb_layers import RIM, SourceLayers, front_parts, leg_parts, trunk_and_thighs
from .limbs import Limb, LimbAxes, axis_directions, joined_coverage, sample, widen


# Parts reach up to this many radii sideways, as far as the silhouette does, at their ends, and at those ends at which they meet
# the next limb: a bent elbow or knee is no thicker than the limb.
SIDE_MARGIN, END_MARGIN, BEND_MARGIN = 1.6, 1.25, 0.4
# How gradually a trunk ends at the hips, in its lengths.
HIPS_WIDTH = 0.1
# A part that lies behind an arm is continued behind it up to this many radii, and how gradually it ends there.
BESIDE, BESIDE_SOFTNESS = 1.1, 0.03
# How sharply the body's outline hides an arm behind it, in shares of coverage.
EDGE = 0.08


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
    joints: Tensor,
    there: LimbAxes,
    limbs: tuple[Limb, ...],
) -> Tensor:
    """How far each limb has pixels of its own after its move.

    Those of the silhouette, but: arms that move leave behind what is not theirs, at the shoulders only beyond the trunk, and
    those beside them what goes with them, but at the shoulders of both poses: of somebody who turns aside, the source's are wider
    apart than the trunk; legs leave what is the other leg's; the rest is filled in behind arms as the silhouette without arms is,
    but no farther than its capsules reach, as a hanging arm lies beside the trunk.

    Args:
        layers ([`SourceLayers`]): The source taken apart.
        grids (`Tensor` of shape (B, L, H, W, 2)): Where each limb's pixels lie in the source, in [-1, 1].
        moving (`Tensor` of shape (B, L)): Whether limbs move, from 0 to 1.
        position (`Tensor` of shape (B, L, P, 2)), distance (`Tensor` of shape (B, L, P)): Of all pixels in the limbs' frames.
        reach (`Tensor` of shape (B, L, P)): See [`reach_of_parts`].
        joints (`Tensor` of shape (B, 1, P)): Where shoulders are to be (see [`joint_discs`]).
        there ([`LimbAxes`]): The driving pose.
        limbs (`tuple[Limb, ...]`): The limbs.

    Returns:
        `Tensor` of shape (B, L, P): in [0, 1].
    """
    front, legs, (trunk, thighs) = front_parts(limbs), list(leg_parts(limbs)), trunk_and_thighs(limbs)
    moved = layers.arms * moving[:, front, None, None]
    behind = torch.cat([layers.body, layers.rest, widen(moved.amax(1, keepdim=True), RIM), layers.joints], 1)
    on_trunk = joined_coverage(reach[:, [trunk]], sample(layers.body, grids[:, trunk]).flatten(2))
    presence = []
    for number in range(len(limbs)):
        grid = grids[:, number]
        if number in front:
            presence.append(_of_arm(layers, moved, moving[:, number], front.index(number), grid, on_trunk))
            continue
        leg = layers.legs[:, [legs.index(number)]] if number in legs else torch.ones_like(layers.body)
        body, rest, arms, shoulders, own = sample(torch.cat([behind, leg], 1), grid).flatten(2).unbind(1)
        lost = arms * (1 - shoulders * joints[:, 0])
        body = torch.lerp(body, rest, lost)
        beside = torch.sigmoid((distance[:, number] - BESIDE) / BESIDE_SOFTNESS)
        presence.append(body * (1 - beside * lost) * own)
    on_legs = joined_coverage(reach[:, thighs], torch.stack([presence[number] for number in thighs], 1))
    _, length = axis_directions(there)
    below = torch.sigmoid((position[:, trunk, :, 0] / length[:, trunk, None] - 1) / HIPS_WIDTH)
    # Thighs that move would remain at the trunk's sides.
    presence[trunk] = presence[trunk] * (1 - there.seen[:, thighs].amin(1, keepdim=True) * below * (1 - on_legs))
    return torch.stack(presence, 1)


def hidden_by_body(presence: Tensor, reach: Tensor, there: LimbAxes, limbs: tuple[Limb, ...]) -> Tensor:
    """How far limbs that lie behind the body are hidden by it: where trunk, head and legs are.

    Args:
        presence (`Tensor` of shape (B, L, P)): See [`presence_of_parts`].
        reach (`Tensor` of shape (B, L, P)): See [`reach_of_parts`]; that of unseen limbs is out of reach ([`hidden_distance`]).
        there ([`LimbAxes`]): The driving pose.
        limbs (`tuple[Limb, ...]`): The limbs.

    Returns:
        `Tensor` of shape (B, L, P): in [0, 1].
    """
    front = front_parts(limbs)
    others = [number for number in range(len(limbs)) if number not in front]
    body = joined_coverage(reach[:, others], presence[:, others])
    return there.behind[..., None] * torch.sigmoid((body - 0.5) / EDGE)[:, None]


def _of_arm(layers: SourceLayers, moved: Tensor, moving: Tensor, index: int, grid: Tensor, on_trunk: Tensor) -> Tensor:
    """How far an arm's part, by its number among them, has pixels of its own (B, P), where parts (B, A, H, W) move."""
    others = [other for other in range(moved.shape[1]) if other != index]
    lost = torch.maximum(moved[:, others].amax(1, keepdim=True), moving[:, None, None, None])
    lost = lost * (1 - layers.arms[:, [index]])
    own = layers.body * (1 - torch.cat([lost, lost * (1 - layers.joints)], 1))
    alone, joined = sample(own, grid).flatten(2).unbind(1)
    return torch.maximum(alone, joined * on_trunk)


__all__ = ["hidden_by_body", "presence_of_parts", "reach_of_parts"]
