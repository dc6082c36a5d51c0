"""`adaat prepare` and `adaat verify`."""

import argparse
from pathlib import Path
from typing import Any

from ..preparation.catalogue import CATALOGUE


def add_commands(commands: Any) -> None:
    """Add the commands about training data."""
    command = commands.add_parser("prepare", help="turn a data set's files into shards for training")
    command.add_argument(
        "dataset", choices=tuple(CATALOGUE), help="whose published layout the files have; clips: your own"
    )
    command.add_argument(
        "--input", type=Path, required=True, help="folder with the files and the data set's own lists"
    )
    command.add_argument(
        "--output", type=Path, required=True, help="folder for the shards; one that was begun is gone on with"
    )
    command.add_argument("--metadata", type=Path, help="VoxCeleb's csv, if it is not in the folder")
    command.add_argument(
        "--index", type=Path, help="csv of your own clips: file, and perhaps split, subject, licence, ..."
    )
    command.add_argument("--kind", choices=("face", "person"), default=None, help="what is in your own clips (face)")
    command.add_argument(
        "--size", type=int, nargs="+", metavar="PIXELS", help="side, or height and width (as published)"
    )
    command.add_argument("--detector", default="", help="'mediapipe:FILE' or a detector's folder (the bundled one)")
    command.add_argument("--control-model", default="", help="folder of the face or body model (the bundled one)")
    command.add_argument(
        "--no-crop", action="store_true", help="your own clips are framed already: keep the frames' middle"
    )
    command.add_argument("--max-frames", type=int, default=250, help="longer clips are divided (250)")
    command.add_argument("--shard-frames", type=int, default=10_000, help="frames per shard, about (10000)")
    command.add_argument("--workers", type=int, default=0, help="processes; 0 for one per core (0)")
    command.add_argument(
        "--ray", metavar="ADDRESS", help="use a Ray cluster: auto, or HOST:PORT of `ray start --head`"
    )
    command.set_defaults(run=_prepare)
    command = commands.add_parser("verify", help="read prepared shards again and check them")
    command.add_argument("folder", type=Path, help="output of adaat prepare")
    command.add_argument("--sheet", type=Path, help="picture of a frame of many clips (FOLDER/contact_sheet.jpg)")
    command.add_argument("--check-only", action="store_true", help="change nothing: leave broken clips where they are")
    command.add_argument("--workers", type=int, default=0, help="processes; 0 for one per core (0)")
    command.set_defaults(run=_verify)


def _prepare(args: argparse.Namespace) -> int:
    from ..preparation.prepare import list_dataset, prepare_dataset
    from ..preparation.settings import PreparationSettings

    facts = CATALOGUE[args.dataset]
    if args.dataset != "clips" and (args.kind or args.index or args.no_crop):
        raise ValueError(f"--kind, --index and --no-crop are for clips of your own, not for {args.dataset!r}.")
    kind = args.kind or facts.kind
    settings = PreparationSettings(
        kind,
        _size(args.size, (256, 176) if (args.dataset, kind) == ("clips", "person") else facts.size),
        args.detector,
        args.control_model,
        # iPER's frames are cut as published unless another form is asked for.
        crop=not args.no_crop and (args.dataset != "iper" or args.size is not None),
        max_frames=args.max_frames,
    )
    listing = list_dataset(args.dataset, args.input, settings, args.metadata, args.index)
    report = prepare_dataset(
        args.dataset,
        listing,
        args.output,
        settings,
        workers=args.workers,
        ray=args.ray,
        shard_frames=args.shard_frames,
    )
    print(report)
    print(f"{args.output}/left_out.csv says what is missing or was left out, and why.")
    return 0


def _size(given: list[int] | None, published: tuple[int, int]) -> tuple[int, int]:
    if given is None:
        return published
    if len(given) > 2:
        raise ValueError(f"--size has {len(given)} numbers, expected the side, or height and width.")
    return given[0], given[-1]


def _verify(args: argparse.Namespace) -> int:
    from ..preparation.verification import verify_dataset

    report = verify_dataset(args.folder, sheet=args.sheet, check_only=args.check_only, workers=args.workers)
    print(report)
    return 0 if report.sound else 1
