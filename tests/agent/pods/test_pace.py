"""The pace is slow in steady state, quick while a container awaits its name, and over when it is stopped."""

from __future__ import annotations

import threading

import pytest

from agent.pods.pace import HURRIED_S, STEADY_S, Pace

LONG_S = 3600.0
"""Longer than any test: where it is waited for, the test fails by its time limit."""


def started(pace: Pace, *, waits: int = 1) -> threading.Thread:
    """A thread that waits so many times."""
    thread = threading.Thread(target=lambda: [pace.wait() for _ in range(waits)], daemon=True)
    thread.start()
    return thread


def is_waiting_on(thread: threading.Thread) -> bool:
    """Whether it does not end by itself; looked at for a moment, which is never too short for a test that holds."""
    thread.join(0.05)
    return thread.is_alive()


@pytest.mark.timeout(20)
def test_wait_ends_by_itself() -> None:
    Pace(steady_s=0.002, hurried_s=0.001).wait()


@pytest.mark.timeout(20)
def test_hurry_ends_the_wait_of_another_thread() -> None:
    pace = Pace(steady_s=LONG_S, hurried_s=0)
    waiting = started(pace)
    pace.hurry()
    waiting.join()


@pytest.mark.timeout(20)
def test_hurry_that_came_before_the_wait_counts() -> None:
    """A container may come to light while the kubelet is being asked: that answer may be too old for it."""
    pace = Pace(steady_s=LONG_S, hurried_s=0)
    pace.hurry()
    pace.wait()


def test_hurry_counts_once() -> None:
    pace = Pace(steady_s=LONG_S, hurried_s=0)
    pace.hurry()
    waiting = started(pace, waits=2)
    assert is_waiting_on(waiting)
    pace.stop()
    waiting.join()


def test_hurry_does_not_cut_the_shortest_wait() -> None:
    """However often it is called, the kubelet is asked no more than once a second."""
    pace = Pace(steady_s=LONG_S, hurried_s=LONG_S)
    pace.hurry()
    waiting = started(pace)
    assert is_waiting_on(waiting)
    pace.stop()
    waiting.join()


def test_hurry_does_not_cut_a_rest() -> None:
    """As the one that an overloaded server asked for."""
    pace = Pace()
    pace.hurry()
    resting = threading.Thread(target=pace.rest, args=(LONG_S,), daemon=True)
    resting.start()
    assert is_waiting_on(resting)
    pace.stop()
    resting.join()


@pytest.mark.timeout(20)
def test_nothing_waits_when_it_is_over() -> None:
    """However often it is asked to."""
    pace = Pace(steady_s=LONG_S, hurried_s=LONG_S / 2)
    assert not pace.stopped
    pace.stop()
    assert pace.stopped
    for _ in range(3):
        pace.wait()
        pace.rest(LONG_S)


def test_steady_state_is_slower_than_hurry() -> None:
    assert STEADY_S > HURRIED_S
