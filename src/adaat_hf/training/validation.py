"""Score a generator on held-out pairs and draw a grid of them."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..evaluation.metrics import compare
from ..models.modeling_adaat import AdaATGenerator


CONDITIONS = ("source_keypoints", "driving_keypoints", "source_visibility", "driving_visibility")


@torch.no_grad()
def validate(
    generator: AdaATGenerator, pairs: Iterable[dict[str, Any]], lpips: nn.Module, grid_rows: int = 12
) -> tuple[dict[str, float], np.ndarray]:
    """Paint every pair and compare with the true picture.

    Args:
        generator (`AdaATGenerator`): In evaluation mode.
        pairs (`Iterable[dict]`): From [`fixed_pairs`].
        lpips (`nn.Module`): The LPIPS metric.
        grid_rows (`int`, *optional*, defaults to 12): Pairs shown in the grid.

    Returns:
        `tuple[dict[str, float], np.ndarray]`: mean `ssim`, `lpips`, `l1`, the same with the prefix `copy_` for the
        source picture left as it is and `warp_` for the source warped by the key points; and a picture (H, W, 3), uint8, whose rows are source, driving, painted, warped
        source and blend weights (the latter two where the network has them).
    """
    device = generator.device
    scores: list[dict[str, float]] = []
    rows: list[np.ndarray] = []
    for pair in pairs:
        inputs = {name: pair[name][None].to(device) for name in CONDITIONS}
        result = generator(pair["source"][None].to(device), **inputs)
        picture = result.images[0].float().cpu()
        score = asdict(compare(picture, pair["driving"], lpips))
        simple = {"copy": pair["source"]} | ({"warp": result.warped[0]} if result.warped is not None else {})
        for method, other in simple.items():
            values = asdict(compare(other, pair["driving"], lpips))
            score |= {f"{method}_{name}": value for name, value in values.items()}
        scores.append(score)
        if len(rows) < grid_rows:
            shown = [pair["source"], pair["driving"], picture]
            shown += [extra[0].float().cpu() for extra in (result.warped, result.blend) if extra is not None]
            rows.append(_row(shown))
    means = {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
    return means, np.concatenate(rows)


def _row(pictures: list[Tensor]) -> np.ndarray:
    joined = torch.cat([picture.expand(3, -1, -1) for picture in pictures], 2).clamp(0, 1)
    return (joined.permute(1, 2, 0) * 255).round().byte().numpy()
