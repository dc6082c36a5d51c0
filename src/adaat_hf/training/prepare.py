"""Prepare a whole folder of clips in parallel, resumably."""

import csv
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tqdm.auto import tqdm

from .packs import FACTS, SOUND, TENSORS, VIDEO, PackWriter, read_packs
from .preparation import ClipSource, PreparationSettings, UnusableClip, find_sources, prepare_clip


LEFT_OUT = "left_out.csv"
# The facts come last: they mark a clip as complete.
PARTS = (VIDEO, SOUND, TENSORS, FACTS)


@dataclass(frozen=True)
class PreparationReport:
    """What became of a folder of clips.

    Args:
        packed (`int`): Clips in packs, those of earlier runs included.
        left_out (`int`): Clips that could not be used; `left_out.csv` says why.
        packs (`int`): Number of packs.
    """

    packed: int
    left_out: int
    packs: int

    def __str__(self) -> str:
        return f"{self.packed} clips in {self.packs} packs, {self.left_out} left out"


def prepare_folder(
    folder: Path, output: Path, settings: PreparationSettings, index: Path | None, pack_size: int, workers: int
) -> PreparationReport:
    """Prepare every clip below `folder` and write packs of at most `pack_size` bytes to `output`.

    Finished clips wait in `output/.parts` until a pack is complete; an interrupted run keeps them and the packs.
    """
    output.mkdir(parents=True, exist_ok=True)
    parts = output / ".parts"
    parts.mkdir(exist_ok=True)
    (output / ".clips.part").unlink(missing_ok=True)
    sources = find_sources(folder, index)
    packed = {clip.key for clip in read_packs(output)} if any(output.glob("*.tar")) else set()
    reasons = _read_left_out(output)
    ready = {path.stem for path in parts.glob(f"*{FACTS}")}
    todo = [s for s in sources if s.key not in packed | ready | reasons.keys()]
    context = get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        jobs = {pool.submit(_prepare_part, source, settings, parts): source for source in todo}
        with tqdm(total=len(sources), initial=len(sources) - len(todo), desc="preparing on cpu", unit="clip") as bar:
            for job in as_completed(jobs):
                if (reason := job.result()) is not None:
                    reasons[jobs[job].key] = reason
                    _write_left_out(output, reasons)
                bar.update()
    packs = _pack(parts, output, pack_size)
    total = len(packed) + len(todo) + len(ready - packed) - len(reasons.keys() & {s.key for s in todo})
    return PreparationReport(total, len(reasons), packs)


def _prepare_part(source: ClipSource, settings: PreparationSettings, parts: Path) -> str | None:
    """Prepare one clip in a worker and leave its files in `parts`; the facts come last and mark it complete."""
    try:
        content = prepare_clip(source, settings)
    except UnusableClip as error:
        return str(error)
    for suffix in [part for part in PARTS if part in content]:
        partial = parts / f"{source.key}{suffix}.part"
        partial.write_bytes(content[suffix])
        partial.rename(parts / f"{source.key}{suffix}")
    return None


def _pack(parts: Path, output: Path, limit: int) -> int:
    writer = PackWriter(output, limit)
    in_packs: set[str] = {clip.key for clip in read_packs(output)} if any(output.glob("*.tar")) else set()
    for facts in sorted(parts.glob(f"*{FACTS}")):
        if facts.stem not in in_packs:
            files = {suffix: facts.with_suffix(suffix) for suffix in PARTS}
            writer.add(facts.stem, {suffix: file.read_bytes() for suffix, file in files.items() if file.exists()})
    writer.close()
    for path in parts.iterdir():
        path.unlink()
    parts.rmdir()
    return len(list(output.glob("*.tar")))


def _read_left_out(output: Path) -> dict[str, str]:
    path = output / LEFT_OUT
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["clip"]: row["reason"] for row in csv.DictReader(file)}


def _write_left_out(output: Path, reasons: dict[str, str]) -> None:
    partial = output / f".{LEFT_OUT}.part"
    with open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "reason"])
        writer.writerows(sorted(reasons.items()))
    partial.replace(output / LEFT_OUT)
