# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Train a generator from a YAML file. A run that was interrupted continues from its newest checkpoint.

accelerate launch scripts/train.py --config scripts/configs/face_compact.yaml
accelerate launch scripts/train.py --config scripts/configs/person_ablation.yaml --set model.alignment=none output_dir=runs/none
"""

import argparse
from pathlib import Path

from adaat_hf.control.face_model import load_face_model
from adaat_hf.training.arguments import TrainingArguments, parse_settings
from adaat_hf.training.trainer import Trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output-dir", help="replaces output_dir of the file")
    parser.add_argument("--time-limit", type=float, help="minutes after which the run saves a checkpoint and ends")
    parser.add_argument("--max-steps", type=int, help="replaces max_steps of the file")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="replace settings of the file")
    parser.add_argument("--face-model", default="bundled/face", help="folder of the face model")
    args = parser.parse_args()
    chosen = {"output_dir": args.output_dir, "time_limit": args.time_limit, "max_steps": args.max_steps}
    changes = {**parse_settings(args.set), **{key: value for key, value in chosen.items() if value is not None}}
    settings = TrainingArguments.from_yaml(args.config, **changes)
    face_model = load_face_model(args.face_model) if settings.task == "face" and settings.fitted_keypoints else None
    Trainer(settings, face_model).train()


if __name__ == "__main__":
    main()
