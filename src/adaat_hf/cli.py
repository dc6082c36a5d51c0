"""The `adaat` command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


GROUPS = ("eyes", "brows", "mouth", "head")


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
    parser = argparse.ArgumentParser(prog="adaat", description="Bring a still picture of a face or a person to life.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_reenact(commands)
    _add_talk(commands)
    _add_person(commands)
    _add_pose(commands)
    _add_template(commands)
    _add_check(commands)
    _add_convert(commands)
    doctor = commands.add_parser("doctor", help="show device, versions and speed")
    doctor.add_argument("--model", default="bundled/face", help="pipeline to time (default: bundled/face)")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--landmarker", help="other landmark detector: mediapipe:FILE, mediapipe:official or mediapipe:hub:ORG/NAME"
    )
    _add_model_and_device(command, "bundled/face")


def _add_model_and_device(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--model", default=default, help=f"Hub id, folder, or {default} (default)")
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
    _add_strengths(command)
    command.add_argument("--reference", type=int, help="driver's frame that relative motion starts from")
    command.add_argument("--driving-face", type=int, default=0, help="which person of the driver to follow, from 0")
    command.add_argument(
        "--frame-policy", choices=("hold", "skip", "raise"), default="hold", help="frames without a face"
    )
    command.add_argument("--fps", type=float, help="frame rate (default: the driver's)")
    _add_face_output(command)
    _add_model_options(command)
    command.set_defaults(run=_reenact)


def _add_talk(commands: Any) -> None:
    command = commands.add_parser("talk", help="make the face of a photograph say what a sound contains")
    command.add_argument("--source", required=True, help="photograph of a face")
    command.add_argument("--audio", help="sound file, or video with sound (any format, rate and channels)")
    command.add_argument("--text", help="words for a text-to-speech model instead of a sound")
    command.add_argument("--voice", default="facebook/mms-tts-eng", help="that model: a transformers Hub id or folder")
    command.add_argument(
        "--performance", help="ARKit csv (Live Link Face) or motion template instead; --audio is added"
    )
    command.add_argument("-o", "--output", required=True, help="mp4 to write")
    command.add_argument("--emotion", default="neutral", help="neutral (default), happy, angry or surprise")
    command.add_argument("--emotion-strength", type=float, default=1.0, metavar="X", help="from 0 to 2 (1)")
    command.add_argument(
        "--head-motion", default="generated", metavar="MOTION",
        help="generated (default), none, or a driver: video, landmark file or motion template",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=0, help="another one gives other head motion and blinks (0)")
    _add_strengths(command)
    command.add_argument("--fps", type=float, help="frame rate (25, or the performance's)")
    command.add_argument("--size", type=int, help="side of the painted face crop, such as 256 or 512")
    _add_face_output(command)
    _add_model_options(command)
    command.set_defaults(run=_talk)


def _add_strengths(command: argparse.ArgumentParser) -> None:
    for group in GROUPS:
        command.add_argument(f"--{group}", type=float, default=1.0, metavar="X", help=f"strength of the {group} (1)")


def _add_face_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--source-face", default="largest", help="largest, all, or a number from 0")
    _add_video_output(command, "face")


def _add_video_output(command: argparse.ArgumentParser, subject: str) -> None:
    command.add_argument(
        "--crop-only", action="store_true", help=f"write the {subject} crop, not the whole photograph"
    )
    command.add_argument("--max-size", type=int, default=1280, help="longer side of the output (1280)")
    command.add_argument("--batch-size", type=int, default=4, help="frames painted at once (4)")
    command.add_argument("--sheet", help="also write a contact sheet of the frames to this picture")


def _add_person(commands: Any) -> None:
    command = commands.add_parser("person", help="show a photographed person in another pose")
    _add_source_person(command)
    command.add_argument(
        "--pose",
        required=True,
        nargs="+",
        help="photographs or pose files (OpenPose or COCO json, npz, lists of points)",
    )
    command.add_argument("-o", "--output", required=True, help="picture to write; several poses get numbers")
    command.add_argument("--grid", help="also write sources, poses and results as one picture")
    command.add_argument(
        "--fit", choices=("person", "picture"), default="person",
        help="bring poses to the person's size and place (person, default), or keep them as they lie in their picture",
    )  # fmt: skip
    command.add_argument("--pose-person", help="the same for the pose (default: the largest; all of a file)")
    command.add_argument("--no-crop", action="store_true", help="use the whole photograph")
    command.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="size of the result (256 176)")
    command.add_argument("--batch-size", type=int, default=4, help="poses painted at once (4)")
    _add_model_and_device(command, "bundled/person")
    command.set_defaults(run=_person)


def _add_source_person(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--source", required=True, nargs="+", help="photograph of a person, or several of the same person"
    )
    command.add_argument("--person", default="largest", help="whom of the photograph: largest, or a number from 0")
    command.add_argument("--source-pose", help="pose file of the photograph, instead of detecting it")
    command.add_argument("--detector", help="other body detector: mediapipe:FILE or vitpose[:MODEL]")


def _add_pose(commands: Any) -> None:
    command = commands.add_parser("pose", help="let a photographed person move as a driver does")
    _add_source_person(command)
    command.add_argument(
        "--driving", required=True,
        help="video, folder of pictures, key points (json, npz, OpenPose's folder), SMPL sequence or motion template",
    )  # fmt: skip
    command.add_argument("-o", "--output", required=True, help="mp4 to write")
    command.add_argument(
        "--placement", choices=("relative", "absolute"), default="relative",
        help="start where the person stands (relative, default), or take place and size from the driver",
    )  # fmt: skip
    command.add_argument("--no-swap", action="store_true", help="take over the driver's proportions too")
    command.add_argument("--reference", type=int, help="driver's frame that relative motion starts from")
    command.add_argument("--driving-person", type=int, default=0, help="which person of the driver to follow, from 0")
    command.add_argument(
        "--frame-policy", choices=("hold", "skip", "raise"), default="hold", help="frames without a person"
    )
    command.add_argument("--fps", type=float, help="frame rate (default: the driver's)")
    command.add_argument("--height", type=int, help="height at which the network paints (256)")
    _add_video_output(command, "person")
    _add_model_and_device(command, "bundled/person")
    command.set_defaults(run=_pose)


def _add_convert(commands: Any) -> None:
    command = commands.add_parser("convert", help="make a pipeline folder of the authors' released person checkpoint")
    command.add_argument("checkpoint", help="person_epoch_40.pth")
    command.add_argument("output", help="folder to make")
    command.set_defaults(run=_convert)


def _add_template(commands: Any) -> None:
    command = commands.add_parser("template", help="extract the motion of a clip into a reusable file")
    command.add_argument("clip", help="video, folder of pictures, landmark or key-point file")
    command.add_argument("-o", "--output", required=True, help=".safetensors file to write")
    command.add_argument("--driving-face", type=int, default=0, help="which person to follow, from 0")
    command.add_argument("--body", action="store_true", help="the motion of a whole body, for adaat pose")
    command.add_argument("--detector", help="with --body, other body detector: mediapipe:FILE or vitpose[:MODEL]")
    _add_model_options(command)
    command.set_defaults(run=_template)


def _add_check(commands: Any) -> None:
    command = commands.add_parser("check", help="say whether a picture or video is usable, and why not")
    command.add_argument("file", help="picture, video, landmark file or motion template")
    _add_model_options(command)
    command.set_defaults(run=_check)


def _load(args: argparse.Namespace, kind: Any = None) -> tuple[Any, Any]:
    """The pipeline and, if one was asked for, another landmark detector."""
    from .processing.backends import open_landmarker

    landmarker = open_landmarker(args.landmarker) if args.landmarker else None
    return _load_pipeline(args, kind), landmarker


def _load_pipeline(args: argparse.Namespace, kind: Any = None) -> Any:
    """The pipeline: of the given class, or of the one that its folder names."""
    from transformers.utils import logging

    from .devices import best_device
    from .pipelines.base import AdaATPipeline

    logging.disable_progress_bar()
    device = best_device(args.device)
    return (kind or AdaATPipeline).from_pretrained(args.model).to(device)


def _number(text: Any) -> Any:
    """A choice such as "2" as a number; others, and `None`, as they are."""
    return int(text) if text is not None and text.isdigit() else text


def _check_files(outputs: Sequence[str | None], inputs: Sequence[str | None]) -> None:
    """Raise unless all outputs can be written and all inputs exist, before anything is loaded."""
    from .video import check_writable

    for path in filter(None, outputs):
        check_writable(path)
    for path in filter(None, inputs):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path!r} does not exist.")


def _face_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments that the commands for faces share."""
    return {
        "strengths": {group: getattr(args, group) for group in GROUPS},
        "source_face": _number(args.source_face),
        **{name: getattr(args, name) for name in ("crop_only", "max_size", "fps", "batch_size", "output")},
    }


def _report(result: Any, args: argparse.Namespace) -> int:
    from .evaluation.contact_sheet import contact_sheet
    from .processing.images import save_image

    print(f"{args.output}: {result.statistics}")
    if args.sheet:
        save_image(contact_sheet(result.arrays(), result.statistics.frames), args.sheet)
        print(f"{args.sheet}: contact sheet")
    return 0


def _talk(args: argparse.Namespace) -> int:
    from .pipelines.pipeline_talking_face import HEAD_MOTIONS, TalkingFacePipeline

    driver = None if args.head_motion in HEAD_MOTIONS else args.head_motion
    _check_files((args.output, args.sheet), (args.source, args.audio, args.performance, driver))
    pipe, landmarker = _load(args, TalkingFacePipeline)
    result = pipe(
        args.source, args.audio, text=args.text, voice=args.voice, performance=args.performance, emotion=args.emotion,
        emotion_strength=args.emotion_strength, head_motion=args.head_motion, seed=args.seed, size=args.size,
        landmarker=landmarker, **_face_settings(args),
    )  # fmt: skip
    return _report(result, args)


def _reenact(args: argparse.Namespace) -> int:
    _check_files((args.output, args.sheet), (args.source, args.driving))
    pipe, landmarker = _load(args)
    result = pipe(
        args.source, args.driving, control=args.control, motion=args.motion,
        reference=args.reference, driving_face=args.driving_face, frame_policy=args.frame_policy,
        landmarker=landmarker, **_face_settings(args),
    )  # fmt: skip
    return _report(result, args)


def _person(args: argparse.Namespace) -> int:
    import numpy as np

    from .pipelines.pipeline_person_generation import PersonGenerationPipeline
    from .processing.backends import open_body_detector
    from .processing.images import check_image_name, save_image

    for path in filter(None, (args.output, args.grid)):
        check_image_name(path)
    for path in [*args.source, *args.pose, *filter(None, [args.source_pose])]:
        if not Path(path).exists():
            raise FileNotFoundError(f"{path!r} does not exist.")
    detector = open_body_detector(args.detector) if args.detector else None
    pipe = _load_pipeline(args)
    if not isinstance(pipe, PersonGenerationPipeline):
        raise ValueError(f"{args.model!r} is a {type(pipe).__name__}, expected a PersonGenerationPipeline.")
    height, width = args.size or (None, None)
    result: Any = pipe(
        args.source, args.pose, fit=args.fit, person=_number(args.person), pose_person=_number(args.pose_person),
        source_pose=args.source_pose, crop=False if args.no_crop else None, height=height, width=width,
        detector=detector, batch_size=args.batch_size,
    )  # fmt: skip
    for path in result.save(args.output):
        print(f"{path}: {result.images[0].width}x{result.images[0].height}")
    if args.grid:
        save_image(np.asarray(result.grid()), args.grid)
        print(f"{args.grid}: sources, poses and results")
    return 0


def _pose(args: argparse.Namespace) -> int:
    from .pipelines.pipeline_pose_transfer import PoseTransferPipeline
    from .processing.backends import open_body_detector

    _check_files((args.output, args.sheet), (*args.source, args.driving, args.source_pose))
    detector = open_body_detector(args.detector) if args.detector else None
    pipe = _load_pipeline(args, PoseTransferPipeline)
    settings = (
        "placement", "reference", "driving_person", "source_pose", "frame_policy", "fps", "height", "crop_only",
        "max_size", "batch_size", "output",
    )  # fmt: skip
    result = pipe(
        args.source, args.driving, swap=not args.no_swap, person=_number(args.person), detector=detector,
        **{name: getattr(args, name) for name in settings},
    )  # fmt: skip
    return _report(result, args)


def _convert(args: argparse.Namespace) -> int:
    from transformers.utils import logging

    from .pipelines.original import convert_original_checkpoint

    logging.disable_progress_bar()
    folder = convert_original_checkpoint(args.checkpoint, args.output)
    print(f"{folder}: a PersonGenerationPipeline; the weights are the authors' and carry no licence")
    return 0


def _template(args: argparse.Namespace) -> int:
    from .video import check_writable

    check_writable(args.output)
    if not args.output.endswith(".safetensors"):
        raise ValueError(f"The output is {args.output!r}, expected a name that ends in .safetensors.")
    _check_files((), (args.clip,))
    template = _body_template(args) if args.body else _face_template(args)
    template.save(args.output)
    missing, what = int((~template.coefficients.valid).sum()), "person" if args.body else "face"
    print(
        f"{args.output}: {len(template.coefficients)} frames at {template.fps:g} frames/s, {missing} without a {what}"
    )
    return 0


def _face_template(args: argparse.Namespace) -> Any:
    pipe, landmarker = _load(args)
    return pipe.motion_template(args.clip, driving_face=args.driving_face, landmarker=landmarker)


def _body_template(args: argparse.Namespace) -> Any:
    from .pipelines.pipeline_pose_transfer import PoseTransferPipeline
    from .processing.backends import open_body_detector

    args.model = "bundled/person" if args.model == "bundled/face" else args.model
    detector = open_body_detector(args.detector) if args.detector else None
    pipe = _load_pipeline(args, PoseTransferPipeline)
    return pipe.motion_template(args.clip, driving_person=args.driving_face, detector=detector)


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
