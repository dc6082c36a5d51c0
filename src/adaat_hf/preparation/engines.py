"""Who makes the shards: processes of one machine, or a Ray cluster."""

import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

import torch

from .shards import Made, ShardTask, prepare_shard


REACH_SECONDS = 10.0
Task = TypeVar("Task")
Result = TypeVar("Result")


class EngineError(OSError):
    """The work could not be finished; the message says why and how to go on."""


def run_in_processes(tasks: Sequence[ShardTask], workers: int) -> Iterator[Made]:
    """Make shards in processes of this machine, each on one core.

    Args:
        tasks (`Sequence[ShardTask]`): Work items.
        workers (`int`): Processes; 0 for one per core, 1 for this one.

    Raises:
        EngineError: if a process dies.
    """
    yield from side_by_side(prepare_shard, tasks, workers)


def side_by_side(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Do the same with many items in processes of this machine, each on one thread, results as they come.

    Args:
        work (`Callable`): A function of a module.
        tasks (`Sequence`): Items.
        workers (`int`): Processes; 0 for one per core, 1 for this one.

    Raises:
        EngineError: if a process dies.
    """
    count = min(workers or os.cpu_count() or 1, len(tasks))
    if count < 2:
        threads = torch.get_num_threads()
        # Sums over other numbers of threads differ in the last bits.
        torch.set_num_threads(1)
        try:
            yield from map(work, tasks)
        finally:
            torch.set_num_threads(threads)
        return
    # Forking a process that has run torch is not safe.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        jobs = [pool.submit(work, task) for task in tasks]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            raise EngineError(
                "A worker process died, often for lack of memory. What is finished is kept: start the same command again,"
                " perhaps with fewer workers."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    """A worker whose parent was killed would go on for hours, beside those of the run that takes over."""
    torch.set_num_threads(1)
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def run_on_ray(tasks: Sequence[ShardTask], address: str, workers: int) -> Iterator[Made]:
    """Make shards on a Ray cluster through Ray Data, each on one core; shards of a machine that is lost are made again elsewhere.

    Every machine needs this library, and the input and output under the same paths.

    Args:
        tasks (`Sequence[ShardTask]`): Work items.
        address (`str`): Of the cluster, as `ray start` shows it; `"auto"` for one that runs on this machine.
        workers (`int`): Most shards at a time; 0 for all cores of the cluster.

    Raises:
        ImportError: if Ray is not installed.
        EngineError: if there is no cluster at that address, or a shard fails.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("Preparing on a cluster needs Ray Data: pip install 'adaat-hf[ray]'.") from error
    if not tasks:
        return
    try:
        _reach(address)
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineError(
            f"There is no Ray cluster at {address!r} ({error}); start one with `ray start --head`."
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items([{"task": pickle.dumps(task)} for task in tasks], override_num_blocks=len(tasks))
    made = rows.map(_prepare_row, num_cpus=1, compute=ray.data.TaskPoolStrategy(workers or None))
    try:
        for row in made.iter_rows():
            yield pickle.loads(row["made"])
    except ray.exceptions.RayError as error:
        raise EngineError(f"The cluster could not finish; start the same command again. It says: {error}") from error
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise unless something answers at `HOST:PORT`, for which Ray itself would wait many minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "://" not in address:
        socket.create_connection((host, int(port)), REACH_SECONDS).close()


def _prepare_row(row: dict[str, bytes]) -> dict[str, bytes]:
    """A work item of Ray Data, whose columns hold bytes of this library's own making."""
    torch.set_num_threads(1)
    return {"made": pickle.dumps(prepare_shard(pickle.loads(row["task"])))}
