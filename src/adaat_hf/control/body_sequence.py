"""How the frames of a clip hang together while a body is fitted to it: sizes, sequences of starts, windows."""

from dataclasses import replace

import torch
from torch import Tensor

from .body_coefficients import BodyCoefficients
from .rotation import nearest_rotation, rotation_matrix, rotation_vector


# Two neighbouring frames' starts are compared by the distance of their joints: this much, in metres, costs one unit.
JOINT_STEP = 0.1


def sudden_sizes(scale: Tensor, fps: float) -> Tensor:
    """By which factor each of the scales (T,) is larger or smaller than the median within a second before and after."""
    near = max(1, round(fps))
    around = torch.nn.functional.pad(scale.log(), (near, near), value=torch.nan).unfold(0, 2 * near + 1, 1)
    return (scale.log() - around.nanmedian(-1).values).abs().exp()


def pseudo_huber(squared: Tensor, bound: float) -> Tensor:
    """Squares as they are while they are small, linear from about `bound` squared on (Charbonnier et al., 1997)."""
    return 2 * bound**2 * ((1 + squared / bound**2).sqrt() - 1)


def least_motion(cost: Tensor, places: Tensor) -> Tensor:
    """The start (T,) of every frame, of the sequence with the least cost (T, S) and motion of joints (T, S, J, 3)."""
    best, back = cost[0], []
    for number in range(1, len(cost)):
        apart = (places[number][:, None] - places[number - 1][None]).square().sum(-1) / JOINT_STEP**2
        total = best[None] + pseudo_huber(apart, 1.0).sum(-1)
        least, origin = total.min(1)
        best = cost[number] + least
        back.append(origin)
    chosen = [int(best.argmin())]
    for origin in reversed(back):
        chosen.append(int(origin[chosen[-1]]))
    return torch.tensor(chosen[::-1])


def joined_windows(first: BodyCoefficients, second: BodyCoefficients, overlap: int) -> BodyCoefficients:
    """Two windows of a clip, faded into each other over the frames that they share."""
    share = torch.linspace(0, 1, overlap + 2)[1:-1]
    mixed = {}
    for name in ("scale", "translation"):
        here, there = getattr(first, name), getattr(second, name)
        weight = share.view(-1, *[1] * (here.ndim - 1))
        middle = (1 - weight) * here[-overlap:] + weight * there[:overlap]
        mixed[name] = torch.cat([here[:-overlap], middle, there[overlap:]])
    turns = [rotation_matrix(part) for part in (first.pose[-overlap:], second.pose[:overlap])]
    weight = share.view(-1, 1, 1, 1)
    middle = rotation_vector(nearest_rotation((1 - weight) * turns[0] + weight * turns[1]))
    mixed["pose"] = torch.cat([first.pose[:-overlap], middle, second.pose[overlap:]])
    return replace(first, **mixed, valid=torch.ones(len(mixed["scale"]), dtype=torch.bool))


__all__ = ["joined_windows", "least_motion", "pseudo_huber", "sudden_sizes"]
