"""Score a generator on held-out pairs, and draw fixed ones of them."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..evaluation.metrics import compare
from ..models.modeling_adaat import AdaATGenerator, AdaATGeneratorOutput


CONDITIONS = ("source_keypoints", "driving_keypoints", "source_visibility", "driving_visibility")
GRID_ROWS = 12
# Feature maps that are drawn of each side of the first operator, and the pairs that they are drawn for.
FEATURES, FEATURE_ROWS = 8, 3
# Differences from the true picture are drawn this many times as bright.
ERROR_GAIN = 3.0


@torch.no_grad()
def paint_pair(generator: AdaATGenerator, pair: dict[str, Any], output_features: bool = False) -> AdaATGeneratorOutput:
    """The generator's output for one item of a data set."""
    inputs = {name: pair[name][None].to(generator.device) for name in ("source", *CONDITIONS)}
    return generator(inputs.pop("source"), **inputs, output_features=output_features)


def score_pairs(
    generator: AdaATGenerator, pairs: Iterable[dict[str, Any]], lpips: nn.Module
) -> list[dict[str, float]]:
    """Paint every pair and compare with the true picture.

    Args:
        generator (`AdaATGenerator`): In evaluation mode.
        pairs (`Iterable[dict]`): From the task's `validation_pairs`.
        lpips (`nn.Module`): The LPIPS metric.

    Returns:
        `list[dict[str, float]]`: For every pair `ssim`, `lpips`, `l1`, the same with the prefix `copy_` for the source
        picture left as it is and `warp_` for the source warped by the key points.
    """
    scores = []
    for pair in pairs:
        result = paint_pair(generator, pair)
        methods = {"": cast(Tensor, result.images)[0], "copy_": _first(pair["source"])}
        if result.warped is not None:
            methods["warp_"] = result.warped[0]
        row: dict[str, float] = {}
        for prefix, picture in methods.items():
            values = asdict(compare(picture.float().cpu(), pair["driving"], lpips))
            row |= {f"{prefix}{name}": value for name, value in values.items()}
        scores.append(row)
    return scores


def draw_grid(generator: AdaATGenerator, pairs: Iterable[dict[str, Any]]) -> np.ndarray:
    """A picture (H, W, 3), uint8, of the first pairs: source, driving, painted, error, and where the network has them the
    warped source and the blend weights."""
    rows = []
    for pair in islice(pairs, GRID_ROWS):
        result = paint_pair(generator, pair)
        picture = cast(Tensor, result.images)[0].float().cpu()
        error = (picture - pair["driving"]).abs().mean(0, keepdim=True) * ERROR_GAIN
        extras = [extra[0].float().cpu() for extra in (result.warped, result.blend) if extra is not None]
        rows.append(_row([_first(pair["source"]), pair["driving"], picture, error, *extras]))
    return np.concatenate(rows)


def draw_features(generator: AdaATGenerator, pairs: Iterable[dict[str, Any]]) -> np.ndarray:
    """The feature maps before (upper row) and after (lower row) the first operator that it changes most (paper, figure 6),
    beside source and driving picture; (H, W, 3), uint8."""
    rows = []
    for pair in islice(pairs, FEATURE_ROWS):
        features = cast(tuple[Tensor, Tensor], paint_pair(generator, pair, True).features)
        before, after = (maps[0].float().cpu() for maps in features)
        chosen = (after - before).square().mean((1, 2)).topk(min(FEATURES, len(before))).indices
        pictures = (_first(pair["source"]), pair["driving"])
        size = pair["driving"].shape[1:]
        for picture, maps in zip(pictures, (before[chosen], after[chosen]), strict=True):
            rows.append(_row([picture, *(_shown(feature, size) for feature in maps)]))
    return np.concatenate(rows)


def _first(source: Tensor) -> Tensor:
    return source if source.ndim == 3 else source[0]


def _shown(feature: Tensor, size: torch.Size) -> Tensor:
    """One map (h, w) as a gray picture (1, H, W) from its least to its greatest value."""
    low, high = feature.min(), feature.max()
    scaled = (feature - low) / (high - low).clamp_min(1e-6)
    return F.interpolate(scaled[None, None], tuple(size))[0]


def _row(pictures: list[Tensor]) -> np.ndarray:
    joined = torch.cat([picture.expand(3, -1, -1) for picture in pictures], 2).clamp(0, 1)
    return (joined.permute(1, 2, 0) * 255).round().byte().numpy()
