"""Prepare a whole data set: list, plan, make shards side by side, write the manifest."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from ..training.packs import FACTS
from .catalogue import CATALOGUE
from .engines import run_in_processes, run_on_ray
from .layouts.clips import list_clips
from .layouts.deepfashion import list_deepfashion
from .layouts.hdtf import list_hdtf
from .layouts.iper import list_iper
from .layouts.voxceleb import list_voxceleb
from .manifest import summary, write_manifest
from .plan import make_plan
from .settings import PreparationSettings
from .shards import LEFT_OUT, PARTS, Receipt, ShardTask
from .sources import Listing


LOCK = ".lock"
# About 100 MB of faces at 256 px.
SHARD_FRAMES = 10_000
# Seconds between two looks at what the workers have done.
LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class PreparationReport:
    """What became of a data set.

    Args:
        manifest (`dict`): As in `manifest.json`.
        frames (`int`): Frames that this run prepared.
        seconds (`float`): What all workers together took for them.
    """

    manifest: dict[str, Any]
    frames: int
    seconds: float

    def __str__(self) -> str:
        speed = (
            f"\n{self.frames} frames prepared now, {self.frames / self.seconds:.1f} per second and core"
            if self.frames
            else ""
        )
        return f"{summary(self.manifest)}\n{len(self.manifest['shards'])} shards{speed}"


def list_dataset(
    dataset: str,
    folder: Path,
    settings: PreparationSettings,
    metadata: Path | None = None,
    index: Path | None = None,
) -> Listing:
    """What a folder has of a data set.

    Args:
        dataset (`str`): `"voxceleb"`, `"hdtf"`, `"iper"`, `"deepfashion"` or `"clips"`.
        folder (`Path`): Its files; see the functions in [`layouts`].
        settings ([`PreparationSettings`]): How clips are prepared.
        metadata (`Path`, *optional*): VoxCeleb's csv, if it is not in the folder.
        index (`Path`, *optional*): Index of one's own clips.

    Raises:
        FileNotFoundError: if a file or folder does not exist.
        ValueError: if the data set is unknown, or its files are not as published.
    """
    for path in (folder, metadata, index):
        if path is not None and not path.exists():
            raise FileNotFoundError(f"{str(path)!r} does not exist.")
    if dataset == "voxceleb":
        return list_voxceleb(folder, metadata, settings.max_frames)
    if dataset == "hdtf":
        return list_hdtf(folder, settings.max_frames)
    if dataset == "iper":
        return list_iper(folder, settings.max_frames)
    if dataset == "deepfashion":
        return list_deepfashion(folder)
    if dataset == "clips":
        return list_clips(folder, index, settings.max_frames, settings.max_fps)
    raise ValueError(f"The data set is {dataset!r}, expected one of {sorted(CATALOGUE)}.")


def prepare_dataset(
    dataset: str,
    listing: Listing,
    output: Path,
    settings: PreparationSettings,
    *,
    workers: int = 0,
    ray: str | None = None,
    shard_frames: int = SHARD_FRAMES,
) -> PreparationReport:
    """Prepare what is listed; the same call goes on after an interruption, and adds what has been found since.

    Args:
        dataset (`str`): Its name in the catalogue.
        listing ([`Listing`]): What there is.
        output (`Path`): Folder of the shards, `<split>/clips-00000.tar`, each with its receipt `.json`.
        settings ([`PreparationSettings`]): How clips are prepared.
        workers (`int`, *optional*, defaults to 0): Processes, or shards at a time on a cluster; 0 for all cores.
        ray (`str`, *optional*): Address of a Ray cluster.
        shard_frames (`int`, *optional*): About how many frames go into a shard.

    Raises:
        ValueError: if the folder was begun in another way, or another run works on it.
        EngineError: if the work could not be finished.
    """
    output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(output / LOCK, timeout=0):
            plan, tasks = make_plan(dataset, listing, settings, output, shard_frames)
            engine = run_on_ray(tasks, ray, workers) if ray else run_in_processes(tasks, workers)
            frames, seconds = 0, 0.0
            receipts: dict[str, Receipt] = {}
            with _progress(output, tasks, "cluster" if ray else "cpu"):
                for made in engine:
                    receipts[made.receipt.name] = made.receipt
                    frames, seconds = frames + made.frames, seconds + made.seconds
            shutil.rmtree(output / PARTS, ignore_errors=True)
            return PreparationReport(write_manifest(output, plan, receipts.values()), frames, seconds)
    except Timeout as error:
        raise ValueError(
            f"Another run is preparing {str(output)!r}: wait for it, or choose another folder."
        ) from error


@contextmanager
def _progress(output: Path, tasks: list[ShardTask], device: str) -> Iterator[None]:
    """A bar that follows what all workers, wherever they are, leave in the output folder."""
    stop = threading.Event()
    names = {task.name: len(task.sources) for task in tasks}
    finished: set[str] = set()
    with tqdm(total=sum(names.values()), desc=f"preparing on {device}", unit="clip", smoothing=0.02) as bar:

        def look() -> None:
            finished.update(name for name in names if name not in finished and (output / f"{name}.json").is_file())
            waiting = sum(1 for suffix in (FACTS, LEFT_OUT) for _ in (output / PARTS).glob(f"*/*/[!.]*{suffix}"))
            done = sum(names[name] for name in finished) + waiting
            bar.update(min(done, bar.total) - bar.n)

        def watch() -> None:
            while not stop.wait(LOOK_SECONDS):
                look()

        look()
        bar.initial = bar.n
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            look()
