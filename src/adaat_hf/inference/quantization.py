"""8-bit weights and activations for OpenVINO, by NNCF."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .openvino_core import openvino_core


def quantize(file: Path, calibration: Sequence[dict[str, np.ndarray]]) -> None:
    """Replace an OpenVINO graph by one in 8 bits.

    Convolutions are quantised. Matrix products stay in 32 bits: they are those of key points, heat maps and the operator's
    parameters, whose errors would move features about, and they are a hundredth of the work.

    Args:
        file (`Path`): The graph (`.xml`), with its weights beside it.
        calibration (`Sequence[dict[str, np.ndarray]]`): Inputs as they occur, from which the ranges of activations are read.

    Raises:
        ImportError: if NNCF is missing.
        ValueError: if there is no input.
    """
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise ImportError("8-bit export needs NNCF: pip install 'adaat-hf[openvino]'.") from error
    nncf.set_log_level(logging.ERROR)
    if not calibration:
        raise ValueError("Calibration needs at least one input.")
    quantized = nncf.quantize(
        openvino_core().read_model(str(file)),
        nncf.Dataset(list(calibration)),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(types=["MatMul"]),
    )
    partial = file.with_name(f"{file.stem}_int8.xml")
    openvino.save_model(quantized, str(partial), compress_to_fp16=False)
    for suffix in (".bin", ".xml"):
        partial.with_suffix(suffix).replace(file.with_suffix(suffix))


__all__ = ["quantize"]
