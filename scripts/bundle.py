# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Put trained parts together as the checkpoint `bundled/face` or `bundled/person` and write its card from the runs' records.

    python scripts/bundle.py face --generator runs/face_compact_128/generator --landmarker runs/landmarker/landmarker \\
        --runs runs/face_compact_128 --prewarp-regularization 0.0006 --hardware "two CPU cores in 30 minutes" \\
        --scores runs/heldout/reconstruction/results.json --landmarker-scores runs/landmarker/scores.json \\
        --notes scripts/configs/face_card_notes.md
    python scripts/bundle_motion.py ...  # adds the motion model to bundled/face
    python scripts/bundle.py person --generator runs/person_motion/generator \\
        --landmarker runs/body_landmarker_rendered/landmarker --runs runs/person_motion \\
        --scores runs/heldout/persons/results.json --notes scripts/configs/person_card_notes.md
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch

import adaat_hf
from adaat_hf import (
    AdaATGenerator,
    AdaATImageProcessor,
    AdaATLandmarker,
    AdaATPipeline,
    FaceReenactmentPipeline,
    PoseTransferPipeline,
)
from adaat_hf.control.body_model import load_body_model
from adaat_hf.control.face_model import load_face_model
from adaat_hf.evaluation.results import read_results
from adaat_hf.training.checkpoints import checkpoint_step, newest_checkpoint
from adaat_hf.training.publishing import name_person_generation


ROOT = Path(__file__).parents[1]
BUNDLED = Path(adaat_hf.__file__).parent / "bundled"
CARDS = {"face": "face_reenactment", "person": "person_generation"}
LICENCES = {"face": "cc-by-nc-4.0", "person": "cc-by-nc-4.0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", choices=sorted(CARDS), help="which checkpoint")
    parser.add_argument("--generator", type=Path, required=True, help="folder of the generator")
    parser.add_argument("--landmarker", type=Path, required=True, help="folder of the landmarker")
    parser.add_argument("--face-model", default="bundled/face", help="folder of the face model (face)")
    parser.add_argument("--body-model", default="bundled/person", help="folder of the body model (person)")
    parser.add_argument("--output", type=Path, help="folder of the checkpoint (that of the package)")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="output folders of train.py, in order")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="results.json files of adaat evaluate")
    parser.add_argument("--landmarker-scores", type=Path, help="json file of evaluate_landmarker.py")
    parser.add_argument("--prewarp-regularization", type=float, help="replaces the generator's own, for exacter lids")
    parser.add_argument("--hardware", default="unknown", help="what the runs ran on")
    parser.add_argument("--notes", type=Path, help="text that goes into the card as it is")
    args = parser.parse_args()
    output = args.output or BUNDLED / args.checkpoint
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        build(args, Path(folder))
        output.mkdir(exist_ok=True)
        shutil.copytree(folder, output, dirs_exist_ok=True)
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    print(f"{output}: {size / 1e6:.1f} MB")


def build(args: argparse.Namespace, folder: Path) -> None:
    """Save the pipeline and its card; the networks as 16-bit floats."""
    generator = AdaATGenerator.from_pretrained(args.generator, dtype=torch.float16)
    if args.prewarp_regularization is not None:
        generator.config.prewarp_regularization = args.prewarp_regularization
    landmarker = AdaATLandmarker.from_pretrained(args.landmarker, dtype=torch.float16)
    pipe: AdaATPipeline
    if args.checkpoint == "face":
        pipe = FaceReenactmentPipeline(generator, load_face_model(args.face_model), AdaATImageProcessor(), landmarker)
    else:
        processor = AdaATImageProcessor(size={"height": 256, "width": 176})
        # What pose transfer needs besides: its pipeline's folder serves person image generation too.
        body_model = load_body_model(args.body_model)
        pipe = PoseTransferPipeline(generator, processor, body_model, landmarker)
    pipe.save_pretrained(folder)
    if args.checkpoint == "person":
        name_person_generation(folder)
    (folder / "README.md").write_text(write_card(args, generator), encoding="utf-8")


def write_card(args: argparse.Namespace, generator: AdaATGenerator) -> str:
    """The task's card with this checkpoint's data, training and scores."""
    text = (ROOT / "pipelines" / CARDS[args.checkpoint] / "README.md").read_text(encoding="utf-8")
    text = text.replace("REPOSITORY", f"bundled/{args.checkpoint}")
    name = "library_name: adaat-hf\n"
    text = text.replace(name, f"{name}license: {LICENCES[args.checkpoint]}\n", 1)
    millions = sum(parameter.numel() for parameter in generator.parameters()) / 1e6
    parts = [text, "## Training", f"Generator: {millions:.1f} M parameters, trained on {args.hardware}.", ""]
    parts += [describe_run(run) for run in args.runs]
    for path in args.scores:
        parts += [scores_table(path)]
    if args.landmarker_scores:
        parts += [landmarker_line(json.loads(args.landmarker_scores.read_text()), args.checkpoint)]
    if args.notes:
        parts += [args.notes.read_text(encoding="utf-8")]
    return "\n".join(parts).rstrip() + "\n"


def describe_run(run: Path) -> str:
    """One line about a run: its resolution, steps and samples."""
    settings = json.loads((run / "arguments.json").read_text())
    newest = newest_checkpoint(run)
    if newest is None:
        raise FileNotFoundError(f"{str(run)!r} holds no checkpoint of a training run.")
    steps = checkpoint_step(newest)
    samples = steps * settings["batch_size"] * settings["gradient_accumulation_steps"]
    size = settings["resolution"]
    shown = f"{size[0]}x{size[1]}" if isinstance(size, list) else str(size)
    return f"- `scripts/configs/{run.name}.yaml`: {shown} px, {steps} steps, {samples} pairs of pictures"


def scores_table(path: Path) -> str:
    """A table of methods by measures, below the data's name."""
    results = read_results(path)
    return f"\n**{results.dataset}, protocol {results.protocol}**\n\n{results.table()}\n"


def landmarker_line(scores: dict[str, float], checkpoint: str) -> str:
    """What the landmarker's evaluation found."""
    things, unit = {
        "face": ("faces of held-out clips", "the outer eye corners' distance"),
        "person": ("held-out persons", "the distance from hips to shoulders"),
    }[checkpoint]
    return (
        f"\nLandmarker against MediaPipe on {scores['count']:.0f} {things}: mean error {scores['error']:.1%} of {unit} "
        f"(median {scores['error_median']:.1%}), {scores['lost']:.1%} lost.\n"
    )


if __name__ == "__main__":
    main()
