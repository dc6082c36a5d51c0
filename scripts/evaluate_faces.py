# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,mediapipe]"]
# ///
"""Score generators on self-reenactment of clips, beside copying the source and warping it by its key points.

    python scripts/evaluate_faces.py --clips faces/val --generator adaat=bundled/face --generator flow=runs/flow \\
        --lpips-backbone alexnet_features.safetensors --landmarker mediapipe:face_landmarker.task
"""

import argparse
import csv
import json
from pathlib import Path

import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from adaat_hf.devices import best_device
from adaat_hf.evaluation.backbones import lpips_metric
from adaat_hf.evaluation.generators import open_generator
from adaat_hf.evaluation.metrics import mean_scores
from adaat_hf.evaluation.self_reenactment import paint_case, read_cases, score_case
from adaat_hf.models.keypoint_maps import thin_plate_flow
from adaat_hf.processing.backends import open_landmarker
from adaat_hf.processing.images import save_image


def copy_source(source, here, there):
    return source


def warp_source(source, here, there):
    flow = thin_plate_flow(here, there, *source.shape[2:], regularization=0.002)
    return F.grid_sample(source, flow, padding_mode="border", align_corners=True)


def load_painter(folder: str, device: torch.device):
    model = open_generator(folder, device)
    count = model.config.num_keypoints

    @torch.no_grad()
    def paint(source, here, there):
        return model(source.to(device), here[:, :count].to(device), there[:, :count].to(device)).images

    return paint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder with square clips of one face each")
    parser.add_argument("--generator", action="append", default=[], metavar="NAME=FOLDER", help="may be repeated")
    parser.add_argument("--landmarker", default="bundled/face", help="'mediapipe:FILE' or a landmarker's folder")
    parser.add_argument("--lpips-backbone", help="AlexNet features as safetensors; torchvision's by default")
    parser.add_argument("--predictions", type=Path, help="folder for the first generator's pictures")
    parser.add_argument("--size", type=int, help="reduce the frames to this side (default: as they are)")
    parser.add_argument("--csv", type=Path, help="file for the scores of every case")
    args = parser.parse_args()
    device = best_device()
    landmarker, lpips = open_landmarker(args.landmarker), lpips_metric(args.lpips_backbone)
    named = dict(item.partition("=")[::2] for item in args.generator)
    painters = {name: load_painter(folder, device) for name, folder in named.items()}
    painters |= {"copy": copy_source, "warp": warp_source}
    scores, rows = {name: [] for name in painters}, []
    for case in tqdm(read_cases(args.clips, landmarker, args.size), desc=f"painting on {device}", unit="case"):
        for number, (name, paint) in enumerate(painters.items()):
            picture = paint_case(case, paint)
            score = score_case(case, picture, lpips, landmarker)
            scores[name].append(score)
            rows.append({"clip": case.clip, "frame": case.frame, "method": name, **vars(score)})
            if number == 0 and args.predictions:
                args.predictions.mkdir(parents=True, exist_ok=True)
                save_image(picture, args.predictions / f"{case.clip}__{case.frame}.png")
    for name, found in scores.items():
        means = mean_scores(found)
        print(f"{name:12s} {len(found)} cases  " + "  ".join(f"{key} {value:.4f}" for key, value in means.items()))
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        args.csv.with_suffix(".json").write_text(json.dumps({n: mean_scores(s) for n, s in scores.items()}, indent=2))


if __name__ == "__main__":
    main()
