# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Score a motion model on held-out talking clips (packs of `adaat prepare clips`) beside methods that learn nothing.

    python scripts/evaluate_motion.py --model bundled/face --title "speakers that training never saw" \\
        --clips data/speech/unseen data/faces/val
    python scripts/evaluate_motion.py --title "sentences of the trained speaker" --clips data/speech/s1 --only -0 -1
"""

import argparse
import json
from pathlib import Path

from transformers.utils import logging

from adaat_hf import AdaATFeatureExtractor, AdaATMotionModel
from adaat_hf.bundled import bundled_path
from adaat_hf.control.face_model import load_face_model
from adaat_hf.evaluation.speech_motion import MOTION_HEADINGS, evaluate, motion_cells, open_clips
from adaat_hf.training.packs import read_packs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled/face", help="pipeline, or output folder of train_motion.py")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of packs")
    parser.add_argument("--only", nargs="*", default=[], help="clips whose key contains one of these")
    parser.add_argument("--skip", nargs="*", default=[], help="but none of these")
    parser.add_argument("--title", default="held-out talking clips")
    parser.add_argument("--face-model", default="bundled/face", help="folder of the face model")
    parser.add_argument("--output", type=Path, help="json file for the scores")
    args = parser.parse_args()
    logging.disable_progress_bar()
    folder = bundled_path(args.model) or Path(args.model)
    model = AdaATMotionModel.from_pretrained(folder / "motion_model", dtype="float32").eval()
    extractor = AdaATFeatureExtractor.from_pretrained(folder / "feature_extractor")
    face_model = load_face_model(args.face_model)
    packed = [clip for path in args.clips for clip in read_packs(path)]
    chosen = [
        clip
        for clip in packed
        if (not args.only or any(part in clip.key for part in args.only))
        and not any(part in clip.key for part in args.skip)
    ]
    clips = open_clips(chosen, face_model, extractor.sampling_rate)
    if not clips:
        parser.error(f"none of the {len(packed)} clips can be used")
    scores = evaluate(clips, model, extractor, face_model)
    print(f"\n**{args.title}**\n\n| method | {MOTION_HEADINGS} |\n{'|---' * 8}|")
    for name, row in scores.items():
        print(f"| {name} | {motion_cells(row)} |")
    if args.output:
        args.output.write_text(json.dumps(scores, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
