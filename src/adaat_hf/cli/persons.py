"""`adaat person` and `adaat pose`."""

import argparse
from pathlib import Path
from typing import Any

from .shared import add_mark_option, add_model_and_device, add_video_output, check_files, load_pipeline, number, report


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_person(commands)
    _add_pose(commands)


def _add_person(commands: Any) -> None:
    command = commands.add_parser("person", help="show a photographed person in another pose")
    _add_source_person(command)
    command.add_argument(
        "--pose",
        required=True,
        nargs="+",
        action="extend",
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
    command.add_argument("--batch-size", type=int, help="poses painted at once (as many as are fast and fit)")
    add_mark_option(command)
    add_model_and_device(command, "bundled/person")
    command.set_defaults(run=_person)


def _add_source_person(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--source",
        required=True,
        nargs="+",
        action="extend",
        help="photograph of a person, or several of the same person",
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
    add_video_output(command, "person")
    add_model_and_device(command, "bundled/person")
    command.set_defaults(run=_pose)


def _person(args: argparse.Namespace) -> int:
    from ..pipelines.pipeline_person_generation import PersonGenerationPipeline
    from ..processing.backends import open_body_detector
    from ..processing.images import check_image_name

    for path in filter(None, (args.output, args.grid)):
        check_image_name(path)
    for path in [*args.source, *args.pose, *filter(None, [args.source_pose])]:
        if not Path(path).exists():
            raise FileNotFoundError(f"{path!r} does not exist.")
    detector = open_body_detector(args.detector) if args.detector else None
    pipe = load_pipeline(args)
    if not isinstance(pipe, PersonGenerationPipeline):
        raise ValueError(f"{args.model!r} is a {type(pipe).__name__}, expected a PersonGenerationPipeline.")
    height, width = args.size or (None, None)
    result: Any = pipe(
        args.source, args.pose, fit=args.fit, person=number(args.person), pose_person=number(args.pose_person),
        source_pose=args.source_pose, crop=False if args.no_crop else None, height=height, width=width,
        detector=detector, batch_size=args.batch_size, mark=args.mark,
    )  # fmt: skip
    for path in result.save(args.output):
        print(f"{path}: {result.images[0].width}x{result.images[0].height}")
    if args.grid:
        result.save_grid(args.grid)
        print(f"{args.grid}: sources, poses and results")
    return 0


def _pose(args: argparse.Namespace) -> int:
    from ..pipelines.pipeline_pose_transfer import PoseTransferPipeline
    from ..processing.backends import open_body_detector

    check_files((args.output, args.sheet), (*args.source, args.driving, args.source_pose))
    detector = open_body_detector(args.detector) if args.detector else None
    pipe = load_pipeline(args, PoseTransferPipeline)
    settings = (
        "placement", "reference", "driving_person", "source_pose", "frame_policy", "fps", "height", "crop_only",
        "max_size", "batch_size", "output", "mark",
    )  # fmt: skip
    result = pipe(
        args.source, args.driving, swap=not args.no_swap, person=number(args.person), detector=detector,
        **{name: getattr(args, name) for name in settings},
    )  # fmt: skip
    return report(result, args)
