"""Training data read once from front to back, from shards on a disk or at an address, and continued exactly."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from glob import glob
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import IterableDataset, load_dataset
from datasets.distributed import split_dataset_by_node
from torch import Tensor
from torch.utils.data import IterableDataset as TorchIterableDataset
from torch.utils.data import get_worker_info

from .items import DamagedItemError, warn_once
from .packs import stream_pack


# Clips or pairs among which the next one is drawn; with clips of 1 MB this is what a worker holds in memory.
SHUFFLED = 64
POSITION = "stream_position"


def list_shards(names: Sequence[str], suffix: str) -> list[str]:
    """Shards by path, pattern, folder or address (`hf://datasets/...`, `https://...`).

    Raises:
        FileNotFoundError: if a name leads to no shard.
    """
    shards: list[str] = []
    for name in names:
        if "://" in name:
            found = [name]
        else:
            found = sorted(glob(str(Path(name) / f"*{suffix}") if Path(name).is_dir() else name))
        if not found:
            raise FileNotFoundError(f"There is no shard (*{suffix}) at {name!r}.")
        shards += found
    return shards


def clip_stream(names: Sequence[str]) -> IterableDataset:
    """Clips of packs (WebDataset tar files)."""
    shards = list_shards(names, ".tar")
    return IterableDataset.from_generator(_clips, gen_kwargs={"shards": shards})


def _clips(shards: list[str]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        for clip in stream_pack(shard):
            yield {"key": clip.key, "value": clip}


def pair_stream(names: Sequence[str]) -> IterableDataset:
    """Pairs of pictures from parquet files (scripts/prepare_people.py --parquet)."""
    shards = list_shards(names, ".parquet")
    rows = load_dataset("parquet", data_files={"train": shards}, split="train", streaming=True)
    return rows.decode(False)


class StreamedDataset(TorchIterableDataset):
    """Endless items of a stream; processes and workers see disjoint shards.

    Items carry `stream_position` (worker, epoch, number of the next example of that epoch), by which a run continues exactly:
    a resumed worker reads its part of the epoch again without making items of it.

    Args:
        stream (`IterableDataset`): Of `datasets`, with examples that a shard's order decides.
        make (`Callable`): Makes an item of an example's `value` (or of the example) and a random generator, or `None` to
            leave it out.
        seed (`int`): Start of the random numbers.
    """

    def __init__(
        self, stream: IterableDataset, make: Callable[[Any, np.random.Generator], dict[str, Tensor] | None], seed: int
    ) -> None:
        self.stream = stream
        self.make, self.seed = make, seed
        self.rank, self.processes = 0, 1
        self.positions: dict[str, list[int]] = {}
        self.passed_over = 0

    def split(self, rank: int, count: int) -> None:
        """Keep the part of one of `count` processes."""
        self.rank, self.processes = rank, count

    def _epoch(self, epoch: int) -> IterableDataset:
        """This process's part in an order of its own. Not by `set_epoch`, which all workers of a loader share, also while
        they are in different epochs."""
        seed = int(np.random.default_rng((self.seed, 7, epoch)).integers(2**31))
        shuffled = self.stream.shuffle(seed=seed, buffer_size=SHUFFLED)
        return split_dataset_by_node(shuffled, self.rank, self.processes)

    def resume(self, positions: dict[str, list[int]], batches: int, batch_size: int, workers: int) -> None:
        """Continue where `positions` (epoch and number of the next example, by worker) say, with the worker whose turn it is.

        Args:
            positions (`dict[str, list[int]]`): From the items of the interrupted run.
            batches (`int`): How many this process has seen.
            batch_size (`int`), workers (`int`): Of its loader, which asks the workers in turn from the first one on; workers that
                have had their turn give an empty batch first (its `stream_position` is negative).
        """
        self.positions = dict(positions)
        turn = batches % max(min(workers, self._epoch(0).num_shards), 1)
        self.passed_over, self.batch_size = turn, batch_size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        info = get_worker_info()
        worker = 0 if info is None else info.id
        if worker < self.passed_over:
            yield from [{POSITION: torch.full((3,), -1)}] * self.batch_size
        first_epoch, start = self.positions.get(str(worker), (0, 0))
        for epoch in count(first_epoch):
            seen, made = start, 0
            for number, example in enumerate(islice(iter(self._epoch(epoch)), start, None), start):
                seen = number + 1
                item = self._item(example, epoch, number)
                if item is not None:
                    made += 1
                    yield item | {POSITION: torch.tensor([worker, epoch, seen])}
            if seen == 0:
                # There are more workers than shards.
                return
            if start == 0 and not made:
                raise ValueError(f"None of the {seen} examples of this part of the stream can be used.")
            start = 0

    def _item(self, example: dict[str, Any], epoch: int, number: int) -> dict[str, Tensor] | None:
        name = str(example.get("key", number))
        random = np.random.default_rng((self.seed, 6, epoch, number, zlib.crc32(name.encode())))
        try:
            return self.make(example.get("value", example), random)
        except DamagedItemError as error:
            warn_once(f"Training data is left out: {error}")
            return None
