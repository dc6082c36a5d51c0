"""Time and memory of functions, taken so that their ratios hold on a machine that does other work too."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil
import torch
from tqdm.auto import tqdm

from ..memory import give_memory_back


SAMPLE_SECONDS = 0.005


@dataclass(frozen=True)
class Cost:
    """
    What one call takes.

    Args:
        seconds (`float`): The shortest of several calls.
        peak_bytes (`int`): Most memory beyond that before the call: of the GPU, or resident memory of this process.
    """

    seconds: float
    peak_bytes: int


def measure(runs: Mapping[str, Callable[[], object]], device: torch.device, repeats: int) -> dict[str, Cost]:
    """Cost of several functions, called in turn, so that a slow moment of the machine meets all of them.

    Args:
        runs (`Mapping[str, Callable]`): The functions by name.
        device (`torch.device`): Where they work; waited for.
        repeats (`int`): Timed calls of each, after a first one whose memory is watched.
    """
    peaks = dict.fromkeys(runs, 0)
    shortest = dict.fromkeys(runs, float("inf"))
    rounds = [(number, name) for number in range(repeats + 1) for name in runs]
    for number, name in tqdm(rounds, desc=f"measuring on {device}", unit="run", leave=False):
        if number == 0:
            peaks[name] = peak_memory(runs[name], device)
        else:
            shortest[name] = min(shortest[name], _seconds(runs[name], device))
    return {name: Cost(shortest[name], peaks[name]) for name in runs}


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def peak_memory(run: Callable[[], object], device: torch.device) -> int:
    """Most bytes beyond those before that a function takes while it runs."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    process, done = psutil.Process(), threading.Event()
    give_memory_back()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_SECONDS):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        run()
    finally:
        done.set()
        watcher.join()
    return peak - before


__all__ = ["Cost", "measure", "peak_memory"]
