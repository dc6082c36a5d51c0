# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[mediapipe]"]
# ///
"""Compare a detector of faces or bodies with MediaPipe on the frames of clips and on pictures: error, lost ones, silhouettes.

python scripts/evaluate_landmarker.py --input faces/val --teacher face_landmarker.task
python scripts/evaluate_landmarker.py --bodies --input exercise_pairs --held-out scripts/configs/exercise_people.yaml \\
    --teacher pose_landmarker_full.task
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from adaat_hf.evaluation.landmark_agreement import body_error, compare_detectors, face_error
from adaat_hf.evaluation.silhouette_agreement import compare_silhouettes
from adaat_hf.processing.backends import open_body_detector, open_landmarker
from adaat_hf.processing.bodies_mediapipe import MediaPipeBodyDetector
from adaat_hf.processing.body_keypoints import HIPS, NECK, SHOULDERS
from adaat_hf.processing.images import IMAGE_SUFFIXES, load_image
from adaat_hf.processing.landmarks_mediapipe import MediaPipeLandmarker
from adaat_hf.processing.landmarks_torch import TorchBodyDetector
from adaat_hf.training.people import SEPARATOR, People
from adaat_hf.video import VIDEO_SUFFIXES, VideoReader


# A trunk of a close-up: least height, as a share of its length, and least length in pixels.
UPRIGHT, SMALLEST_TRUNK = 0.8, 50


def pictures(folder: Path, every: int, people: People | None) -> Iterator[np.ndarray]:
    """Photographs and frames of clips; with `people`, of those held out."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES]
    if people is not None:
        files = [file for file in files if people.subjects.get(file.stem.split(SEPARATOR)[0]) in people.held_out]
    for file in tqdm(files, unit="file"):
        if file.suffix.lower() in IMAGE_SUFFIXES:
            yield load_image(file)
        else:
            yield from (frame for number, frame in enumerate(VideoReader(file)) if number % every == 0)


def close_ups(shown: Iterator[np.ndarray], teacher: MediaPipeBodyDetector) -> Iterator[np.ndarray]:
    """Of pictures of people who are upright, windows that cut them off at chest, hips or thighs."""
    random = np.random.default_rng(7)
    for picture in shown:
        found = teacher.detect(picture[None])[0]
        if not found:
            continue
        points, seen = found[0].as_body18()
        hips = points[list(HIPS)].mean(0)
        trunk = float(np.linalg.norm(hips - points[NECK]))
        upright = hips[1] - points[NECK, 1] > UPRIGHT * trunk
        if not seen[[0, NECK, *SHOULDERS, *HIPS]].all() or trunk < SMALLEST_TRUNK or not upright:
            continue
        x, y = points[NECK, 0] + trunk * random.uniform(-0.2, 0.2), points[0, 1] - trunk * random.uniform(0.35, 0.8)
        half, bottom = trunk * random.uniform(0.6, 1.3), hips[1] + trunk * random.choice([-0.45, -0.05, 0.6])
        low, high = np.array([x - half, y]).clip(0).astype(int), np.array([x + half, bottom]).astype(int)
        yield np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="folder with videos and pictures")
    parser.add_argument("--bodies", action="store_true", help="compare bodies instead of faces")
    parser.add_argument("--landmarker", help="folder of the landmarker (bundled/face or bundled/person)")
    parser.add_argument("--teacher", type=Path, required=True, help="MediaPipe's task file for faces or bodies")
    parser.add_argument("--every", type=int, default=10, help="use every n-th frame of a video (10)")
    parser.add_argument(
        "--held-out", type=Path, help="YAML of people: use photographs and clips of those held out only"
    )
    parser.add_argument("--close-ups", action="store_true", help="cut upright bodies off at chest, hips or thighs")
    parser.add_argument(
        "--silhouettes", action="store_true", help="compare where bodies end: by colours, the network, and both (IoU)"
    )
    parser.add_argument("--min-size", type=float, default=80, help="ignore smaller faces and bodies, in pixels (80)")
    parser.add_argument("--json", type=Path, help="file for the scores")
    args = parser.parse_args()
    shown = pictures(args.input, args.every, None if args.held_out is None else People.from_yaml(args.held_out))
    if args.bodies or args.silhouettes:
        bodies = open_body_detector(args.landmarker or "bundled/person")
        judge = MediaPipeBodyDetector(args.teacher, silhouettes=args.silhouettes)
        shown = close_ups(shown, judge) if args.close_ups else shown
    if args.silhouettes:
        if not isinstance(bodies, TorchBodyDetector):
            parser.error(f"--landmarker is {args.landmarker!r}, expected the folder of a landmarker")
        summary = compare_silhouettes(shown, bodies, judge, args.min_size)
    elif args.bodies:
        summary = compare_detectors(shown, bodies, judge, body_error, args.min_size).summary()
    else:
        faces = open_landmarker(args.landmarker or "bundled/face")
        teacher = MediaPipeLandmarker(args.teacher, max_faces=5)
        summary = compare_detectors(shown, faces, teacher, face_error, args.min_size).summary()
    print("  ".join(f"{name} {value:.4g}" for name, value in summary.items()))
    if args.json:
        args.json.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
