# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,mediapipe]"]
# ///
"""Score generators on held-out pairs of pictures of persons, beside copying the source and moving its limbs.

    python scripts/evaluate_people.py --pairs data/people/validation --generator adaat=bundled/person \\
        --generator flow=runs/person_ablation_dense_flow/generator --detector mediapipe:pose_landmarker_full.task \\
        --lpips-backbone alexnet_features.safetensors --json runs/people.json

With --sources 3, every pair is painted from up to three pictures of the person, and again from the first one of them alone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from adaat_hf.devices import best_device
from adaat_hf.evaluation.backbones import lpips_metric
from adaat_hf.evaluation.metrics import Score, mean_scores, score_cells
from adaat_hf.evaluation.person_pairs import CONDITIONS, copy_source, move_source, open_painter, score_pair
from adaat_hf.processing.backends import open_body_detector
from adaat_hf.processing.images import save_image
from adaat_hf.training.image_pairs import ImagePairDataset


GRID_ROWS = 20


def take_sources(item: dict[str, Any], count: int) -> dict[str, Any]:
    """The item with its first `count` sources only."""
    if item["source"].ndim == 3:
        return item
    chosen = {name: item[name][0] if count == 1 else item[name][:count] for name in CONDITIONS if "source" in name}
    return {**item, **chosen}


def show_row(item: dict[str, Any], pictures: list[torch.Tensor]) -> np.ndarray:
    source = item["source"] if item["source"].ndim == 4 else item["source"][None]
    joined = torch.cat([*source, *pictures, item["driving"]], 2).clamp(0, 1)
    return (joined.permute(1, 2, 0) * 255).round().byte().numpy()


def spread(count: int) -> set[int]:
    return set(np.linspace(0, count - 1, min(count, GRID_ROWS)).round().astype(int).tolist())


def print_table(scores: dict[str, list[Score]], height: int) -> None:
    print(f"| method | pairs | SSIM | LPIPS | L1 | joint distance (px of {height}) | persons lost |")
    print("|---|---|---|---|---|---|---|")
    for name, found in scores.items():
        print(f"| {name} | {len(found)} | {score_cells(mean_scores(found))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of a split (prepare_people.py)")
    parser.add_argument("--generator", action="append", default=[], metavar="NAME=FOLDER", help="may be repeated")
    parser.add_argument("--sources", type=int, default=1, help="pictures of the person to paint from (1)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every n-th pair (1)")
    parser.add_argument("--size", type=int, nargs=2, default=[256, 176], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--lpips-backbone", help="AlexNet features as safetensors; torchvision's by default")
    parser.add_argument("--detector", help="finds the painted joints, such as 'mediapipe:FILE'; none by default")
    parser.add_argument("--json", type=Path, help="file for the mean scores")
    parser.add_argument("--grid", type=Path, help="picture of 20 rows: sources, what every method painted, target")
    args = parser.parse_args()
    device, lpips = best_device(), lpips_metric(args.lpips_backbone)
    detector = open_body_detector(args.detector) if args.detector else None
    methods: dict[str, tuple[Any, int]] = {"copy source": (copy_source, 1), "limbs, no network": (move_source, 1)}
    for name, _, folder in (item.partition("=") for item in args.generator):
        painter = open_painter(folder, device)
        methods[name] = (painter, 1)
        if args.sources > 1:
            methods[f"{name}, {args.sources} sources"] = (painter, args.sources)
    items = list(ImagePairDataset([args.pairs], tuple(args.size), augment=False).fixed(args.sources))[:: args.every]
    if not items:
        parser.error(f"No person in {str(args.pairs)!r} has {args.sources + 1} pictures.")
    shown, rows = spread(len(items)), []
    scores: dict[str, list[Score]] = {name: [] for name in methods}
    for number, item in enumerate(tqdm(items, desc=f"painting on {device}", unit="pair")):
        pictures = []
        for name, (paint, count) in methods.items():
            pictures.append(paint(take_sources(item, count)))
            scores[name].append(score_pair(item, pictures[-1], lpips, detector))
        if number in shown:
            rows.append(show_row(item, pictures[1:]))
    print_table(scores, args.size[0])
    if args.json:
        args.json.write_text(json.dumps({name: mean_scores(found) for name, found in scores.items()}, indent=2) + "\n")
    if args.grid:
        save_image(np.concatenate(rows), args.grid)


if __name__ == "__main__":
    main()
