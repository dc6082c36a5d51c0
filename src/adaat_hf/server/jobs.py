"""One run at a time, a bounded number of waiting ones, and an end to those that take too long."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any


class Busy(Exception):
    """Too many requests are waiting."""


class TooSlow(Exception):
    """A run took longer than is allowed."""


class Jobs:
    """Admission to the networks.

    Args:
        waiting (`int`): Requests that may wait.
        max_seconds (`float`): Time that a run may take, waiting included.
    """

    def __init__(self, waiting: int, max_seconds: float) -> None:
        self._places = threading.Semaphore(waiting + 1)
        self._networks = threading.Lock()
        self.max_seconds = max_seconds

    def run(self) -> AbstractContextManager[Callable[..., Any]]:
        """A context in which the networks are ours; it gives the pipelines' `callback_on_step_end`.

        Raises:
            Busy: if too many are waiting.
            TooSlow: if the time is over, also from the callback.
        """
        return self._run()

    @contextmanager
    def _run(self) -> Any:
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            end = time.monotonic() + self.max_seconds
            if not self._networks.acquire(timeout=self.max_seconds):
                raise TooSlow

            def step(pipeline: Any, number: int, done: int, tensors: dict[str, Any]) -> dict[str, Any]:
                if time.monotonic() > end:
                    raise TooSlow
                return tensors

            try:
                yield step
            finally:
                self._networks.release()
        finally:
            self._places.release()
