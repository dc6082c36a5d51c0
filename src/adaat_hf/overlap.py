"""Stages that work at the same time, each in a thread of its own, with a bounded number of items between them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar


Item = TypeVar("Item")
_END: Any = object()


def read_ahead(items: Iterable[Item], depth: int = 8) -> Iterator[Item]:
    """Iterate, while up to `depth` of the next items are made in a thread.

    Errors of the items are raised where they would have been. When the iteration is given up, so are the items.

    Args:
        items (`Iterable`): What to iterate over.
        depth (`int`, *optional*, defaults to 8): Most items that wait.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, "adaat-read-ahead") as thread:
        waiting = deque(thread.submit(next, iterator, _END) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, iterator, _END))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)
            if hasattr(iterator, "close"):
                iterator.close()


def work_behind(items: Iterable[Any], *stages: Callable[[Any], Any], depth: int = 8) -> None:
    """Pass every item through stages in order, each in its thread, while the next items are made in this one.

    After an error of an item or a stage, items that have not begun a stage are dropped, and the error is raised; stages never run
    on after the call has returned.

    Args:
        items (`Iterable`): Made in the calling thread.
        stages (`Callable`): Each gets what the one before returns; the first one gets the items.
        depth (`int`, *optional*, defaults to 8): Most items that are on their way.
    """
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1, "adaat-work-behind")) for _ in stages]
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                if len(waiting) >= depth:
                    waiting.popleft().result()
                done: Future[Any] = threads[0].submit(stages[0], item)
                for thread, stage in zip(threads[1:], stages[1:], strict=True):
                    done = thread.submit(_after, done, stage)
                waiting.append(done)
            for done in waiting:
                done.result()
        finally:
            for thread in threads:
                thread.shutdown(cancel_futures=True)


def _after(previous: Future[Any], stage: Callable[[Any], Any]) -> Any:
    return stage(previous.result())
