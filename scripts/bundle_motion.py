# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Add a trained motion model to a checkpoint of the face, and describe it in the card.

    python scripts/bundle_motion.py --motion runs/motion --hardware "two CPU cores in 40 minutes" \\
        --scores runs/motion_trained_speaker.json runs/motion_unseen_speakers.json \\
        --notes scripts/configs/motion_card_notes.md
"""

import argparse
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import torch

import adaat_hf
from adaat_hf import AdaATFeatureExtractor, AdaATMotionModel
from adaat_hf.evaluation.speech_motion import MOTION_HEADINGS, motion_cells
from adaat_hf.training.checkpoints import checkpoint_step, newest_checkpoint


BUNDLED = Path(adaat_hf.__file__).parent / "bundled" / "face"
SECTION = "## Motion from sound"
COMPONENTS = {
    "motion_model": ["adaat_hf", "AdaATMotionModel"],
    "feature_extractor": ["adaat_hf", "AdaATFeatureExtractor"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion", type=Path, required=True, help="output folder of train_motion.py")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED, help="folder of the face pipeline")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="json files of evaluate_motion.py")
    parser.add_argument("--hardware", default="unknown", help="what the run ran on")
    parser.add_argument("--notes", type=Path, help="text that goes into the card as it is")
    args = parser.parse_args()
    card = args.checkpoint / "README.md"
    text = with_section(card.read_text(encoding="utf-8"), describe(args))
    index_path = args.checkpoint / "model_index.json"
    index = {**json.loads(index_path.read_text(encoding="utf-8")), **COMPONENTS}
    with tempfile.TemporaryDirectory(dir=args.checkpoint.parent) as name:
        folder = Path(name)
        model = AdaATMotionModel.from_pretrained(args.motion / "motion_model", dtype=torch.float16)
        model.save_pretrained(folder / "motion_model")
        extractor = AdaATFeatureExtractor.from_pretrained(args.motion / "feature_extractor")
        extractor.save_pretrained(folder / "feature_extractor")
        (folder / index_path.name).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        (folder / card.name).write_text(text, encoding="utf-8")
        for component in COMPONENTS:
            shutil.rmtree(args.checkpoint / component, ignore_errors=True)
            os.replace(folder / component, args.checkpoint / component)
        for file in (card, index_path):
            os.replace(folder / file.name, file)
    print(f"{args.checkpoint}: motion model with {count_parameters(model):.1f} M parameters")


def count_parameters(model: torch.nn.Module) -> float:
    """Millions of parameters."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def with_section(card: str, section: str) -> str:
    """The card with this section in place of an earlier one of the same name, else at its end."""
    earlier = re.compile(rf"\n{re.escape(SECTION)}\n.*?(?=\n## |\Z)", re.DOTALL)
    return earlier.sub("", card).rstrip() + "\n\n" + section


def describe(args: argparse.Namespace) -> str:
    """The card's section: the run, tables of scores, notes."""
    settings = json.loads((args.motion / "arguments.json").read_text(encoding="utf-8"))
    newest = newest_checkpoint(args.motion)
    if newest is None:
        raise FileNotFoundError(f"{str(args.motion)!r} holds no checkpoint of a training run.")
    model = AdaATMotionModel.from_pretrained(args.motion / "motion_model")
    steps = checkpoint_step(newest)
    lines = [
        SECTION,
        f"`TalkingFacePipeline` uses it. {count_parameters(model):.1f} M parameters, trained on {args.hardware} by "
        f"`scripts/configs/{args.motion.name}.yaml`: {steps} steps of {settings['batch_size']} windows of "
        f"{settings['seconds']:g} seconds.",
    ]
    lines += [table(json.loads(path.read_text(encoding="utf-8")), path.stem) for path in args.scores]
    if args.notes:
        lines.append(args.notes.read_text(encoding="utf-8"))
    return "\n".join(lines).rstrip() + "\n"


def table(scores: dict[str, dict[str, float]], title: str) -> str:
    """The motion model and the methods it is compared with."""
    rows = [f"\n**{title.replace('_', ' ')}**\n", f"| method | {MOTION_HEADINGS} |", "|---" * 8 + "|"]
    rows += [f"| {name} | {motion_cells(row)} |" for name, row in scores.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
