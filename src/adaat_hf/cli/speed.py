"""Commands about speed: `adaat export`, `adaat benchmark` and `adaat doctor`."""

import argparse
import sys
from typing import Any

from .shared import add_model_and_device, check_files, load_pipeline


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_export(commands)
    _add_benchmark(commands)
    doctor = commands.add_parser("doctor", help="show device, versions, backend and speed")
    add_model_and_device(doctor, "bundled/face")
    doctor.set_defaults(run=_doctor)


def _add_export(commands: Any) -> None:
    command = commands.add_parser("export", help="copy a pipeline with graphs for OpenVINO or ONNX Runtime")
    command.add_argument("--model", default="bundled/face", help="Hub id, folder, or bundled/face (default)")
    command.add_argument("--format", required=True, choices=("onnx", "openvino"), help="format of the graphs")
    command.add_argument("-o", "--output", required=True, help="pipeline folder to make")
    command.add_argument(
        "--size", action="append", default=[], metavar="WxH", help="size of painted pictures (the model's own); repeat"
    )
    command.add_argument("--sources", type=int, default=1, metavar="N", help="number of source pictures (1)")
    command.add_argument(
        "--int8", metavar="CLIPS", help="8-bit weights and activations, with their ranges from this folder of videos"
    )
    command.add_argument("--samples", type=int, default=64, metavar="N", help="poses taken for --int8 (64)")
    command.set_defaults(run=_export)


def _add_benchmark(commands: Any) -> None:
    command = commands.add_parser(
        "benchmark", help="measure operator, networks and pipelines against the released way, in one table"
    )
    command.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help="pipeline, or preset with random weights; repeat (paper-face and bundled/face)",
    )  # fmt: skip
    command.add_argument(
        "--part", action="append", default=[], help="operator, network, scaling, pipeline; repeat (all)"
    )
    command.add_argument("--device", help="cpu, cuda, mps, ... (default: the best one there is)")
    command.add_argument("--backend", default="auto", help="what paints in the pipelines (auto)")
    command.add_argument("--batch", type=int, default=1, help="frames at a time where networks are compared (1)")
    command.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N", help="of the scaling")
    command.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512], metavar="PX", help="of the scaling")
    command.add_argument("--frames", type=int, default=100, help="frames of the driver (100)")
    command.add_argument(
        "--lengths", type=int, nargs="+", default=[], metavar="N", help="compare time and memory of drivers this long"
    )
    command.add_argument("--repeats", type=int, default=3, help="runs, of which the fastest counts (3)")
    command.add_argument("--compile", action="store_true", help="measure torch.compile too")
    command.add_argument("--source", help="photograph (default: a bundled one)")
    command.add_argument("--driving", help="driving video (default: made by numbers)")
    command.add_argument(
        "--peer", action="append", default=[], metavar="NAME=COMMAND",
        help="another program, such as 'liveportrait=python inference.py -s {source} -d {driving} -o {output}'; repeat",
    )  # fmt: skip
    command.add_argument("--json", metavar="FILE", help="also write the rows to this file")
    command.set_defaults(run=_benchmark)


def _benchmark(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..benchmark import PARTS, BenchmarkOptions, run_benchmark
    from ..benchmark.files import Clip

    check_files((args.json,), ())
    if (args.source is None) != (args.driving is None):
        raise ValueError("Expected --source and --driving together, or neither.")
    options = BenchmarkOptions(
        tuple(args.model) or BenchmarkOptions.models, tuple(args.part) or PARTS, args.device, args.backend, args.batch,
        tuple(args.batches), tuple(args.sizes), args.frames, tuple(args.lengths), args.repeats, args.compile,
        Clip(Path(args.source), Path(args.driving)) if args.source else None, dict(map(_peer, args.peer)),
    )  # fmt: skip
    report = run_benchmark(options, lambda row: print(f"{row.part}: {row.what} ...", file=sys.stderr))
    print(report.table())
    if args.json:
        print(f"\n{report.save(args.json)}")
    return 0


def _peer(text: str) -> tuple[str, str]:
    name, given, command = text.partition("=")
    if not (name and given and command and "{output}" in command):
        raise ValueError(f"The peer is {text!r}, expected NAME=COMMAND with {{source}}, {{driving}} and {{output}}.")
    return name, command


def _export(args: argparse.Namespace) -> int:
    from ..inference.export_pipeline import export_pipeline
    from ..inference.graph import GraphSize
    from ..pipelines.calibration import calibration_inputs

    sizes = [GraphSize(args.sources, height, width) for width, height in map(_size, args.size)]
    calibration = None
    if args.int8:
        args.device, args.backend, args.fast = "cpu", "torch", False
        calibration = calibration_inputs(load_pipeline(args), args.int8, args.samples)
    report = export_pipeline(args.model, args.output, args.format, sizes, calibration, lambda name: print(name, "..."))
    for name, difference in report.differences.items():
        print(f"{name}: differs from PyTorch by at most {difference:.1e}")
    print(f"{report.folder}: a pipeline for backend={'onnxruntime' if args.format == 'onnx' else 'openvino'!r}")
    return 0


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise ValueError(f"The size is {text!r}, expected WIDTHxHEIGHT such as 192x256.")
    return int(width), int(height)


def _doctor(args: argparse.Namespace) -> int:
    from ..doctor import diagnose

    print(diagnose(args.model, args.device, args.backend, args.fast))
    return 0
