"""What a benchmark found, as a table and as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..atomic import write_text
from ..doctor import package_version
from ..models.operator import operator_kernel


COLUMNS = (
    "part",
    "what",
    "size",
    "batch",
    "frames",
    "dtype",
    "ms/frame",
    "frames/s",
    "x reference",
    "of network",
    "peak MB",
)
PACKAGES = ("adaat-hf", "torch", "openvino", "onnxruntime", "nncf", "av")


@dataclass(frozen=True)
class Row:
    """
    One measurement.

    Args:
        part (`str`): `"operator"`, `"network"`, `"scaling"`, `"pipeline"`, `"length"` or `"peer"`, and of what.
        what (`str`): What was run.
        size (`str`): Width and height in pixels, or shape of the feature.
        seconds (`float`): Per frame.
        batch, frames (`int`, *optional*): Frames at a time, and in the clip.
        dtype (`str`): Type of the numbers.
        ratio (`float`, *optional*): How many times as fast as the restated released code in the same run.
        share (`float`, *optional*): Speed as a share of the network's alone.
        peak_bytes (`int`, *optional*): Memory beyond that before.
    """

    part: str
    what: str
    size: str
    seconds: float
    batch: int | None = None
    frames: int | None = None
    dtype: str = "float32"
    ratio: float | None = None
    share: float | None = None
    peak_bytes: int | None = None

    def cells(self) -> list[str]:
        """The row of the table, in the order of `COLUMNS`."""
        return [
            self.part, self.what, self.size, _text(self.batch), _text(self.frames), self.dtype,
            f"{1e3 * self.seconds:.1f}", f"{1 / self.seconds:.2f}",
            "" if self.ratio is None else f"{self.ratio:.2f}", "" if self.share is None else f"{self.share:.0%}",
            "" if self.peak_bytes is None else f"{self.peak_bytes / 1e6:.0f}",
        ]  # fmt: skip


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


@dataclass
class Report:
    """
    All measurements of one run.

    Args:
        machine (`dict`): Device, processor, threads, versions.
        rows (`list[Row]`): In the order in which they were taken.
    """

    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    def table(self) -> str:
        """Markdown, with a line about the machine above it."""
        about = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        return f"{about}\n\n{markdown_table(COLUMNS, [row.cells() for row in self.rows])}"

    def save(self, path: str | Path) -> Path:
        """Write JSON: `machine` and `rows`, with the names of [`Row`]'s arguments."""
        content = {"machine": self.machine, "rows": [asdict(row) for row in self.rows]}
        return write_text(Path(path), json.dumps(content, indent=2))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned in plain text too."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(header))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]])


def about_machine(device: torch.device) -> dict[str, Any]:
    """What a reader must know to compare with other machines."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    found = {package: package_version(package) for package in PACKAGES}
    return {
        "device": f"{device} ({name})",
        "operator": operator_kernel(device),
        "threads": torch.get_num_threads(),
        **{package: text for package, text in found.items() if text},
    }


def _processor() -> str:
    cores, abilities = os.cpu_count(), torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()}, {cores} cores, {abilities}{_dot_products()}"


def _dot_products() -> str:
    """Whether the processor multiplies 8-bit numbers natively, on which the speed of 8-bit networks depends."""
    able = getattr(torch.cpu, "_is_vnni_supported", None)
    return "" if able is None else ", VNNI" if able() else ", no VNNI"


__all__ = ["Report", "Row", "about_machine", "markdown_table"]
