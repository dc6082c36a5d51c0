"""Commands about speed: `adaat export` and `adaat doctor`."""

import argparse
from typing import Any

from .shared import add_model_and_device, load_pipeline


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_export(commands)
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


def _export(args: argparse.Namespace) -> int:
    from ..inference.export_pipeline import export_pipeline
    from ..inference.graph import GraphSize
    from ..pipelines.calibration import calibration_inputs

    sizes = [GraphSize(args.sources, height, width) for width, height in map(_size, args.size)]
    calibration = None
    if args.int8:
        args.device, args.backend = "cpu", "torch"
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

    print(diagnose(args.model, args.device, args.backend))
    return 0
