# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf"]
# ///
"""Upload a pipeline folder to the Hub, as `adaat push` does; or write the files under pipelines/ anew.

python scripts/push_to_hub.py runs/face_compact/pipeline org/adaat-face --fp16
python scripts/push_to_hub.py --write-templates
"""

import sys
from pathlib import Path

from adaat_hf.cli import main
from adaat_hf.hub import TASKS, entry_files
from adaat_hf.hub.cards import plain_card


PIPELINES = Path(__file__).parents[1] / "pipelines"


def write_templates(folder: Path) -> None:
    """Write what stands at the root of every task's repository besides the weights."""
    for name, task in TASKS.items():
        target = folder / task.folder
        target.mkdir(parents=True, exist_ok=True)
        (target / "README.md").write_text(plain_card(name), encoding="utf-8")
        (target / "pipeline.py").write_text(entry_files({"_class_name": name})["pipeline.py"], encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write-templates"]:
        write_templates(PIPELINES)
    else:
        raise SystemExit(main(["push", *sys.argv[1:]]))
