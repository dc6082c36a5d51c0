# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""The paper's ablation (table 2): train its five conditions with one recipe and print their scores in one table; or presets.

    python scripts/ablation.py --config scripts/configs/ablation_face.yaml
    accelerate launch scripts/ablation.py --config scripts/configs/ablation_person.yaml --set max_steps=20000
    python scripts/ablation.py --config scripts/configs/presets_64.yaml --presets paper modern

Every condition is a run of its own below `output_dir`; what was interrupted continues, what is finished is only read. With
`--seeds 0 1 2` the table shows the mean over seeds, and how far they lie apart.
"""

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from adaat_hf.training.arguments import TrainingArguments, add_settings_option, parse_settings
from adaat_hf.training.report import METHODS
from adaat_hf.training.stages import FINISHED, train_stages


# As in the paper's table 2, with what each changes in the generator's configuration.
CONDITIONS: dict[str, dict[str, Any]] = {
    "w/o AdaAT & AdaIN": {"alignment": "none", "adain": False},
    "w/o AdaAT": {"alignment": "none"},
    "w/o AdaIN": {"adain": False},
    "+ dense flow": {"alignment": "dense_flow"},
    "full": {},
}
SCORES = ("ssim", "lpips")


def conditions(args: argparse.Namespace) -> dict[str, TrainingArguments]:
    """Settings of every condition, or preset, by name."""
    changes = parse_settings(args.set)
    if args.presets:
        return {name: TrainingArguments.from_yaml(args.config, name, **changes) for name in args.presets}
    base = TrainingArguments.from_yaml(args.config, **changes)
    return {
        name: TrainingArguments.from_dict({**base.to_dict(), "model": {**base.model, **model}})
        for name, model in CONDITIONS.items()
    }


def run_condition(settings: TrainingArguments) -> dict[str, float]:
    """Scores of one run on the validation data, trained unless that is done already."""
    record = Path(settings.output_dir) / FINISHED
    if record.is_file() and json.loads(record.read_text())["settings"] != settings.to_dict():
        raise ValueError(f"{settings.output_dir!r} was trained with other settings; choose another output_dir.")
    return train_stages(settings)


def table(rows: dict[str, list[dict[str, float]]], size: str, steps: int) -> str:
    """Markdown; with several seeds, mean and standard deviation."""
    lines = [f"| {size} px, {steps} steps | SSIM | LPIPS |", "|---|---|---|"]
    for name, scores in rows.items():
        lines.append(f"| {name} | " + " | ".join(cell([row[key] for row in scores]) for key in SCORES) + " |")
    return "\n".join(lines)


def cell(values: Iterable[float]) -> str:
    """Mean, and spread where there are several."""
    found = np.array(list(values))
    return f"{found.mean():.4f}" + (f" ± {found.std(ddof=1):.4f}" if len(found) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", help="compare these presets of the file instead")
    add_settings_option(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run of every condition for each (0)")
    args = parser.parse_args()
    named = conditions(args)
    first = next(iter(named.values()))
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in args.seeds:
        for name, settings in named.items():
            place = Path(settings.output_dir) / f"{re.sub('[^a-zA-Z]+', '_', name).strip('_')}-{seed}"
            chosen = {**settings.to_dict(), "seed": seed, "output_dir": str(place)}
            rows.setdefault(name, []).append(run_condition(TrainingArguments.from_dict(chosen)))
    if PartialState().is_main_process:
        scores = {key: value for found in rows.values() for key, value in found[0].items()}
        plain = {
            title: {key: scores.get(prefix + key) for key in SCORES} for prefix, title in METHODS.items() if prefix
        }
        shown = {title: [values] for title, values in plain.items() if None not in values.values()} | rows
        height, width = first.size
        text = table(shown, f"{height}x{width}", first.max_steps)
        (Path(first.output_dir) / "ablation.md").write_text(text + "\n")
        print(text)


if __name__ == "__main__":
    main()
