"""The report of a run: its settings, surroundings, curves and pictures, as Markdown with pictures beside it."""

import json
from pathlib import Path
from typing import Any

import yaml

from ..atomic import write_text
from ..hub.cards import scores_table
from .checkpoints import RunState, newest_checkpoint, read_state
from .records import METRICS, SAMPLES, SCORES, SETTINGS, SURROUNDINGS, read_rows


REPORT, CURVES = "report.md", "curves.png"
# What validation scores are called, in the order of the table; `copy_` and `warp_` learn nothing.
METHODS = {"copy_": "copy source", "warp_": "source moved by its key points", "": "trained network"}


def write_report(folder: Path) -> Path:
    """Write `report.md` and `curves.png` into a run's folder, from what the run recorded.

    Args:
        folder (`Path`): The run's `output_dir`.

    Returns:
        `Path`: The report.
    """
    settings, found = (json.loads((folder / name).read_text()) for name in (SETTINGS, SURROUNDINGS))
    metrics, scores = read_rows(folder / METRICS), read_rows(folder / SCORES)
    parts = [f"# Training run {folder.name}", describe_run(folder, settings, found)]
    if scores:
        parts += [f"## Held-out scores after {scores[-1]['step']:.0f} steps", scores_table(methods(scores[-1]))]
    if metrics or scores:
        draw_curves(metrics, scores, folder / CURVES)
        parts += ["## Curves", f"![losses, scores and speed]({CURVES})"]
    for name, title in (("pairs", PAIRS_TITLE), ("features", FEATURES_TITLE)):
        pictures = sorted((folder / SAMPLES).glob(f"{name}-*.jpg"))
        if pictures:
            parts += [f"## {title}", f"![{name}]({SAMPLES}/{pictures[-1].name})"]
    parts += ["## Settings", "```yaml\n" + yaml.safe_dump(settings, sort_keys=False).rstrip() + "\n```"]
    return write_text(folder / REPORT, "\n\n".join(parts) + "\n")


PAIRS_TITLE = "Held-out pairs: source, driving, painted, error (and what the network has besides)"
FEATURES_TITLE = "Feature maps before and after the first operator, those that it changes most"


def describe_run(folder: Path, settings: dict[str, Any], found: dict[str, Any]) -> str:
    """A sentence on steps and samples, and one on where the run ran."""
    newest = newest_checkpoint(folder)
    state = RunState(0) if newest is None else read_state(newest)
    size = settings["resolution"]
    shown = "x".join(map(str, size)) if isinstance(size, list) else str(size)
    rates = [row["images_per_second"] for row in read_rows(folder / METRICS)]
    speed = f", {sorted(rates)[len(rates) // 2]:.3g} pairs/s (median)" if rates else ""
    commit = f", commit {found['commit']}" if found["commit"] else ""
    return (
        f"{state.step} steps, {state.samples} pairs of pictures at {shown} px. {found['processes']} process(es) on {found['device']}"
        f"{speed}; adaat_hf {found['adaat_hf']}{commit}, torch {found['torch']}."
    )


def methods(scores: dict[str, float]) -> dict[str, dict[str, float]]:
    """Validation scores by method, the network's last."""
    names = ("ssim", "lpips", "l1")
    return {
        title: {name: scores[prefix + name] for name in names}
        for prefix, title in METHODS.items()
        if prefix + names[0] in scores
    }


def draw_curves(metrics: list[dict[str, float]], scores: list[dict[str, float]], path: Path) -> None:
    """Losses, held-out scores beside those of copying, and speed, over the steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    loss, held_out, speed = figure.subplots(1, 3)
    apart = {"step", "images_per_second", "learning_rate", "generator"}
    for name in sorted({name for row in metrics for name in row} - apart):
        rows = [row for row in metrics if name in row]
        loss.plot([row["step"] for row in rows], [row[name] for row in rows], label=name)
    for name, line in (("ssim", "-"), ("lpips", "-"), ("copy_ssim", ":"), ("copy_lpips", ":")):
        rows = [row for row in scores if name in row]
        if rows:
            held_out.plot([row["step"] for row in rows], [row[name] for row in rows], line, marker=".", label=name)
    speed.plot([row["step"] for row in metrics], [row["images_per_second"] for row in metrics])
    loss.set_yscale("log")
    for axes, title in ((loss, "losses"), (held_out, "held-out scores"), (speed, "pairs/s")):
        axes.set_title(title)
        axes.set_xlabel("step")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)
