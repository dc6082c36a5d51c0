"""Show a photograph that moves as a driver does now, at a fixed frame rate."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .animator import LiveAnimator
from .capture import Captured, LiveCapture
from .outputs import LiveOutput


RECENT = 50


@dataclass(frozen=True)
class LiveStatistics:
    """
    What a session has done so far.

    Args:
        shown (`int`): Frames that were shown, at the fixed rate.
        painted (`int`): Frames of the driver that were painted.
        dropped (`int`): Frames of the driver that came while another one was painted, and were passed over.
        latency (`float`): Seconds from a frame's coming to its being shown, median of the last ones.
        worst_latency (`float`): The longest of the last ones.
        painted_per_second (`float`): Of the last ones.
        calibrated (`bool`): Whether the driver is known already.
    """

    shown: int = 0
    painted: int = 0
    dropped: int = 0
    latency: float = 0.0
    worst_latency: float = 0.0
    painted_per_second: float = 0.0
    calibrated: bool = False

    def __str__(self) -> str:
        if not self.calibrated:
            return "look ahead calmly ..."
        return (
            f"latency {1e3 * self.latency:.0f} ms (at most {1e3 * self.worst_latency:.0f}), "
            f"{self.painted_per_second:.1f} painted/s, {self.dropped} dropped"
        )


class LiveSession:
    """Paint the newest frame of a capture in one thread, and show what is painted at a fixed rate in this one.

    Args:
        animator ([`LiveAnimator`]): What paints.
        capture ([`LiveCapture`]): What drives; entered already.
        outputs (`Sequence[LiveOutput]`): Where frames go; entered already.
        fps (`float`): Frames shown per second; between painted ones, the last one is repeated.
    """

    def __init__(
        self, animator: LiveAnimator, capture: LiveCapture, outputs: Sequence[LiveOutput], fps: float
    ) -> None:
        self.animator, self.capture, self.outputs, self.fps = animator, capture, outputs, fps
        self._picture: np.ndarray | None = None
        self._source: Captured | None = None
        self._painted = self._shown = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._error: BaseException | None = None
        self._stop, self._first = threading.Event(), threading.Event()

    def run(
        self, seconds: float | None = None, progress: Callable[[LiveStatistics], object] = lambda found: None
    ) -> LiveStatistics:
        """Until the driver ends, `seconds` have passed, or the user stops it (Ctrl-C).

        Args:
            seconds (`float`, *optional*): Longest time.
            progress (`Callable`, *optional*): Called after every frame that is shown.

        Raises:
            VideoError: if the driver gives no frame, or an output fails.
        """
        painter = threading.Thread(target=self._paint, name="adaat-live", daemon=True)
        painter.start()
        try:
            self._show_until(seconds, progress)
        except KeyboardInterrupt:
            pass  # the usual end
        finally:
            self._stop.set()
            self.capture.close()
            painter.join()
        if self._error is not None:
            raise self._error
        return self.statistics()

    def statistics(self) -> LiveStatistics:
        """See [`LiveStatistics`]."""
        recent = list(self._recent)
        delays = sorted(shown - came for came, shown in recent)
        span = recent[-1][1] - recent[0][1] if len(recent) > 1 else 0.0
        number = -1 if self._source is None else self._source.number
        return LiveStatistics(
            self._shown, self._painted, max(0, number + 1 - self._painted), delays[len(delays) // 2] if delays else 0.0,
            delays[-1] if delays else 0.0, (len(recent) - 1) / span if span else 0.0, self.animator.calibrated,
        )  # fmt: skip

    def _paint(self) -> None:
        last: Captured | None = None
        try:
            while not self._stop.is_set():
                frame = self.capture.next(-1 if last is None else last.number)
                if frame is None or self._stop.is_set():
                    break
                picture = self.animator(frame.picture, 1.0 if last is None else frame.time - last.time)
                self._picture, self._source, last = picture, frame, frame
                self._painted += 1
                self._first.set()
        except BaseException as error:
            self._error = error
        finally:
            self._stop.set()
            self._first.set()

    def _show_until(self, seconds: float | None, progress: Callable[[LiveStatistics], object]) -> None:
        self._first.wait()
        started, last = time.monotonic(), None
        while not self._stop.is_set() and (seconds is None or self._shown < seconds * self.fps):
            if self._stop.wait(max(0.0, started + self._shown / self.fps - time.monotonic())):
                break
            picture, source = self._picture, self._source
            assert picture is not None and source is not None
            status = str(self.statistics())
            for output in self.outputs:
                output.show(picture, status)
            if source is not last:
                self._recent.append((source.time, time.monotonic()))
                last = source
            self._shown += 1
            progress(self.statistics())


__all__ = ["LiveSession", "LiveStatistics"]
