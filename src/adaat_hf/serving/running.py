"""Run a pipeline beside the page: progress while it works, and an end to it when the visitor leaves."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar


logger = logging.getLogger(__name__)

Result = TypeVar("Result")
# How often progress is shown, in seconds.
POLL_SECONDS = 0.4
# A run that nobody asked about for so long has been left.
ABANDONED_SECONDS = 10.0


class Cancelled(Exception):
    """The visitor left or pressed Stop."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        done (`int`): Frames painted.
        rate (`float`, *optional*): Frames per second, from the second batch on.
        total (`int`, *optional*): Frames of the clip, once they are known.
        seconds (`float`): Since the start.
        device (`str`): Where the network runs.
    """

    done: int
    rate: float | None
    total: int | None
    seconds: float
    device: str

    def __str__(self) -> str:
        if not self.done:
            return f"reading photograph and motion ({self.seconds:.0f} s)"
        whole = "" if self.total is None else f" of {self.total}"
        text = f"painted {self.done}{whole} frames on {self.device}"
        if self.rate is None:
            return text
        left = "" if self.total is None else f", {max(0, self.total - self.done) / self.rate:.0f} s left"
        return f"{text}, {self.rate:.1f} frames/s{left}"


class Run(Generic[Result]):
    """Call `work` in a thread and report how far it is.

    Iterating yields [`Progress`]; afterwards `result` is what `work` returned. When iteration ends early or is not gone on
    with, because the visitor left, `work` is stopped at its next batch of frames and its folder is removed.

    Args:
        work (`Callable`): Gets the pipeline's `callback_on_step_end`.
        device (`str`): Where the network runs.
        folder (`TemporaryDirectory`, *optional*): Where `work` writes.
        max_seconds (`float`, *optional*): Longest time; afterwards `result` raises a `ValueError`.
        total (`int`, *optional*): Frames of the clip.
    """

    def __init__(
        self,
        work: Callable[[Callable[..., Any]], Result],
        device: str,
        folder: "TemporaryDirectory[str] | None" = None,
        max_seconds: float | None = None,
        total: int | None = None,
    ) -> None:
        self._work, self._device, self._folder = work, device, folder
        self._max_seconds = max_seconds
        self._asked = time.monotonic()
        self._stop = threading.Event()
        self._left = threading.Event()
        self._finished = threading.Event()
        self._done = 0
        self._total = total
        self._started = time.perf_counter()
        # Frames and time when the first batch was done: what came before is not painting alone.
        self._first: tuple[int, float] | None = None
        self._latest = self._started
        self._result: Result | None = None
        self._error: BaseException | None = None

    @property
    def result(self) -> Result:
        """What `work` returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def __iter__(self) -> Iterator[Progress]:
        thread = threading.Thread(target=self._call, name="adaat-run", daemon=True)
        thread.start()
        try:
            while not self._finished.wait(POLL_SECONDS):
                self._asked = time.monotonic()
                yield Progress(
                    self._done, self._rate(), self._total, time.perf_counter() - self._started, self._device
                )
        finally:
            self._stop.set()
            self._finished.wait()
            self._left.set()

    def _call(self) -> None:
        try:
            self._result = self._work(self._step)
        except BaseException as error:
            self._error = error
        finally:
            self._finished.set()
        if not self._left.wait(ABANDONED_SECONDS) and self._folder is not None:
            self._folder.cleanup()

    def _step(self, pipeline: Any, number: int, done: int, tensors: dict[str, Any]) -> dict[str, Any]:
        if self._stop.is_set() or time.monotonic() - self._asked > ABANDONED_SECONDS:
            raise Cancelled
        if self._max_seconds is not None and time.perf_counter() - self._started > self._max_seconds:
            raise ValueError(f"The run took more than {self._max_seconds:g} seconds; use a shorter clip.")
        self._done, self._latest = done, time.perf_counter()
        self._first = self._first or (done, self._latest)
        return tensors

    def _rate(self) -> float | None:
        if self._first is None or self._done == self._first[0]:
            return None
        return (self._done - self._first[0]) / (self._latest - self._first[1])
