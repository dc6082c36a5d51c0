# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,mediapipe]"]
# ///
"""Turn a folder of clips into a training set: landmarks, fitted coefficients and crops, in packs of a chosen size.

An interrupted run continues where it stopped. Clips that cannot be used are listed with the reason in `left_out.csv`.

    python scripts/prepare_clips.py --input clips/ --output data/train --landmarker mediapipe:face_landmarker.task
"""

import argparse
from pathlib import Path

from adaat_hf.training.preparation import PreparationSettings
from adaat_hf.training.prepare import prepare_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--input", type=Path, required=True, help="folder with videos, or pictures named PERSON_xxx.jpg"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the packs")
    parser.add_argument(
        "--index", type=Path, help="csv with a column 'file' and facts about the clips (licence, source)"
    )
    parser.add_argument("--landmarker", default="bundled/face", help="'mediapipe:FILE' or a landmarker's folder")
    parser.add_argument("--face-model", default="bundled/face", help="folder of the face model")
    parser.add_argument("--size", type=int, default=256, help="side of the crops in pixels")
    parser.add_argument(
        "--no-crop", action="store_true", help="the clips are already framed: keep whole square frames"
    )
    parser.add_argument("--max-frames", type=int, default=250, help="frames used per clip")
    parser.add_argument("--pack-size", type=float, default=256, help="most megabytes per pack")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 uses all cores")
    args = parser.parse_args()
    settings = PreparationSettings(
        args.landmarker, args.face_model, size=args.size, crop=not args.no_crop, max_frames=args.max_frames
    )
    print(prepare_folder(args.input, args.output, settings, args.index, int(args.pack_size * 1e6), args.workers))


if __name__ == "__main__":
    main()
