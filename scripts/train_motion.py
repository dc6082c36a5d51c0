# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Train the motion model, which turns speech into motion of the face, from a YAML file; interrupted runs continue.

adaat prepare clips --input talking_clips/ --output data/speech --detector mediapipe:FILE
accelerate launch scripts/train_motion.py --config scripts/configs/motion.yaml
"""

import argparse
from pathlib import Path

from adaat_hf.control.face_model import load_face_model
from adaat_hf.training.arguments import add_settings_option, parse_settings
from adaat_hf.training.motion_trainer import MotionArguments, MotionTrainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    add_settings_option(parser)
    parser.add_argument("--face-model", default="bundled/face", help="folder of the face model")
    args = parser.parse_args()
    settings = MotionArguments.from_yaml(args.config, **parse_settings(args.set))
    MotionTrainer(settings, load_face_model(args.face_model)).train()


if __name__ == "__main__":
    main()
