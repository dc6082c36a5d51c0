# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,openvino]"]
# ///
"""Speed and pictures of an exported pipeline, or of 16 bits, beside those of PyTorch in 32 bits: each clip moves the face of the
clip before it.

    adaat export --format openvino --int8 faces/train -o face_int8
    python scripts/evaluate_backend.py --model face_int8 --backend openvino --clips faces/val \\
        --lpips-backbone alexnet_features.safetensors
    python scripts/evaluate_backend.py --backend torch --fast --clips faces/val
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from adaat_hf import FaceReenactmentPipeline, VideoReader
from adaat_hf.benchmark.report import markdown_table
from adaat_hf.evaluation.backbones import lpips_metric
from adaat_hf.evaluation.metrics import compare
from adaat_hf.processing.images import save_image
from adaat_hf.video import find_videos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled/face", help="folder from adaat export (bundled/face)")
    parser.add_argument("--backend", default="openvino", help="openvino, onnxruntime or torch")
    parser.add_argument("--fast", action="store_true", help="as of the adaat command: 16 bits")
    parser.add_argument("--clips", type=Path, required=True, help="folder with clips of faces")
    parser.add_argument("--count", type=int, default=5, help="clips, spread over the folder (5)")
    parser.add_argument("--frames", type=int, default=24, help="frames of each clip (24)")
    parser.add_argument("--lpips-backbone", help="AlexNet features as safetensors; torchvision's by default")
    parser.add_argument(
        "--sheet", type=Path, help="picture to write: a column per clip, PyTorch's frame above the backend's"
    )
    args = parser.parse_args()
    files = find_videos(args.clips)
    chosen = files[:: max(1, len(files) // args.count)][: args.count]
    clips = [list(islice(VideoReader(path), args.frames)) for path in chosen]
    lpips = lpips_metric(args.lpips_backbone)
    pipes = [FaceReenactmentPipeline.from_pretrained(args.model, backend=name) for name in ("torch", args.backend)]
    if args.fast:
        pipes[1].optimize(args.backend, dtype="auto")
    rows, columns = [], []
    for number, (path, clip) in enumerate(zip(chosen, clips, strict=True)):
        results = []
        for pipe in pipes:
            pipe.set_progress_bar_config(disable=True)
            results.append(pipe(clips[number - 1][0], clip, crop_only=True, output_type="pt"))
        plain, other = results
        scores = [compare(a, b, lpips) for a, b in zip(other.frames, plain.frames, strict=True)]
        ratio = plain.statistics.seconds["painting"] / other.statistics.seconds["painting"]
        distance, worst = (function([score.lpips for score in scores]) for function in (np.mean, np.max))
        rows.append(
            [path.stem, f"{ratio:.2f}", f"{distance:.4f}", f"{worst:.4f}", f"{np.mean([s.l1 for s in scores]):.4f}"]
        )
        columns.append(torch.cat([plain.frames[len(clip) // 2], other.frames[len(clip) // 2]], 1))
        print(" ".join(rows[-1]), flush=True)
    print(f"\n{markdown_table(['clip', 'x PyTorch plan', 'LPIPS', 'worst frame', 'L1'], rows)}")
    if args.sheet:
        sheet = torch.cat(columns, 2).permute(1, 2, 0)
        save_image((255 * sheet).round().byte().numpy(), args.sheet)


if __name__ == "__main__":
    main()
