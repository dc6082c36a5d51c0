# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""The paper's ablation (table 2): train its five conditions with one recipe and print their scores in one table.

    python scripts/ablation.py --config scripts/configs/ablation_face.yaml
    accelerate launch scripts/ablation.py --config scripts/configs/ablation_person.yaml --set max_steps=20000

Every condition is a run of its own below `output_dir`; what was interrupted continues, what is finished is only read. With
`--seeds 0 1 2` the table shows the mean over seeds, and how far they lie apart.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from adaat_hf.training.arguments import TrainingArguments, parse_settings
from adaat_hf.training.trainer import Trainer


# As in the paper's table 2, with what each changes in the generator's configuration.
CONDITIONS: dict[str, dict[str, Any]] = {
    "w/o AdaAT & AdaIN": {"alignment": "none", "adain": False},
    "w/o AdaAT": {"alignment": "none"},
    "w/o AdaIN": {"adain": False},
    "+ dense flow": {"alignment": "dense_flow"},
    "full": {},
}
SCORES = ("ssim", "lpips")


def run_condition(args: TrainingArguments, folder: Path) -> dict[str, float]:
    """Scores of one run on the validation data, trained unless that is done already."""
    record = folder / "ablation.json"
    settings = args.to_dict()
    if record.is_file():
        found = json.loads(record.read_text())
        if found["settings"] != settings:
            raise ValueError(f"{str(folder)!r} was trained with other settings; choose another output_dir.")
        return found["scores"]
    scores = Trainer(args).train()
    if PartialState().is_main_process:
        record.write_text(json.dumps({"settings": settings, "scores": scores}, indent=2) + "\n")
    return scores


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
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="replace settings of the file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run of every condition for each (0)")
    args = parser.parse_args()
    settings = parse_settings(args.set)
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in args.seeds:
        for name, changes in CONDITIONS.items():
            base = TrainingArguments.from_yaml(args.config, **settings)
            folder = Path(base.output_dir) / f"{name.replace(' ', '_').replace('/', '')}-{seed}"
            chosen = {"model": {**base.model, **changes}, "output_dir": str(folder), "seed": seed}
            rows.setdefault(name, []).append(
                run_condition(TrainingArguments.from_dict({**base.to_dict(), **chosen}), folder)
            )
    if PartialState().is_main_process:
        copied = {f"copy_{key}": next(iter(rows.values()))[0][f"copy_{key}"] for key in SCORES}
        rows = {"copy source": [{key: copied[f"copy_{key}"] for key in SCORES}], **rows}
        height, width = base.size
        text = table(rows, f"{height}x{width}", base.max_steps)
        (Path(base.output_dir) / "ablation.md").write_text(text + "\n")
        print(text)


if __name__ == "__main__":
    main()
