"""`adaat reenact` and `adaat talk`."""

import argparse
from typing import Any

from .shared import add_model_options, add_video_output, check_files, load, number, report


GROUPS = ("eyes", "brows", "mouth", "head")


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_reenact(commands)
    _add_talk(commands)


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
    add_model_options(command)
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
    add_model_options(command)
    command.set_defaults(run=_talk)


def _add_strengths(command: argparse.ArgumentParser) -> None:
    for group in GROUPS:
        command.add_argument(f"--{group}", type=float, default=1.0, metavar="X", help=f"strength of the {group} (1)")


def _add_face_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--source-face", default="largest", help="largest, all, or a number from 0")
    add_video_output(command, "face")


def _face_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments that the commands for faces share."""
    return {
        "strengths": {group: getattr(args, group) for group in GROUPS},
        "source_face": number(args.source_face),
        **{name: getattr(args, name) for name in ("crop_only", "max_size", "fps", "batch_size", "output", "mark")},
    }


def _talk(args: argparse.Namespace) -> int:
    from ..pipelines.pipeline_talking_face import HEAD_MOTIONS, TalkingFacePipeline

    driver = None if args.head_motion in HEAD_MOTIONS else args.head_motion
    check_files((args.output, args.sheet), (args.source, args.audio, args.performance, driver))
    pipe, landmarker = load(args, TalkingFacePipeline)
    result = pipe(
        args.source, args.audio, text=args.text, voice=args.voice, performance=args.performance, emotion=args.emotion,
        emotion_strength=args.emotion_strength, head_motion=args.head_motion, seed=args.seed, size=args.size,
        landmarker=landmarker, **_face_settings(args),
    )  # fmt: skip
    return report(result, args)


def _reenact(args: argparse.Namespace) -> int:
    check_files((args.output, args.sheet), (args.source, args.driving))
    pipe, landmarker = load(args)
    result = pipe(
        args.source, args.driving, control=args.control, motion=args.motion,
        reference=args.reference, driving_face=args.driving_face, frame_policy=args.frame_policy,
        landmarker=landmarker, **_face_settings(args),
    )  # fmt: skip
    return report(result, args)
