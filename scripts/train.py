# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""Train a generator from a YAML file. A run that was interrupted continues from its newest checkpoint.

    accelerate launch scripts/train.py --config scripts/configs/face.yaml --preset modern
    accelerate launch --config_file scripts/accelerate/eight_gpus.yaml scripts/train.py --config scripts/configs/hdtf.yaml \\
        --preset paper --set init_from=runs/voxceleb output_dir=runs/hdtf
    accelerate launch scripts/train.py --config scripts/configs/person_ablation.yaml --set model.alignment=none

At the end `output_dir` holds the networks, `report.md` with curves and pictures, and `pipeline`, which
`AdaATPipeline.from_pretrained` loads and `--push-to-hub` uploads.
"""

import argparse
from pathlib import Path

from accelerate import PartialState

from adaat_hf.training.arguments import TrainingArguments, add_settings_option, parse_settings
from adaat_hf.training.publishing import write_pipeline
from adaat_hf.training.report import write_report
from adaat_hf.training.stages import train_stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--preset", help="which of the file's presets")
    parser.add_argument("--output-dir", help="replaces output_dir of the file")
    parser.add_argument("--time-limit", type=float, help="minutes after which the run saves a checkpoint and ends")
    parser.add_argument("--max-steps", type=int, help="replaces max_steps of the file")
    add_settings_option(parser)
    parser.add_argument("--face-model", default="bundled/face", help="folder of the face model")
    parser.add_argument("--push-to-hub", metavar="ORG/NAME", help="upload the pipeline at the end")
    args = parser.parse_args()
    chosen = {"output_dir": args.output_dir, "time_limit": args.time_limit, "max_steps": args.max_steps}
    changes = {**parse_settings(args.set), **{key: value for key, value in chosen.items() if value is not None}}
    settings = TrainingArguments.from_yaml(args.config, args.preset, **changes)
    train_stages(settings, args.face_model)
    if PartialState().is_main_process:
        folders = [Path(stage.output_dir) for stage in settings.each_stage()]
        finish(folders, Path(settings.output_dir), args.push_to_hub)


def finish(folders: list[Path], output: Path, repository: str | None) -> None:
    """Write the reports of all stages, and the pipeline of the last one that has a network; upload it if asked."""
    trained = [folder for folder in folders if (folder / "generator").is_dir()]
    for folder in trained:
        print(f"report: {write_report(folder)}")
    pipeline = write_pipeline(trained[-1], output, repository)
    print(f"pipeline: {pipeline}")
    if repository is not None:
        from adaat_hf.hub.publishing import publish

        print(f"uploaded: {publish(pipeline, repository)}")


if __name__ == "__main__":
    main()
