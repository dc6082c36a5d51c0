"""`adaat demo`: the page in the browser."""

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    command = commands.add_parser("demo", help="show the page with all four tasks in the browser, on this machine")
    _add_models(command)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)")
    command.add_argument("--port", type=int, help="port (the first free one from 7860)")
    command.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    command.add_argument("--max-seconds", type=float, default=60.0, metavar="S", help="longest clip or sound (60)")
    command.set_defaults(run=_demo)


def _add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument("--face", default="bundled/face", help="model for faces: Hub id or folder (bundled/face)")
    command.add_argument("--person", default="bundled/person", help="model for persons (bundled/person)")
    command.add_argument("--device", help="cpu, cuda, mps, ... (default: the best one there is)")
    command.add_argument("--landmarker", help="other landmark detector: mediapipe:FILE, mediapipe:official, ...")
    command.add_argument("--detector", help="other body detector: mediapipe:FILE or vitpose[:MODEL]")


def _demo(args: argparse.Namespace) -> int:
    from transformers.utils import logging

    try:
        from ..app import AppSettings, Studio, build_app, launch_app
    except ImportError as error:
        raise ImportError(f'The page needs gradio: pip install "adaat-hf[demo]" ({error}).') from error
    logging.disable_progress_bar()
    settings = AppSettings(max_seconds=args.max_seconds)
    studio = Studio.load(args.face, args.person, args.device, args.landmarker, args.detector)
    launch_app(
        build_app(studio, settings), settings, server_name=args.host, server_port=args.port,
        inbrowser=not args.no_browser,
    )  # fmt: skip
    return 0
