# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,mediapipe]"]
# ///
"""Photographs of persons in two poses (NAME__0.jpg, NAME__1.jpg) to pairs that `datasets` loads, persons held out.

    python scripts/prepare_people.py --input exercise_pairs/ --people scripts/configs/exercise_people.yaml \
        --output data/people --detector mediapipe:pose_landmarker_full.task
"""

import argparse
from pathlib import Path

from adaat_hf.processing.backends import open_body_detector
from adaat_hf.training.image_pairs import to_parquet
from adaat_hf.training.motion_pairs import prepare_motion
from adaat_hf.training.people import People, prepare_people


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="folder with the photographs or clips")
    parser.add_argument("--clips", action="store_true", help="the folder holds mp4 clips of one moving person each")
    parser.add_argument("--people", type=Path, required=True, help="YAML: subjects, and who is held out")
    parser.add_argument("--output", type=Path, required=True, help="folder for the splits train and validation")
    parser.add_argument("--detector", default="bundled/person", help="'mediapipe:FILE' or a detector's folder")
    parser.add_argument(
        "--parquet", action="store_true", help="also write each split as one parquet file, for streaming"
    )
    parser.add_argument("--frames", type=int, default=24, help="with --clips: frames of every clip (24)")
    parser.add_argument(
        "--targets", type=int, default=3, help="with --clips: frames that each one is paired with in training (3)"
    )
    parser.add_argument("--size", type=int, nargs=2, default=(256, 176), metavar=("HEIGHT", "WIDTH"))
    args = parser.parse_args()
    people = People.from_yaml(args.people)
    detector = open_body_detector(args.detector)
    given = (args.input, args.output, detector, people, tuple(args.size))
    counts, left_out = prepare_motion(*given, args.frames, args.targets) if args.clips else prepare_people(*given)
    (args.output / "left_out.csv").write_text("".join(f'{name},"{why}"\n' for name, why in sorted(left_out.items())))
    for split in counts if args.parquet else ():
        to_parquet(args.output / split, args.output / f"{split}.parquet")
    print(f"{counts['train']} pairs to train, {counts['validation']} held out, {len(left_out)} names left out")


if __name__ == "__main__":
    main()
