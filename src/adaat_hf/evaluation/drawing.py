"""Figures: rows of pictures with names, and histograms of what operators do."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image

from .transformations import REGIONS, Transformations


INCH = 1.25
BLACK = "#202020"


def picture_rows(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], columns: Sequence[str] = (), inch: float = INCH
) -> np.ndarray:
    """Rows of pictures with names on the left and above.

    Args:
        rows (`Sequence[tuple[str, Sequence[np.ndarray]]]`): Name and pictures (H, W, 3), uint8, or maps (H, W), of each row.
        columns (`Sequence[str]`, *optional*): Names of the columns.
        inch (`float`, *optional*): Width of a picture at 110 dots per inch.

    Returns:
        `np.ndarray` of shape (H, W, 3), uint8.
    """
    from matplotlib.figure import Figure

    count = max(len(pictures) for _, pictures in rows)
    height, width = rows[0][1][0].shape[:2]
    size = (inch * count + 0.3, inch * height / width * len(rows) + (0.3 if columns else 0))
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, pictures) in zip(axes, rows, strict=True):
        for number, cell in enumerate(line):
            cell.set_axis_off()
            if number < len(pictures):
                cell.imshow(pictures[number], cmap="gray", interpolation="antialiased")
        line[0].text(
            -0.06,
            0.5,
            name,
            rotation=90,
            ha="right",
            va="center",
            transform=line[0].transAxes,
            fontsize=7,
            color=BLACK,
        )
    for cell, name in zip(axes[0], columns, strict=False):
        cell.set_title(name, fontsize=7, color=BLACK)
    return _rendered(figure)


def transformation_histograms(found: Transformations, title: str) -> np.ndarray:
    """Histograms of scale, rotation and translation over all channels and pictures, by the region that a channel serves, and how
    many channels serve each; (H, W, 3), uint8."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.1), layout="constrained", dpi=110)
    figure.suptitle(title, fontsize=9)
    values = (
        ("scale", found.scale), ("rotation (degrees)", found.rotation),
        ("translation in x (%)", 100 * found.translation[..., 0]), ("translation in y (%)", 100 * found.translation[..., 1]),
    )  # fmt: skip
    axes = figure.subplots(1, 5)
    served = found.served
    for cell, (name, data) in zip(axes, values, strict=False):
        parts = [data[:, served == number].ravel() for number in range(len(REGIONS))]
        low, high = np.quantile(data, (0.002, 0.998))
        cell.hist(parts, bins=np.linspace(low, max(high, low + 1e-3), 40), stacked=True, label=REGIONS)
        cell.set_title(name, fontsize=8)
        cell.set_yticks([])
        cell.tick_params(labelsize=7)
    counts = [int((served == number).sum()) for number in range(len(REGIONS))]
    colours = [f"C{number}" for number in range(len(REGIONS))]
    axes[4].barh(range(len(REGIONS)), counts, color=colours)
    axes[4].set_yticks(range(len(REGIONS)), REGIONS, fontsize=7)
    axes[4].tick_params(axis="x", labelsize=7)
    axes[4].invert_yaxis()
    axes[4].set_title("channels that vary most in", fontsize=8)
    return _rendered(figure)


def _rendered(figure: Any) -> np.ndarray:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    return np.asarray(PIL.Image.open(buffer).convert("RGB"))


__all__ = ["picture_rows", "transformation_histograms"]
