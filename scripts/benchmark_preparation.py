# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train]"]
# ///
"""How the time and memory of `adaat prepare` grow with the number of clips: the first frames of one's own clips.

python scripts/benchmark_preparation.py --input clips/ --counts 100 200 400 --frames 12
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from adaat_hf.preparation.prepare import list_dataset, prepare_dataset
from adaat_hf.preparation.settings import PreparationSettings
from adaat_hf.preparation.sources import Listing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="folder with videos, each of one face")
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 200, 400], help="numbers of clips")
    parser.add_argument("--frames", type=int, default=12, help="frames taken of each clip")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 for one per core")
    parser.add_argument("--ray", metavar="ADDRESS", help="use a Ray cluster")
    args = parser.parse_args()
    settings = PreparationSettings()
    sources = [s for s in list_dataset("clips", args.input, settings).sources if s.frames >= args.frames]
    if len(sources) < max(args.counts):
        parser.error(f"There are {len(sources)} clips, {max(args.counts)} are wanted.")
    print("| clips | left out | seconds | frames per second and core | largest worker, MB | this process, MB |")
    print("|---|---|---|---|---|---|")
    for count in args.counts:
        cut = [
            replace(s, end=s.start + args.frames * ((s.end or 0.0) - s.start) / s.frames, frames=args.frames)
            for s in sources[:count]
        ]
        with tempfile.TemporaryDirectory(prefix="adaat-prepared-") as folder:
            start = time.monotonic()
            report = prepare_dataset(
                "clips",
                Listing(cut),
                Path(folder),
                settings,
                workers=args.workers,
                ray=args.ray,
                shard_frames=25 * args.frames,
            )
            seconds = time.monotonic() - start
        for worker in multiprocessing.active_children():
            worker.join()  # only processes that are over are counted below
        left_out = sum(split["left_out"] for split in report.manifest["splits"].values())
        workers, own = (
            resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)
        )
        speed = report.frames / report.seconds
        print(f"| {count} | {left_out} | {seconds:.0f} | {speed:.1f} | {workers:.0f} | {own:.0f} |", flush=True)


if __name__ == "__main__":
    main()
