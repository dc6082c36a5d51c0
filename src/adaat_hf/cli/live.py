"""`adaat live`."""

import argparse
from contextlib import ExitStack
from typing import Any

from .shared import add_mark_option, add_model_options, check_files, load


def add_commands(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("live", help="animate a photograph by a camera, a stream or a file, as it happens")
    command.add_argument("--source", required=True, help="photograph of a face")
    command.add_argument(
        "--driving",
        default="0",
        metavar="ADDRESS",
        help="camera (number or /dev/video0), stream (rtsp://, ...), or video (0)",
    )
    command.add_argument("--fps", type=float, default=25.0, help="frames shown per second (25)")
    command.add_argument(
        "--seconds", type=float, help="stop after this time (default: when the driver ends, or Ctrl-C)"
    )
    command.add_argument("-o", "--output", help="mp4 to write")
    command.add_argument(
        "--port", type=int, default=7870, help="where the page in the browser is shown, on this machine (7870; 0: any)"
    )
    command.add_argument("--no-page", dest="page", action="store_false", help="show no page")
    command.add_argument("--virtual-camera", action="store_true", help="also show it as a camera, for video calls")
    command.add_argument("--control", choices=("both", "expression", "pose"), default="both")
    command.add_argument("--size", type=int, help="side of the painted face: smaller is faster (the model's own)")
    command.add_argument("--crop-only", action="store_true", help="show the face crop, not the whole photograph")
    command.add_argument("--max-size", type=int, default=720, help="longer side of what is shown (720)")
    add_mark_option(command)
    add_model_options(command)
    command.set_defaults(run=_live)


def _live(args: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    from ..live import LiveCapture, LiveSession, LiveStatistics
    from ..live.capture import names_a_file

    check_files((args.output,), (args.source, args.driving if names_a_file(args.driving) else None))
    _check_options(args)
    animator = _animator(args)
    with ExitStack() as stack:
        capture = stack.enter_context(LiveCapture(args.driving))
        outputs = [stack.enter_context(output) for output in _outputs(args, *animator.size)]
        bar = stack.enter_context(tqdm(unit="frame", desc=f"live on {animator.pipe.device}"))

        def show(found: LiveStatistics) -> None:
            bar.set_postfix_str(str(found), refresh=False)
            bar.update()

        found = LiveSession(animator, capture, outputs, args.fps).run(args.seconds, show)
    print(f"{found.shown} frames shown at {args.fps:g} frames/s, {found.painted} painted: {found}")
    if args.output:
        print(args.output)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    from ..video import MAX_FPS

    if not 0 < args.fps <= MAX_FPS:
        raise ValueError(f"The frame rate is {args.fps:g}, expected more than 0 and at most {MAX_FPS}.")
    if args.seconds is not None and not args.seconds > 0:
        raise ValueError(f"seconds is {args.seconds:g}, expected more than 0.")
    if not (args.page or args.output or args.virtual_camera):
        raise ValueError("With --no-page there is nowhere to show anything: give --output or --virtual-camera.")


def _animator(args: argparse.Namespace) -> Any:
    from ..control.fitting import FaceFitter
    from ..live import LiveAnimator
    from ..pipelines.face_animation import check_side
    from ..pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
    from ..pipelines.sources import read_source

    pipe, landmarker = load(args, FaceReenactmentPipeline)
    side = check_side(args.size or pipe.size)
    landmarker = landmarker or pipe.own_landmarker()
    photo = read_source(args.source, landmarker, FaceFitter(pipe.face_model), side, max_size=args.max_size)
    return LiveAnimator(pipe, photo, landmarker, control=args.control, crop_only=args.crop_only)


def _outputs(args: argparse.Namespace, height: int, width: int) -> list[Any]:
    from ..live import CameraOutput, PageOutput, VideoOutput

    outputs: list[Any] = []
    if args.virtual_camera:
        outputs.append(CameraOutput(args.fps, height, width, args.mark))
        print(f"virtual camera: {outputs[-1].address}")
    if args.page:
        outputs.append(PageOutput(args.port, args.mark))
        print(f"open {outputs[-1].address} in a browser; Ctrl-C ends", flush=True)
    if args.output:
        outputs.append(VideoOutput(args.output, args.fps, height, width, args.mark))
    return outputs
