"""Stages at the same time: order, bounds, errors, and giving up."""

import threading
import time

import pytest

from adaat_hf.overlap import read_ahead, work_behind


def numbers(count, made, fail_at=None):
    for number in range(count):
        if number == fail_at:
            raise RuntimeError(f"item {number}")
        made.append(number)
        yield number


def own_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("adaat-read", "adaat-work"))]


def test_items_come_in_order_and_are_made_ahead():
    made = []
    items = read_ahead(numbers(20, made), depth=4)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3, 4], "one was taken, four wait"
    assert list(items) == list(range(1, 20))
    assert not own_threads()


def test_an_error_of_the_items_comes_where_it_happened():
    items = read_ahead(numbers(10, [], fail_at=3), depth=8)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="item 3"):
        next(items)
    assert not own_threads()


def test_giving_up_closes_what_makes_the_items():
    closed = []

    def frames():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    items = read_ahead(frames(), depth=4)
    next(items)
    items.close()
    assert closed and not own_threads()


def test_stages_run_beside_the_items():
    """Items, first and second stage meet at a barrier, which none could pass if they took turns."""
    meeting = threading.Barrier(3, timeout=20)

    def items():
        for number in range(6):
            if number >= 2:
                meeting.wait()
            yield number

    def first(number):
        if 1 <= number < 5:
            meeting.wait()
        return 10 * number

    results = []

    def second(number):
        if number < 40:
            meeting.wait()
        results.append(number)

    work_behind(items(), first, second, depth=4)
    assert results == [0, 10, 20, 30, 40, 50]


def test_no_more_than_depth_items_are_on_their_way():
    made, seen = [], []

    def slow(number):
        time.sleep(0.01)
        seen.append(len(made) - number)

    work_behind(numbers(30, made), slow, depth=3)
    assert len(seen) == 30 and max(seen) <= 4


@pytest.mark.parametrize("stage", [0, 1])
def test_an_error_of_a_stage_stops_everything(stage):
    made, written = [], []

    def breaking(number):
        if number == 5:
            raise OSError("the disk is full")
        return number

    stages = [lambda number: number, written.append]
    stages[stage] = breaking
    with pytest.raises(OSError, match="the disk is full"):
        work_behind(numbers(10_000, made), *stages, depth=4)
    assert len(made) < 100 and not own_threads()


def test_an_error_of_the_items_stops_the_stages():
    written = []
    with pytest.raises(RuntimeError, match="item 7"):
        work_behind(numbers(10, [], fail_at=7), written.append, depth=4)
    assert written == list(range(len(written))) and not own_threads()
