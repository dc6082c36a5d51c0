"""Commands about one file: `adaat template`, `check`, `inspect` and `convert`."""

import argparse
from pathlib import Path
from typing import Any

from .shared import add_model_options, check_files, load, load_pipeline


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_template(commands)
    _add_check(commands)
    _add_inspect(commands)
    _add_convert(commands)


def _add_inspect(commands: Any) -> None:
    command = commands.add_parser("inspect", help="say whether and how a picture or video is marked as synthetic")
    command.add_argument("file", help="picture or video")
    command.add_argument("--json", action="store_true", help="print the findings as JSON")
    command.set_defaults(run=_inspect)


def _inspect(args: argparse.Namespace) -> int:
    """Exit status 0 for a marked file, 1 for one without marks."""
    import json

    from ..marking import inspect_file

    report = inspect_file(args.file)
    print(json.dumps(report.as_dict(), indent=2) if args.json else f"{args.file}: {report}")
    return 0 if report.marked else 1


def _add_template(commands: Any) -> None:
    command = commands.add_parser("template", help="extract the motion of a clip into a reusable file")
    command.add_argument("clip", help="video, folder of pictures, landmark or key-point file")
    command.add_argument("-o", "--output", required=True, help=".safetensors file to write")
    command.add_argument("--driving-face", type=int, default=0, help="which person to follow, from 0")
    command.add_argument("--body", action="store_true", help="the motion of a whole body, for adaat pose")
    command.add_argument("--detector", help="with --body, other body detector: mediapipe:FILE or vitpose[:MODEL]")
    add_model_options(command)
    command.set_defaults(run=_template)


def _add_check(commands: Any) -> None:
    command = commands.add_parser("check", help="say whether a picture or video is usable, and why not")
    command.add_argument("file", help="picture, video, landmark file or motion template")
    add_model_options(command)
    command.set_defaults(run=_check)


def _add_convert(commands: Any) -> None:
    command = commands.add_parser("convert", help="make a pipeline folder of the authors' released person checkpoint")
    command.add_argument("checkpoint", help="person_epoch_40.pth")
    command.add_argument("output", help="folder to make")
    command.set_defaults(run=_convert)


def _template(args: argparse.Namespace) -> int:
    from ..video import check_writable

    check_writable(args.output)
    if not args.output.endswith(".safetensors"):
        raise ValueError(f"The output is {args.output!r}, expected a name that ends in .safetensors.")
    check_files((), (args.clip,))
    template = _body_template(args) if args.body else _face_template(args)
    template.save(args.output)
    missing, what = int((~template.coefficients.valid).sum()), "person" if args.body else "face"
    print(
        f"{args.output}: {len(template.coefficients)} frames at {template.fps:g} frames/s, {missing} without a {what}"
    )
    return 0


def _face_template(args: argparse.Namespace) -> Any:
    pipe, landmarker = load(args)
    return pipe.motion_template(args.clip, driving_face=args.driving_face, landmarker=landmarker)


def _body_template(args: argparse.Namespace) -> Any:
    from ..pipelines.pipeline_pose_transfer import PoseTransferPipeline
    from ..processing.backends import open_body_detector

    args.model = "bundled/person" if args.model == "bundled/face" else args.model
    detector = open_body_detector(args.detector) if args.detector else None
    pipe = load_pipeline(args, PoseTransferPipeline)
    return pipe.motion_template(args.clip, driving_person=args.driving_face, detector=detector)


def _check(args: argparse.Namespace) -> int:
    from ..processing.check import check_file

    if not Path(args.file).exists():
        raise FileNotFoundError(f"{args.file!r} does not exist.")
    pipe, landmarker = load(args)
    report = check_file(Path(args.file), landmarker or pipe.own_landmarker())
    print(report)
    return 0 if report.usable else 1


def _convert(args: argparse.Namespace) -> int:
    from transformers.utils import logging

    from ..pipelines.original import convert_original_checkpoint

    logging.disable_progress_bar()
    folder = convert_original_checkpoint(args.checkpoint, args.output)
    print(f"{folder}: a PersonGenerationPipeline; the weights are the authors' and carry no licence")
    return 0
