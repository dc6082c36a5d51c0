"""When a run ends early: a time limit, or a request by signal, decided by all processes together."""

import signal
import threading
import time
from types import FrameType
from typing import Any

from accelerate import Accelerator


class Stop:
    """Ends a run after a checkpoint instead of in the middle of one.

    A cluster that needs its machine back sends SIGTERM some time before it kills; as a context manager this turns it into a
    request.

    Args:
        accelerator (`Accelerator`): Its processes stop together: one that went on alone would wait for the others forever.
        minutes (`float`, *optional*): Time limit from now on.
    """

    def __init__(self, accelerator: Accelerator, minutes: float | None) -> None:
        self.accelerator = accelerator
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self.requested = False

    def __enter__(self) -> "Stop":
        self._previous: Any = None
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def now(self) -> bool:
        """Whether to stop after this step; every process must call this at every step."""
        late = self.deadline is not None and time.monotonic() > self.deadline
        if self.accelerator.num_processes == 1:
            return late or self.requested
        if late or self.requested:
            self.accelerator.set_trigger()
        return self.accelerator.check_trigger()
