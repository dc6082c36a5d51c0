"""Complete a picture where something was taken out of it: with patches from around the hole, from coarse to fine."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from .inpainting import LARGEST_SHADE, fill


# Side of a patch, and how far it reaches from its centre; pixels.
PATCH = 7
REACH = PATCH // 2
# Heights of the levels: this, twice this, and so on, up to the picture's own.
COARSEST = 64
# Weight from which a pixel counts as known, in the picture and, averaged, at coarser levels.
KNOWN, KNOWN_COARSE = 0.98, 0.75
# How often patches are looked for and pasted, at the coarsest level, the next ones, and all others.
ROUNDS = (8, 4, 2, 1)
# What it costs to take a patch from elsewhere, per squared distance in heights of the picture: from above or below, as floors
# and walls lie in layers, and from the side.
RISE_COST, RUN_COST = 0.4, 0.01
# Patches count less by this factor for every pixel by which they lie deeper in the hole, up to this depth, and at least this much
# if they match badly: 32-bit floats hold the product.
TRUST, DEEPEST, LEAST_TRUST = 1.3, 64, 1e-4
# Targets that are compared with all sources at once.
CHUNK = 1024
IMPOSSIBLE = 1e3
# Where finer levels look for better patches: beside those of neighbours this many pixels away, the finer the nearer.
STRIDES = (4, 2, 1)
AROUND = [(0, 1), (0, -1), (1, 0), (-1, 0)]


@dataclass(frozen=True)
class _Level:
    """A picture (1, 3, H, W) at one size, and where it is known (1, 1, H, W); positions are numbers of its H * W pixels."""

    picture: Tensor
    known: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.known.shape[2], self.known.shape[3]

    @cached_property
    def hole(self) -> Tensor:
        """Positions that are to be filled."""
        return (self.known.flatten() == 0).nonzero()[:, 0]

    @cached_property
    def is_source(self) -> Tensor:
        """Whether the patch around each position (H * W) is known."""
        return _patches(self.known).sum(1) == PATCH**2

    @cached_property
    def sources(self) -> Tensor:
        """Positions of patches that are known."""
        return self.is_source.nonzero()[:, 0]

    @cached_property
    def targets(self) -> Tensor:
        """Positions of patches that reach into the hole."""
        return (F.max_pool2d(1 - self.known, PATCH, 1, REACH).flatten() > 0).nonzero()[:, 0]

    @cached_property
    def depth(self) -> Tensor:
        """How many pixels each position (H * W) lies within the hole, from 1; 0 outside."""
        left, depth = 1 - self.known, torch.zeros_like(self.known)
        while left.any():
            depth = depth + left
            smaller = 1 - F.max_pool2d(1 - left, 3, 1, 1)
            left = torch.zeros_like(left) if smaller.equal(left) else smaller
        return depth.flatten()

    def places(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns of positions."""
        return positions // self.size[1], positions % self.size[1]

    def price(self, targets: Tensor, sources: Tensor) -> Tensor:
        """What the distance between positions costs."""
        (row, column), (source_row, source_column) = self.places(targets), self.places(sources)
        rise, run = row - source_row, column - source_column
        return (RISE_COST * rise.square() + RUN_COST * run.square()) / self.size[0] ** 2


def _patches(values: Tensor) -> Tensor:
    """The patches (H * W, C * PATCH ** 2) around all pixels of (1, C, H, W), 0 beyond its border."""
    return F.unfold(F.pad(values, [REACH] * 4), PATCH)[0].T


@torch.no_grad()
def complete(picture: Tensor, weight: Tensor) -> Tensor:
    """Fill what has no weight with patches from elsewhere in the picture, so that walls, floors and things that stand on them go on.

    Every patch of the hole looks like one that is known, and overlapping patches agree: found by looking for the nearest patches
    and pasting their weighted mean in turn, at growing sizes (Wexler et al., Space-Time Completion of Video, 2007). At
    the smallest one the hole is filled from its border inwards and all patches are compared; then matches spread to neighbours
    (Barnes et al., PatchMatch, 2009). What is pasted is shaded as its surroundings are. It takes about ten times as long as [`inpaint`].

    Args:
        picture (`Tensor` of shape (B, 3, H, W)): Picture in [0, 1].
        weight (`Tensor` of shape (B, 1, H, W)): 1 where the picture stays, 0 where it is to be filled.

    Returns:
        `Tensor` of shape (B, 3, H, W): the picture where nothing is missing; what [`fill`] gives where no patch
        is known.
    """
    filled = torch.cat([_fill_hole(*one) for one in zip(picture.split(1), weight.split(1), strict=True)])
    return weight * picture + (1 - weight) * filled


def _fill_hole(picture: Tensor, weight: Tensor) -> Tensor:
    """The picture (1, 3, H, W), its hole filled."""
    filled: Tensor | None = None
    coarser: tuple[_Level, Tensor] | None = None
    for number, level in enumerate(_levels(picture, weight)):
        if not len(level.sources) or not len(level.hole):
            continue
        if coarser is None:
            filled = _grown(level)
        else:
            matches = _enlarged(*coarser, level)
            filled = _pasted(level, matches, torch.zeros(len(matches), device=picture.device))
        for _ in range(ROUNDS[min(number, len(ROUNDS) - 1)]):
            if coarser is None:
                matches, distance = _nearest(level, filled, level.targets, torch.ones_like(level.known))
            else:
                matches, distance = _nearer(level, filled, matches, STRIDES[number - 1 :] or STRIDES[-1:])
            filled = _pasted(level, matches, distance)
        coarser = level, matches
    if filled is None or filled.shape != picture.shape:
        return fill(picture, weight)
    return (filled + _shade(level, matches, distance)).clamp(0, 1)


def _levels(picture: Tensor, weight: Tensor) -> list[_Level]:
    """The picture at growing sizes; colours of what is to be removed count for nothing."""
    known = (weight > KNOWN).to(picture.dtype)
    height, width = picture.shape[2:]
    levels, rows = [], COARSEST
    while rows < height:
        size = (rows, max(1, round(width * rows / height)))
        share = F.interpolate(known, size, mode="area")
        small = F.interpolate(picture * known, size, mode="area") / share.clamp_min(1e-6)
        levels.append(_Level(small, (share > KNOWN_COARSE).to(picture.dtype)))
        rows *= 2
    return [*levels, _Level(picture, known)]


def _grown(level: _Level) -> Tensor:
    """The level's picture, filled ring by ring with the middles of patches that match what is known so far."""
    filled, valid = level.picture.clone(), level.known.clone()
    for depth in range(1, int(level.depth.max()) + 1):
        ring = (level.depth == depth).nonzero()[:, 0]
        matches, _ = _nearest(level, filled, ring, valid)
        filled.flatten(2)[:, :, ring] = filled.flatten(2)[:, :, matches]
        valid.flatten()[ring] = 1
    return filled


def _nearest(level: _Level, filled: Tensor, targets: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest sources of targets, of all that there are, and the distances; pixels that are not valid do not count."""
    patches, counting = _patches(filled), _patches(valid).repeat(1, 3)
    sources = patches[level.sources]
    squares = sources.square()
    found = []
    for chunk in targets.split(CHUNK):
        counts, wanted = counting[chunk], patches[chunk]
        apart = (
            (counts * wanted.square()).sum(1, keepdim=True) + counts @ squares.T - 2 * (counts * wanted) @ sources.T
        )
        apart = apart / counts.sum(1, keepdim=True).clamp_min(1) + level.price(chunk[:, None], level.sources)
        found.append(apart.min(1))
    distance = torch.cat([least.values for least in found]).clamp_min(0)
    return level.sources[torch.cat([least.indices for least in found])], distance


def _nearer(level: _Level, filled: Tensor, matches: Tensor, strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Matches of the level's targets, or nearer ones: those of neighbours, moved along, and those next to them."""
    height, width = level.size
    patches, targets = _patches(filled), level.targets
    row, column = level.places(targets)
    wanted, counting = patches[targets], _patches(torch.ones_like(level.known))[targets].repeat(1, 3)
    size = counting.sum(1)

    def apart(sources: Tensor) -> Tensor:
        distance = ((wanted - patches[sources]).square() * counting).sum(1) / size + level.price(targets, sources)
        return torch.where(level.is_source[sources], distance, IMPOSSIBLE)

    def better(rise: Tensor, run: Tensor) -> tuple[Tensor, Tensor]:
        there = (row + rise).clamp(0, height - 1) * width + (column + run).clamp(0, width - 1)
        other = apart(there)
        return torch.where(other < distance, there, matches), torch.minimum(distance, other)

    distance = apart(matches)
    for stride in strides:
        for rise, run in AROUND:
            beside = (row + stride * rise).clamp(0, height - 1) * width + (column + stride * run).clamp(0, width - 1)
            whole = _everywhere(level, matches)
            (there_row, there_column), (own_row, own_column) = level.places(whole[beside]), level.places(beside)
            matches, distance = better(there_row - own_row, there_column - own_column)
    for rise, run in AROUND:
        there_row, there_column = level.places(matches)
        matches, distance = better(there_row - row + rise, there_column - column + run)
    return matches, distance


def _everywhere(level: _Level, matches: Tensor) -> Tensor:
    """The matches of all positions (H * W): their own, where they are no targets."""
    whole = torch.arange(level.known.numel(), device=matches.device)
    whole[level.targets] = matches
    return whole


def _enlarged(coarse: _Level, matches: Tensor, fine: _Level) -> Tensor:
    """Matches of a coarse level's targets as matches of a finer one's."""
    (height, width), (fine_height, fine_width) = coarse.size, fine.size
    row, column = fine.places(fine.targets)
    zoom, stretch = fine_height / height, fine_width / width
    near_row, near_column = ((row + 0.5) / zoom).long(), ((column + 0.5) / stretch).long()
    there = _everywhere(coarse, matches)[near_row * width + near_column]
    there_row, there_column = coarse.places(there)
    moved_row = row + ((there_row - near_row) * zoom).round().long()
    moved_column = column + ((there_column - near_column) * stretch).round().long()
    return moved_row.clamp(0, fine_height - 1) * fine_width + moved_column.clamp(0, fine_width - 1)


def _shade(level: _Level, matches: Tensor, distance: Tensor) -> Tensor:
    """By how much patches are darker (1, 3, H, W) than what is known beside the hole, carried on smoothly through it, as a wall may
    be lit unevenly."""
    beside = level.targets[level.known.flatten()[level.targets] > 0]
    pasted, reached = _colours(level, matches, distance, beside)
    darker, weight = torch.zeros_like(level.picture), torch.zeros_like(level.known)
    apart = level.picture[0].flatten(1)[:, beside] - pasted
    darker.flatten(2)[0, :, beside] = apart
    weight.flatten()[beside] = reached * torch.exp(-apart.square().sum(0) / LARGEST_SHADE**2)
    return fill(darker, weight)


def _pasted(level: _Level, matches: Tensor, distance: Tensor) -> Tensor:
    """The level's picture, its hole filled with the mean of all patches that reach there."""
    filled = level.picture.clone()
    filled.flatten(2)[0, :, level.hole], _ = _colours(level, matches, distance, level.hole)
    return filled


def _colours(level: _Level, matches: Tensor, distance: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of all patches that reach to each position, (3, N), and whether any does."""
    height, width = level.size
    spread = torch.quantile(distance, 0.75).clamp_min(1e-5)
    trust = torch.zeros(height * width, device=matches.device)
    match = torch.exp(-distance / (2 * spread)).clamp_min(LEAST_TRUST)
    trust[level.targets] = match * TRUST ** -level.depth[level.targets].clamp_max(DEEPEST)
    whole = _everywhere(level, matches)
    row, column = level.places(positions)
    colours = level.picture[0].flatten(1)
    total, weights = torch.zeros_like(colours[:, positions]), torch.zeros_like(trust[positions])
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            centre_row, centre_column = row - down, column - right
            inside = (centre_row >= 0) & (centre_row < height) & (centre_column >= 0) & (centre_column < width)
            centre = centre_row.clamp(0, height - 1) * width + centre_column.clamp(0, width - 1)
            weight = trust[centre] * inside * level.is_source[whole[centre]]
            pixel = (whole[centre] + down * width + right).clamp(0, height * width - 1)
            total, weights = total + weight * colours[:, pixel], weights + weight
    return total / weights.clamp_min(1e-30), weights > 0


__all__ = ["complete"]
