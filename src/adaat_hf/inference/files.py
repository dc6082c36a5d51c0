"""Exported graphs in a pipeline folder, and which weights they belong to."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.constants import HF_HOME
from torch import nn

from ..atomic import write_text
from .graph import GraphSize


LIST = "graphs.json"
# Exported files by runtime: the ending of the file to load.
SUFFIXES = {"openvino": ".xml", "onnxruntime": ".onnx"}
# Persons are painted at many sizes; graphs that were used longest ago are made again when they are needed.
MOST_CACHED = 12
logger = logging.getLogger(__name__)


def weights_digest(network: nn.Module) -> str:
    """Hash of a network's weights in 32 bits; graphs carry it, so that they are not used with other weights."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().to(torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def read_list(folder: Path, backend: str) -> dict[str, Any]:
    """What `graphs.json` says of the graphs for a backend; empty if there are none."""
    path = folder / backend / LIST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_list(folder: Path, backend: str, content: dict[str, Any]) -> None:
    """Write `graphs.json`."""
    write_text(folder / backend / LIST, json.dumps(content, indent=2) + "\n")


class GraphStore:
    """Graphs of a generator's painting: those that its pipeline folder holds, and a cache of those made on the way.

    Args:
        generator (`nn.Module`): Whose weights they must have.
        backend (`str`): For which runtime.
        folder (`Path`, *optional*): The pipeline folder.
    """

    def __init__(self, generator: nn.Module, backend: str, folder: Path | None) -> None:
        self.backend, self.folder = backend, folder
        self.generator, self.suffix = generator, SUFFIXES[backend]
        self.cache = Path(HF_HOME) / "adaat_hf" / "graphs"
        self.exported: dict[GraphSize, Path] = {}
        self.precision = "float32"
        painting = {} if folder is None else read_list(folder, backend).get("painting", {})
        if folder is not None and painting:
            if painting["weights"] != self.digest:
                logger.warning("The graphs in %s belong to other weights and are not used.", folder / backend)
                return
            self.precision = painting["precision"]
            for size in (GraphSize(**fields) for fields in painting["sizes"]):
                self.exported[size] = folder / backend / f"{graph_name(size)}{self.suffix}"

    @cached_property
    def digest(self) -> str:
        """See [`weights_digest`]; it takes a while, so it is made when there are graphs to compare it with."""
        return weights_digest(self.generator)

    @property
    def cached(self) -> Path:
        """Folder of the cache for these weights."""
        return self.cache / f"{self.digest}_{version('adaat-hf')}"

    def __bool__(self) -> bool:
        """Whether there is any graph."""
        return bool(self.exported) or (self.cache.is_dir() and any(self.cached.glob(f"*{self.suffix}")))

    def find(self, size: GraphSize, make: Callable[[Path], None]) -> Path:
        """The graph for a size; `make` writes it if there is none yet."""
        if size in self.exported:
            return self.exported[size]
        path = self.cached / f"{graph_name(size)}{self.suffix}"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                make(Path(folder) / path.name)
                # What belongs to the graph comes first, so that it is complete once it is there.
                for made in sorted(Path(folder).iterdir(), key=lambda made: made.suffix == self.suffix):
                    made.replace(path.parent / made.name)
            self._forget_oldest()
        path.touch()
        return path

    def _forget_oldest(self) -> None:
        kept = sorted(self.cache.glob(f"*/*{self.suffix}"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST_CACHED]:
            for part in path.parent.glob(f"{path.stem}.*"):
                part.unlink(missing_ok=True)


def component_files(store: GraphStore, name: str, component: nn.Module) -> dict[str, Path]:
    """Graphs of another component that the pipeline folder holds, by name; none if they belong to other weights."""
    listed = {} if store.folder is None else read_list(store.folder, store.backend).get(name, {})
    if store.folder is None or not listed or listed["weights"] != weights_digest(component):
        return {}
    folder = store.folder / store.backend
    return {graph: folder / f"{name}_{graph}{store.suffix}" for graph in listed["graphs"]}


def graph_name(size: GraphSize) -> str:
    """Name of the file with the painting for a size, without its ending."""
    return "painting_" + "x".join(str(value) for value in asdict(size).values())


__all__ = ["SUFFIXES", "GraphStore", "component_files", "graph_name", "read_list", "weights_digest", "write_list"]
