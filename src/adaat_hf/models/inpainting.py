"""Fill holes of a picture from its surroundings: smoothly, or by copying what is seen elsewhere in it."""

import torch
from torch import Tensor
from torch.nn import functional as F


# Levels of the pyramid that fills a hole smoothly.
FILL_LEVELS = 7
MIN_WEIGHT = 1e-3
# What the colours in a hole count where it is filled smoothly; more than nothing, as it may fill the picture.
OWN_WEIGHT = 2e-3
# Weight from which a pixel counts as known where holes are filled ring by ring.
KNOWN = 0.9
# Shifts are chosen for the cells of a grid of about this many rows.
GRID_ROWS = 32
# Shifts go all the way to the sides, but only this many cells up and down: floors and walls lie in layers.
LARGEST_RISE = 3
# What a shift costs per squared length, in units of the picture's height: sideways, and up or down.
SHIFT_COST = (0.01, 0.15)
# How much a copied colour may differ from the smooth filling, against the mismatch at the hole's border.
COLOUR_COST = 0.25
# A cell counts as hole if more than this of it is missing.
MISSING = 0.05
# Costs are averaged over this many cells in both directions.
SMOOTHING = 5
# What a cell costs at most in the judgement of a shift, and how much this judgement counts.
WORST, COHERENCE = 0.1, 3.0
# Mismatch at which a copy gives way to the smooth filling.
MISTRUST = 0.03
IMPOSSIBLE = 1e3
# Copies are shaded as the smooth filling is; colours that differ more than about this from it are something else than shade.
LARGEST_SHADE = 0.4


def fill(picture: Tensor, weight: Tensor) -> Tensor:
    """Fill what has no weight from its surroundings, by a pyramid of weighted means (push-pull; Gortler et al., 1996).

    Args:
        picture (`Tensor` of shape (B, C, H, W)): Picture.
        weight (`Tensor` of shape (B, 1, H, W)): 1 where the picture stays, 0 where it is to be filled.
    """
    levels = [(picture * weight, weight)]
    while len(levels) < FILL_LEVELS and min(levels[-1][1].shape[2:]) > 1:
        levels.append((F.avg_pool2d(levels[-1][0], 2, ceil_mode=True), F.avg_pool2d(levels[-1][1], 2, ceil_mode=True)))
    values, weights = levels[-1]
    filled = values.sum((2, 3), keepdim=True) / weights.sum((2, 3), keepdim=True).clamp_min(MIN_WEIGHT)
    for values, weights in reversed(levels):
        filled = F.interpolate(filled, values.shape[2:], mode="bilinear", align_corners=False)
        trust = (weights * 2).clamp(0, 1) if weights is not levels[0][1] else weights
        filled = trust * values / weights.clamp_min(MIN_WEIGHT) + (1 - trust) * filled
    return filled


def grow(picture: Tensor, weight: Tensor, steps: int) -> Tensor:
    """Fill a hole from its border inwards, ring by ring, so that colours of different sides meet in the middle instead of
    running into each other.

    Args:
        picture (`Tensor` of shape (B, C, H, W)): Picture.
        weight (`Tensor` of shape (B, 1, H, W)): 1 where the picture stays, 0 where it is to be filled.
        steps (`int`): Rings, in pixels; what they do not reach is filled by [`fill`].
    """
    known = (weight > KNOWN).to(picture.dtype)
    values = picture * known
    for _ in range(steps):
        near = F.avg_pool2d(known, 3, 1, 1)
        new = (known == 0) & (near > 0)
        values = torch.where(new, F.avg_pool2d(values, 3, 1, 1) / near.clamp_min(MIN_WEIGHT), values)
        known = torch.where(new, torch.ones_like(known), known)
    return fill(values, known)


@torch.no_grad()
def inpaint(picture: Tensor, weight: Tensor) -> Tensor:
    """Fill what has no weight with copies of other places of the picture.

    Every cell of the hole takes one shift, by which the rest of the picture continues across the hole's border with the
    least mismatch (compare He and Sun, Statistics of Patch Offsets for Image Completion, 2012); neighbouring cells mostly
    take the same one, so that whole pieces of wall and floor are copied. Walls are brighter in one place than in another, so the
    copies get the brightness that the smooth filling has.

    Args:
        picture (`Tensor` of shape (B, 3, H, W)): Picture in [0, 1].
        weight (`Tensor` of shape (B, 1, H, W)): 1 where the picture stays, 0 where it is to be filled.

    Returns:
        `Tensor` of shape (B, 3, H, W): the picture where nothing is missing; cells for which nothing is left to copy have
        what [`fill`] gives.
    """
    cell = max(1, round(picture.shape[2] / GRID_ROWS))
    height, width = (-(-side // cell) for side in picture.shape[2:])
    # The grid covers the picture; what it has beyond the border repeats it.
    pad = (0, width * cell - picture.shape[3], 0, height * cell - picture.shape[2])
    full = F.pad(fill(picture, weight.clamp_min(OWN_WEIGHT)), pad, mode="replicate")
    # In a hole's soft edge are colours of what is to be removed: squared, they count little.
    bright = F.pad(fill(picture, weight.square()), pad, mode="replicate")
    known = (F.avg_pool2d(F.pad(weight, pad, mode="replicate"), cell) > 1 - MISSING).to(picture.dtype)
    chosen, trust = _choose(F.avg_pool2d(full, cell), known)
    tiles = _tiles(full, cell)
    copied = _joined(tiles.gather(2, chosen[:, None].expand_as(tiles)), (height * cell, width * cell), cell)
    copied = copied + _shade(bright, copied, 1 - known, cell)
    trust = F.interpolate(trust, copied.shape[2:], mode="bilinear", align_corners=False)
    copied = (trust * copied + (1 - trust) * full)[:, :, : picture.shape[2], : picture.shape[3]]
    return weight * picture + (1 - weight) * copied


def _shade(bright: Tensor, copied: Tensor, missing: Tensor, cell: int) -> Tensor:
    """By how much copies (B, 3, H, W) are darker than a smooth filling, over several of the missing (B, 1, h, w) cells."""
    apart = F.avg_pool2d(bright, cell) - F.avg_pool2d(copied, cell)
    apart = _mean_of_neighbours(apart, missing)
    apart = apart * torch.exp(-apart.square().sum(1, keepdim=True) / LARGEST_SHADE**2)
    return F.interpolate(apart, copied.shape[2:], mode="bilinear", align_corners=False)


def _choose(small: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """For every cell of pictures (B, 3, h, w), the cell (B, h * w) to copy, and how far to trust it (B, 1, h, w)."""
    height, width = small.shape[2:]
    sources, inside, price = _shifts(height, width, small.device)
    colours, seen = small.flatten(2), known.flatten(2)
    there = colours[:, :, sources]
    there_known = seen[:, 0, sources] * inside
    different = (there - colours[:, :, None]).square().mean(1)
    comparable = there_known * seen
    mismatch = fill(different.unflatten(2, (height, width)), comparable.unflatten(2, (height, width))).flatten(2)
    cost = mismatch + COLOUR_COST * different + price
    cost = _mean_of_neighbours(*(part.unflatten(2, (height, width)) for part in (cost, there_known))).flatten(2)
    # One shift for all of the hole is best, so each is judged by how much of the hole it serves, and how well.
    served = torch.where(there_known > 0, cost.clamp_max(WORST), WORST)
    overall = (served * (1 - seen)).sum(2, keepdim=True) / (1 - seen).sum(2, keepdim=True).clamp_min(1)
    cost = cost + COHERENCE * overall + IMPOSSIBLE * (1 - there_known)
    least, best = cost.min(1)
    taken = sources.expand(len(small), -1, -1).gather(1, best[:, None])[:, 0]
    own = torch.arange(height * width, device=small.device)
    kept = (seen[:, 0] > 0) | (least >= IMPOSSIBLE)
    trust = torch.exp(-mismatch.gather(1, best[:, None])[:, 0] / MISTRUST) * (least < IMPOSSIBLE)
    return torch.where(kept, own, taken), trust.unflatten(1, (1, height, width))


def _mean_of_neighbours(values: Tensor, valid: Tensor) -> Tensor:
    """Values (B, C, h, w) of cells averaged over neighbouring cells where they are valid, (B, C or 1, h, w)."""
    total, count = (F.avg_pool2d(part, SMOOTHING, 1, SMOOTHING // 2) for part in (values * valid, valid))
    return total / count.clamp_min(MIN_WEIGHT)


def _shifts(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """All shifts: the cell that each one takes (S, h * w), whether it lies in the picture, and the shift's price (S, 1)."""
    rises, runs = torch.meshgrid(
        torch.arange(-LARGEST_RISE, LARGEST_RISE + 1, device=device),
        torch.arange(1 - width, width, device=device),
        indexing="ij",
    )
    rises, runs = rises.flatten()[:, None], runs.flatten()[:, None]
    cells = torch.arange(height * width, device=device)
    row, column = cells // width + rises, cells % width + runs
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    price = (SHIFT_COST[0] * runs.square() + SHIFT_COST[1] * rises.square()) / height**2
    return row.clamp(0, height - 1) * width + column.clamp(0, width - 1), inside.float(), price


def _tiles(picture: Tensor, cell: int) -> Tensor:
    """Overlapping tiles (B, 3 * 3 * 3 * cell * cell, h * w), three cells wide, one around each cell."""
    return F.unfold(F.pad(picture, [cell] * 4, mode="replicate"), 3 * cell, stride=cell)


def _joined(tiles: Tensor, extent: tuple[int, int], cell: int) -> Tensor:
    """The picture (B, 3, H, W) of overlapping tiles, the middle of each counting most."""
    size = 3 * cell
    line = torch.linspace(-1, 1, size + 2, device=tiles.device)[1:-1]
    window = torch.exp(-5 * (line[:, None] ** 2 + line**2)).flatten().to(tiles.dtype)
    padded = (extent[0] + 2 * cell, extent[1] + 2 * cell)
    weights = window[None, :, None].expand(1, -1, tiles.shape[2])
    total = F.fold(tiles * window.repeat(3)[:, None], padded, size, stride=cell)
    return (total / F.fold(weights, padded, size, stride=cell))[:, :, cell:-cell, cell:-cell]


__all__ = ["fill", "grow", "inpaint"]
