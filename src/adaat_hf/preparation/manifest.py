"""What a prepared data set consists of, for people and for programs: `manifest.json` and `left_out.csv`."""

import csv
import io
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..atomic import write_text
from .catalogue import CATALOGUE
from .plan import Plan
from .shards import Receipt
from .sources import UNREADABLE, Missing


MANIFEST, LEFT_OUT = "manifest.json", "left_out.csv"
TOOLS = ("adaat-hf", "torch", "av", "numpy", "opencv-python-headless")


def write_manifest(output: Path, plan: Plan, receipts: Iterable[Receipt]) -> dict[str, Any]:
    """Write the manifest of finished shards, and why clips are missing or left out.

    Args:
        output (`Path`): Folder of the prepared data set.
        plan ([`Plan`]): What was to be made.
        receipts (`Iterable[Receipt]`): What was.

    Returns:
        `dict`: The manifest.
    """
    made = sorted(receipts, key=lambda receipt: receipt.name)
    facts = CATALOGUE[plan.dataset]
    splits: dict[str, Any] = {}
    for split in sorted({receipt.split for receipt in made} | plan.listed.keys() - {UNREADABLE}):
        splits[split] = _split(split, [receipt for receipt in made if receipt.split == split], plan)
    manifest = {
        "dataset": plan.dataset,
        "title": facts.title,
        "address": facts.address,
        "licence": facts.licence,
        "consent": facts.consent,
        "licences_of_clips": plan.licences,
        "settings": plan.settings,
        "detector_sha256": plan.detector_sha256,
        "versions": {name: version(name) for name in TOOLS},
        "splits": splits,
        "unreadable_lines": plan.listed.get(UNREADABLE, 0),
        "shards": [
            {"name": r.name, "sha256": r.sha256, "bytes": r.bytes, "clips": len(r.clips), "frames": r.frames}
            for r in made
        ],
    }
    write_left_out(output, plan.missing, made)
    write_text(output / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


def _split(split: str, receipts: list[Receipt], plan: Plan) -> dict[str, Any]:
    facts = CATALOGUE[plan.dataset]
    clips = [clip for receipt in receipts for clip in receipt.clips.values()]
    in_pairs = facts.unit == "pairs"
    return {
        "published": facts.published.get(split),
        "listed": plan.listed.get(split, 0),
        "unit": facts.unit,
        "prepared": sum(clip["pairs"] for clip in clips) if in_pairs else len({clip["clip"] for clip in clips}),
        "segments": len(clips),
        "frames": sum(clip["frames"] for clip in clips),
        "seconds": round(sum(clip["seconds"] for clip in clips), 1),
        "subjects": len({clip["subject"] for clip in clips}),
        "missing": sum(missing.split == split for missing in plan.missing),
        "left_out": sum(len(receipt.left_out) for receipt in receipts),
    }


def write_left_out(output: Path, missing: Iterable[Missing], receipts: Iterable[Receipt]) -> None:
    """Write `left_out.csv`: what is missing and what could not be used, where it was and why."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["clip", "split", "kind", "reason", "address"])
    writer.writerows([m.name, m.split, "missing", m.reason, m.address] for m in missing)
    writer.writerows([key, r.split, "left out", why, ""] for r in receipts for key, why in sorted(r.left_out.items()))
    write_text(output / LEFT_OUT, text.getvalue())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared data set.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {MANIFEST} in {str(folder)!r}: it is no data set that `adaat prepare` finished."
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}); the command that made it writes it again.") from error


def terms(folders: Iterable[str]) -> list[str]:
    """What the manifests of training data say about its origin, for model cards; nothing of data without a manifest.

    Args:
        folders (`Iterable[str]`): Of shards, `<data set>/<split>`, or single shards.
    """
    found: dict[Path, str] = {}
    for name in folders:
        for folder in (Path(name), *Path(name).parents[:2]):
            if (folder / MANIFEST).is_file() and folder not in found:
                manifest = read_manifest(folder)
                split = manifest["splits"].get("train", {})
                address = f" ({manifest['address']})" if manifest["address"] else ""
                licences = "".join(f" {count} clips: {name}." for name, count in manifest["licences_of_clips"].items())
                found[folder] = (
                    f"**{manifest['title']}**{address}: {split.get('prepared', 0)} {split.get('unit', 'clips')} to train."
                    f" Licence: {manifest['licence']}{licences} Consent: {manifest['consent']}"
                )
    return list(found.values())


def summary(manifest: dict[str, Any]) -> str:
    """A table of the splits, as Markdown."""
    columns = ("published", "listed", "prepared", "missing", "left_out", "segments", "frames", "seconds", "subjects")
    unit = next((split["unit"] for split in manifest["splits"].values()), "clips")
    rows = [
        f"| {unit} | " + " | ".join(name.replace("_", " ") for name in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, split in manifest["splits"].items():
        cells = ["not known" if split[column] is None else f"{split[column]}" for column in columns]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)
