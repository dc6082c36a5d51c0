# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""DeepFashion (in-shop) and the public lists to pairs that `datasets` loads and scripts/train.py trains on.

    python scripts/prepare_deepfashion.py --images fashion/ --split train --output data/deepfashion \
        --pairs fasion-resize-pairs-train.csv --annotations fasion-resize-annotation-train.csv
    python scripts/prepare_deepfashion.py --images fashion/ --split train --output data/deepfashion --pairs train.json
"""

import argparse
import sys
from pathlib import Path

from adaat_hf.training.deepfashion import prepare_deepfashion
from adaat_hf.training.image_pairs import to_parquet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder with the pictures")
    parser.add_argument("--pairs", type=Path, required=True, help="csv of pairs, or the authors' json")
    parser.add_argument("--annotations", type=Path, help="csv of key points, for a csv of pairs")
    parser.add_argument("--output", type=Path, required=True, help="folder for the data set")
    parser.add_argument("--split", choices=("train", "test"), required=True)
    parser.add_argument("--allow-missing", action="store_true", help="go on without pictures that are missing")
    parser.add_argument("--parquet", action="store_true", help="also write the split as one parquet file")
    args = parser.parse_args()
    try:
        report = prepare_deepfashion(
            args.images, args.pairs, args.annotations, args.output, args.split, allow_missing=args.allow_missing
        )
        if args.parquet:
            to_parquet(args.output / args.split, args.output / f"{args.split}.parquet")
    except (ValueError, OSError) as error:
        print(f"prepare_deepfashion: {error}", file=sys.stderr)
        return 1
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
