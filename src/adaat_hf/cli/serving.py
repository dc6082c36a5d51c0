"""`adaat demo` (the page in the browser), `adaat serve` (the HTTP interface) and `adaat push` (upload to the Hub)."""

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
    serve = commands.add_parser("serve", help="answer HTTP requests for the four tasks (OpenAPI at /docs)")
    _add_models(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)")
    serve.add_argument("--port", type=int, default=8000, help="port (8000)")
    serve.add_argument("--max-seconds", type=float, default=60.0, metavar="S", help="longest clip or sound (60)")
    serve.add_argument("--max-megabytes", type=int, default=200, metavar="MB", help="largest request (200)")
    serve.add_argument("--max-run-seconds", type=float, default=600.0, metavar="S", help="longest request (600)")
    serve.add_argument("--queue", type=int, default=20, metavar="N", help="requests that may wait (20)")
    serve.set_defaults(run=_serve)
    _add_push(commands)


def _add_push(commands: Any) -> None:
    command = commands.add_parser("push", help="upload a pipeline folder to the Hub, with card and entry files")
    command.add_argument("folder", help="pipeline folder, or bundled/<name>")
    command.add_argument("repository", help="organisation/name; made if it does not exist")
    command.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    command.add_argument("--revision", help="branch (main); made if it does not exist")
    command.add_argument("--message", help="commit message")
    command.add_argument("--fp16", action="store_true", help="add a variant with 16-bit weights")
    command.add_argument("--licence", metavar="NAME", help="write a new card with this licence, such as cc-by-nc-4.0")
    command.add_argument(
        "--scores", metavar="FILE", help="write a new card with scores of an evaluation script (json)"
    )
    command.add_argument(
        "--scored-on", default="held-out data", metavar="DATA", help="what the scores were measured on"
    )
    command.add_argument("--notes", metavar="FILE", help="Markdown on data and training for the new card")
    command.set_defaults(run=_push)


def _add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument("--face", default="bundled/face", help="model for faces: Hub id or folder (bundled/face)")
    command.add_argument("--person", default="bundled/person", help="model for persons (bundled/person)")
    command.add_argument("--device", help="cpu, cuda, mps, ... (default: the best one there is)")
    command.add_argument("--landmarker", help="other landmark detector: mediapipe:FILE, mediapipe:official, ...")
    command.add_argument("--detector", help="other body detector: mediapipe:FILE or vitpose[:MODEL]")


def _demo(args: argparse.Namespace) -> int:
    from transformers.utils import logging

    try:
        from ..app import ServingLimits, Studio, build_app, launch_app
    except ImportError as error:
        raise ImportError(f'The page needs gradio: pip install "adaat-hf[demo]" ({error}).') from error
    logging.disable_progress_bar()
    settings = ServingLimits(max_seconds=args.max_seconds)
    studio = Studio.load(args.face, args.person, args.device, args.landmarker, args.detector)
    launch_app(
        build_app(studio, settings), settings, server_name=args.host, server_port=args.port,
        inbrowser=not args.no_browser,
    )  # fmt: skip
    return 0


def _serve(args: argparse.Namespace) -> int:
    from transformers.utils import logging

    try:
        import uvicorn

        from ..server import build_api
    except (ImportError, RuntimeError) as error:
        raise ImportError(f'The service needs fastapi: pip install "adaat-hf[serve]" ({error}).') from error
    from ..serving import ServingLimits, Studio

    logging.disable_progress_bar()
    limits = ServingLimits(
        max_seconds=args.max_seconds, max_upload_megabytes=args.max_megabytes, max_run_seconds=args.max_run_seconds,
        queue_size=args.queue,
    )  # fmt: skip
    studio = Studio.load(args.face, args.person, args.device, args.landmarker, args.detector)
    uvicorn.run(build_api(studio, limits), host=args.host, port=args.port)
    return 0


def _push(args: argparse.Namespace) -> int:
    """The token comes from `hf auth login` or HF_TOKEN, never from the command line, where others could read it."""
    from ..hub.publishing import publish

    address = publish(
        args.folder, args.repository, private=args.private, revision=args.revision, message=args.message,
        fp16=args.fp16, card=_new_card(args),
    )  # fmt: skip
    print(address)
    return 0


def _new_card(args: argparse.Namespace) -> str | None:
    if not (args.licence or args.scores or args.notes):
        return None
    import json
    from pathlib import Path

    from ..bundled import bundled_path
    from ..hub.cards import card_text, make_card, read_scores

    index = (bundled_path(args.folder) or Path(args.folder)) / "model_index.json"
    notes = Path(args.notes).read_text(encoding="utf-8") if args.notes else ""
    card = make_card(
        json.loads(index.read_text(encoding="utf-8"))["_class_name"], args.repository, licence=args.licence,
        scores=read_scores(args.scores) if args.scores else None, training=notes, dataset=args.scored_on,
    )  # fmt: skip
    return card_text(card)
