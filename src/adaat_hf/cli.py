"""The `adaat` command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 1 after an error that the user can mend."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"adaat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("adaat: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="adaat", description="Bring a still picture of a face to life.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_reenact(commands)
    _add_template(commands)
    _add_check(commands)
    doctor = commands.add_parser("doctor", help="show device, versions and speed")
    doctor.add_argument("--model", default="bundled/face", help="pipeline to time (default: bundled/face)")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="bundled/face", help="Hub id, folder, or bundled/face (default)")
    command.add_argument(
        "--landmarker", help="other landmark detector: mediapipe:FILE, mediapipe:official or mediapipe:hub:ORG/NAME"
    )
    command.add_argument("--device", help="cpu, cuda, mps, ... (default: the best one there is)")


def _add_reenact(commands: Any) -> None:
    command = commands.add_parser("reenact", help="animate a photograph with a driver's expression and head motion")
    command.add_argument("--source", required=True, help="photograph of a face")
    command.add_argument(
        "--driving", required=True, help="video, folder of pictures, landmark file or motion template"
    )
    command.add_argument("-o", "--output", required=True, help="mp4 to write")
    command.add_argument("--control", choices=("both", "expression", "pose"), default="both")
    command.add_argument("--motion", choices=("relative", "absolute"), default="relative")
    for group in ("eyes", "brows", "mouth", "head"):
        command.add_argument(f"--{group}", type=float, default=1.0, metavar="X", help=f"strength of the {group} (1)")
    command.add_argument("--reference", type=int, help="driver's frame that relative motion starts from")
    command.add_argument("--source-face", default="largest", help="largest, all, or a number from 0")
    command.add_argument("--driving-face", type=int, default=0, help="which person of the driver to follow, from 0")
    command.add_argument(
        "--frame-policy", choices=("hold", "skip", "raise"), default="hold", help="frames without a face"
    )
    command.add_argument("--crop-only", action="store_true", help="write the face crop, not the whole photograph")
    command.add_argument("--max-size", type=int, default=1280, help="longer side of the output (1280)")
    command.add_argument("--fps", type=float, help="frame rate (default: the driver's)")
    command.add_argument("--batch-size", type=int, default=4, help="frames painted at once (4)")
    command.add_argument("--sheet", help="also write a contact sheet of the frames to this picture")
    _add_model_options(command)
    command.set_defaults(run=_reenact)


def _add_template(commands: Any) -> None:
    command = commands.add_parser("template", help="extract the motion of a clip into a reusable file")
    command.add_argument("clip", help="video, folder of pictures or landmark file")
    command.add_argument("-o", "--output", required=True, help=".safetensors file to write")
    command.add_argument("--driving-face", type=int, default=0, help="which person to follow, from 0")
    _add_model_options(command)
    command.set_defaults(run=_template)


def _add_check(commands: Any) -> None:
    command = commands.add_parser("check", help="say whether a picture or video is usable, and why not")
    command.add_argument("file", help="picture, video, landmark file or motion template")
    _add_model_options(command)
    command.set_defaults(run=_check)


def _load(args: argparse.Namespace) -> tuple[Any, Any]:
    """The pipeline and, if one was asked for, another landmark detector."""
    from transformers.utils import logging

    from .devices import best_device
    from .pipelines.base import AdaATPipeline
    from .processing.backends import open_landmarker

    logging.disable_progress_bar()
    landmarker = open_landmarker(args.landmarker) if args.landmarker else None
    device = best_device(args.device)
    pipe = AdaATPipeline.from_pretrained(args.model)
    return pipe.to(device), landmarker


def _reenact(args: argparse.Namespace) -> int:
    from .evaluation.contact_sheet import contact_sheet
    from .processing.images import save_image
    from .video import check_writable

    for path in filter(None, (args.output, args.sheet)):
        check_writable(path)
    for path in (args.source, args.driving):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path!r} does not exist.")
    pipe, landmarker = _load(args)
    choice = int(args.source_face) if args.source_face.isdigit() else args.source_face
    result = pipe(
        args.source, args.driving, control=args.control, motion=args.motion,
        strengths={group: getattr(args, group) for group in ("eyes", "brows", "mouth", "head")},
        reference=args.reference, source_face=choice, driving_face=args.driving_face, frame_policy=args.frame_policy,
        crop_only=args.crop_only, max_size=args.max_size, fps=args.fps, landmarker=landmarker,
        batch_size=args.batch_size, output=args.output,
    )  # fmt: skip
    print(f"{args.output}: {result.statistics}")
    if args.sheet:
        save_image(contact_sheet(result.arrays(), result.statistics.frames), args.sheet)
        print(f"{args.sheet}: contact sheet")
    return 0


def _template(args: argparse.Namespace) -> int:
    from .video import check_writable

    check_writable(args.output)
    if not args.output.endswith(".safetensors"):
        raise ValueError(f"The output is {args.output!r}, expected a name that ends in .safetensors.")
    pipe, landmarker = _load(args)
    template = pipe.motion_template(args.clip, driving_face=args.driving_face, landmarker=landmarker)
    template.save(args.output)
    missing = int((~template.coefficients.valid).sum())
    print(f"{args.output}: {len(template.coefficients)} frames at {template.fps:g} frames/s, {missing} without a face")
    return 0


def _check(args: argparse.Namespace) -> int:
    from .processing.check import check_file

    if not Path(args.file).exists():
        raise FileNotFoundError(f"{args.file!r} does not exist.")
    pipe, landmarker = _load(args)
    report = check_file(Path(args.file), landmarker or pipe.own_landmarker())
    print(report)
    return 0 if report.usable else 1


def _doctor(args: argparse.Namespace) -> int:
    from .doctor import diagnose

    print(diagnose(args.model))
    return 0


if __name__ == "__main__":
    sys.exit(main())
