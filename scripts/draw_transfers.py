# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[mediapipe]"]
# ///
"""Draw what pose transfer makes of photographs: a clip's key points above, and below each photograph and the person who moves.

    python scripts/draw_transfers.py --clip dance.mp4 --detector mediapipe:pose_landmarker_full.task \\
        --output transfers.jpg one.jpg another.jpg
"""

import argparse
from pathlib import Path

import numpy as np
from evaluate_pose import read_frames
from tqdm.auto import tqdm

from adaat_hf import BodyFitter, BodyMotionTemplate, PoseTransferPipeline
from adaat_hf.devices import best_device
from adaat_hf.evaluation.contact_sheet import fit_width
from adaat_hf.evaluation.pose_transfer import fit_track
from adaat_hf.processing.backends import open_body_detector
from adaat_hf.processing.body_tracking import track_body
from adaat_hf.processing.drawing import draw_pose
from adaat_hf.processing.images import load_image, save_image


# Widths of pictures, and the white between rows.
WIDTH, GAP = 200, 12


def row_of(pictures: list[np.ndarray | None]) -> np.ndarray:
    """Pictures side by side, as wide as each other, in the middle of the row; `None` leaves a place white."""
    cells = [None if picture is None else fit_width(picture, WIDTH) for picture in pictures]
    tallest = max(len(cell) for cell in cells if cell is not None)
    row = np.full((tallest + GAP, WIDTH * len(cells), 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        if cell is not None:
            top = (tallest - len(cell)) // 2
            row[top : top + len(cell), number * WIDTH : (number + 1) * WIDTH] = cell
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="photographs of persons")
    parser.add_argument("--clip", type=Path, required=True, help="the motion")
    parser.add_argument("--model", default="bundled/person", help="pipeline (bundled/person)")
    parser.add_argument("--detector", default="bundled/person", help="'mediapipe:FILE' or a detector's folder")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="show one of N of the 24 frames (4)")
    parser.add_argument("--output", type=Path, required=True, help="the picture's file")
    args = parser.parse_args()
    pipe, detector = PoseTransferPipeline.from_pretrained(args.model), open_body_detector(args.detector)
    pipe.to(best_device(None))
    pipe.set_progress_bar_config(disable=True)
    frames, fps = read_frames(args.clip)
    track = track_body(frames, detector)
    motion = fit_track(BodyFitter(pipe.body_model), track, fps)
    template = BodyMotionTemplate(motion, fps, track.size)
    shown = range(0, len(frames), args.every)
    blank = np.zeros_like(frames[0])
    rows = [row_of([None, *(draw_pose(track.points[n], track.visibility[n], blank) for n in shown)])]
    for photo in tqdm(args.photos, desc=f"painting on {pipe.device}", unit="photo"):
        painted = list(pipe(photo, template, detector=detector, crop_only=True).arrays())
        rows.append(row_of([load_image(photo), *(painted[n] for n in shown)]))
    save_image(np.vstack(rows), args.output)


if __name__ == "__main__":
    main()
