# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf"]
# ///
"""Measure on written videos whether mouth and sound agree.

python scripts/check_sync.py talking.mp4 other.mp4 --landmarker mediapipe:face_landmarker.task
python scripts/check_sync.py talking.mp4 --recording interview.mp4  # against the filmed mouth whose sound it speaks
"""

import argparse

from transformers.utils import logging

from adaat_hf.evaluation.sync import measure_sync
from adaat_hf.processing.backends import open_landmarker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", help="videos with one talking face and its sound")
    parser.add_argument("--recording", help="the filmed face that the sound comes from")
    parser.add_argument("--landmarker", default="bundled/face", help="'mediapipe:FILE' or a landmarker's folder")
    args = parser.parse_args()
    logging.disable_progress_bar()
    landmarker = open_landmarker(args.landmarker)
    for video in args.videos:
        print(f"{video}: {measure_sync(video, landmarker, args.recording)}")


if __name__ == "__main__":
    main()
