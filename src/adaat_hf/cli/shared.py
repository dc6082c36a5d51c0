"""What the commands share: options, loading, checks and the report."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_model_options(command: argparse.ArgumentParser) -> None:
    """Add `--landmarker`, `--model` and `--device`."""
    command.add_argument(
        "--landmarker", help="other landmark detector: mediapipe:FILE, mediapipe:official or mediapipe:hub:ORG/NAME"
    )
    add_model_and_device(command, "bundled/face")


def add_model_and_device(command: argparse.ArgumentParser, default: str) -> None:
    """Add `--model`, `--device`, `--backend` and `--fast`."""
    command.add_argument("--model", default=default, help=f"Hub id, folder, or {default} (default)")
    command.add_argument("--device", help="cpu, cuda, mps, ... (default: the best one there is)")
    command.add_argument(
        "--backend", default="auto", help="what paints: torch, openvino or onnxruntime (default: auto)"
    )
    command.add_argument(
        "--fast",
        action="store_true",
        help="paint in 16 bits where a probe shows no visible change and they are faster",
    )


def add_video_output(command: argparse.ArgumentParser, subject: str) -> None:
    """Add the options of commands that write a video."""
    command.add_argument(
        "--crop-only", action="store_true", help=f"write the {subject} crop, not the whole photograph"
    )
    command.add_argument("--max-size", type=int, default=1280, help="longer side of the output (1280)")
    command.add_argument(
        "--batch-size", type=int, help="frames painted at once (as many as are fast and fit into memory)"
    )
    command.add_argument("--sheet", help="also write a contact sheet of the frames to this picture")
    add_mark_option(command)


def add_mark_option(command: argparse.ArgumentParser) -> None:
    """Add the switch for the marks of synthetic media."""
    command.add_argument(
        "--no-mark", dest="mark", action="store_false", help="leave out the visible label and the provenance metadata"
    )


def load(args: argparse.Namespace, kind: Any = None) -> tuple[Any, Any]:
    """The pipeline and, if one was asked for, another landmark detector."""
    from ..processing.backends import open_landmarker

    landmarker = open_landmarker(args.landmarker) if args.landmarker else None
    return load_pipeline(args, kind), landmarker


def load_pipeline(args: argparse.Namespace, kind: Any = None) -> Any:
    """The pipeline: of the given class, or of the one that its folder names."""
    from transformers.utils import logging

    from ..devices import best_device
    from ..pipelines.base import AdaATPipeline

    logging.disable_progress_bar()
    device = best_device(args.device)
    pipe = (kind or AdaATPipeline).from_pretrained(args.model, backend=args.backend).to(device)
    if args.fast:
        pipe.optimize(args.backend, dtype="auto")
    elif args.backend != "auto":
        pipe.painter()  # one that cannot paint here is told of before the work
    return pipe


def number(text: Any) -> Any:
    """A choice such as "2" as a number; others, and `None`, as they are."""
    return int(text) if text is not None and text.isdigit() else text


def check_files(outputs: Sequence[str | None], inputs: Sequence[str | None]) -> None:
    """Raise unless all outputs can be written and all inputs exist, before anything is loaded."""
    from ..video import check_writable

    for path in filter(None, outputs):
        check_writable(path)
    for path in filter(None, inputs):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path!r} does not exist.")


def report(result: Any, args: argparse.Namespace) -> int:
    """Print what was written, and write the contact sheet if one was asked for."""
    from ..evaluation.contact_sheet import contact_sheet
    from ..processing.images import save_image

    print(f"{args.output}: {result.statistics}")
    if args.sheet:
        save_image(contact_sheet(result.arrays(), result.statistics.frames), args.sheet, args.mark)
        print(f"{args.sheet}: contact sheet")
    return 0
