"""Write a pipeline folder whose networks other runtimes can run (`adaat export`)."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from torch import Tensor

from ..bundled import bundled_path
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..models.modeling_motion import AdaATMotionModel
from .exporting import Exported
from .files import SUFFIXES, graph_name, weights_digest, write_list
from .graph import GraphSize, PaintGraph
from .graph_networks import export_landmarker, export_motion_model, exportable
from .graph_painter import export_painting
from .plan import InferencePlan
from .quantization import quantize
from .runtimes import Runtime, as_arrays, open_runtime


# Formats by the name that the command takes, and the runtime that reads them.
FORMATS = {"onnx": "onnxruntime", "openvino": "openvino"}
# Largest difference of pictures in [0, 1] (or landmarks in [-1, 1]) between PyTorch and a graph in 32 bits.
TOLERANCE = 1e-4
COMPONENTS: dict[str, tuple[Any, Callable[[Any], dict[str, Exported]]]] = {
    "landmarker": (AdaATLandmarker, export_landmarker),
    "body_landmarker": (AdaATLandmarker, export_landmarker),
    "motion_model": (AdaATMotionModel, export_motion_model),
}


class ExportError(RuntimeError):
    """An exported network does not do what the original does."""


@dataclass(frozen=True)
class ExportReport:
    """
    What was exported.

    Args:
        folder (`Path`): The pipeline folder.
        differences (`dict[str, float]`): Largest difference from PyTorch by graph, before it was quantised.
    """

    folder: Path
    differences: dict[str, float]


def export_pipeline(
    model: str | Path,
    output: str | Path,
    format: str,
    sizes: Sequence[GraphSize] = (),
    calibration: Sequence[dict[str, np.ndarray]] | None = None,
    progress: Callable[[str], Any] | None = None,
) -> ExportReport:
    """Copy a pipeline and add graphs of its networks; each is run and compared with PyTorch before the folder gets its name.

    Motion models with a speech encoder stay in PyTorch.

    Args:
        model (`str` or `Path`): Hub id, folder, or `"bundled/<name>"`.
        output (`str` or `Path`): The folder to make.
        format (`str`): `"onnx"` or `"openvino"`.
        sizes (`Sequence[GraphSize]`, *optional*): For which pictures to export the painting; the image processor's size by default.
        calibration (`Sequence[dict]`, *optional*): Arguments of the painting ([`PaintGraph`]) as they occur, for 8-bit weights and
            activations (`"openvino"` only).
        progress (`Callable`, *optional*): Called with the name of each graph before it is made.

    Raises:
        ValueError: if the format is unknown or the folder is no pipeline.
        FileExistsError: if the output exists and is not empty.
        ExportError: if a graph differs from PyTorch by more than 1e-4.
    """
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}, expected one of {sorted(FORMATS)}.")
    if calibration is not None and format != "openvino":
        raise ValueError(f"8-bit export needs format 'openvino', but format is {format!r}.")
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{str(output)!r} exists and is not empty.")
    folder = local_folder(model)
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    sizes = sizes or [_usual_size(folder)]
    backend = FORMATS[format]
    runtime = open_runtime(backend)
    partial = output.with_name(f".{output.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(folder, partial)
        (partial / backend).mkdir()
        writer = _Writer(partial / backend, runtime, progress or (lambda name: None))
        content: dict[str, Any] = {}
        for name, (kind, export) in COMPONENTS.items():
            if index.get(name, [None])[0] is not None:
                network = kind.from_pretrained(folder, subfolder=name, dtype=torch.float32).eval()
                if not exportable(network):
                    writer.progress(f"{name} stays in PyTorch, since it has a speech encoder")
                    continue
                content[name] = {"weights": weights_digest(network), "graphs": writer.network(name, export(network))}
        generator = AdaATGenerator.from_pretrained(folder, subfolder="generator", dtype=torch.float32).eval()
        for size in sizes:
            writer.painting(generator, size, calibration)
        precision = "float32" if calibration is None else "int8"
        content["painting"] = {
            "weights": weights_digest(generator), "precision": precision,
            "sizes": [asdict(size) for size in sizes],
        }  # fmt: skip
        write_list(partial, backend, content)
        if output.exists():
            output.rmdir()
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ExportReport(output, writer.differences)


def local_folder(model: str | Path) -> Path:
    """A pipeline's folder on this machine; it is downloaded if it is on the Hub.

    Raises:
        ValueError: if it has no `model_index.json`.
    """
    folder = bundled_path(model) or Path(model)
    if not folder.is_dir():
        folder = Path(snapshot_download(str(model)))
    if not (folder / "model_index.json").is_file():
        raise ValueError(f"{str(model)!r} is no pipeline: it has no model_index.json.")
    return folder


def _usual_size(folder: Path) -> GraphSize:
    path = folder / "image_processor" / "preprocessor_config.json"
    size = json.loads(path.read_text(encoding="utf-8"))["size"]
    return GraphSize(1, size["height"], size["width"])


class _Writer:
    """Writes graphs and compares them with PyTorch."""

    def __init__(self, folder: Path, runtime: Runtime, progress: Callable[[str], Any]) -> None:
        self.folder, self.runtime, self.progress = folder, runtime, progress
        self.differences: dict[str, float] = {}

    def network(self, component: str, graphs: dict[str, Exported]) -> list[str]:
        for name, exported in graphs.items():
            self.progress(f"{component} {name}")
            file = self._save(f"{component}_{name}", exported)
            example = exported.example()
            self._compare(file, example, exported.program.module()(*example.values()), exported.outputs)
        return list(graphs)

    def painting(
        self, generator: AdaATGenerator, size: GraphSize, calibration: Sequence[dict[str, np.ndarray]] | None
    ) -> None:
        name = graph_name(size)
        self.progress(name)
        graph = PaintGraph(InferencePlan(generator), size.sources)
        example = graph.example(size)
        with torch.no_grad():
            wanted = graph(*example.values())
        file = self._save(name, export_painting(graph, example))
        self._compare(file, example, wanted, graph.outputs)
        if calibration is not None:
            self.progress(f"{name} in 8 bits")
            quantize(file, calibration)

    def _save(self, name: str, exported: Exported) -> Path:
        file = self.folder / f"{name}{SUFFIXES[self.runtime.name]}"
        self.runtime.save(exported, file)
        return file

    def _compare(
        self, file: Path, example: dict[str, Tensor], wanted: tuple[Tensor, ...], names: Sequence[str]
    ) -> None:
        found = self.runtime.load(file)(as_arrays(example))
        for name, one, other in zip(names, found, wanted, strict=True):
            difference = float(np.abs(one - other.detach().numpy()).max())
            self.differences[f"{file.stem} {name}"] = difference
            if not difference <= TOLERANCE * max(1.0, float(other.detach().abs().max())):
                raise ExportError(f"{name!r} of {file.name} differs from PyTorch by {difference:.2g}.")


__all__ = ["FORMATS", "ExportError", "ExportReport", "export_pipeline", "local_folder"]
