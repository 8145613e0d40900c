"""Between the network and the store: bounded, in groups, and with an answer for each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest
from batching import batch, body
from running import wait_for

from aggregator.auth.refused import AuthError
from aggregator.auth.values import Principal, Via
from aggregator.serve.intake import GROUP, Arrival, Behind, Intake
from aggregator.serve.refused import Refused
from aggregator.store.faults import StoreFull
from aggregator.store.values import Outcome, Received
from kinwatch.batch import Batch

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Memory:
    """A store in memory, which waits until it is let go on, and raises what it is told to."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.may_go_on = threading.Event()
        self.raises: Exception | None = None

    def add(self, received: Sequence[Received]) -> Sequence[Outcome]:
        self.may_go_on.wait(10)
        self.groups.append(len(received))
        if self.raises:
            raise self.raises
        return [Outcome.STORED] * len(received)


class Taken:
    """An intake with its store, and what it told."""

    def __init__(self, *, arrived: int = 100) -> None:
        self.store, self.told, self.deaths = Memory(), list[Batch](), list[bool]()
        self.intake = Intake(self.store, self.told.append, arrived=arrived, on_death=lambda: self.deaths.append(True))
        self.intake.start()

    def take(self, sent: bytes, *, node: str | None = None) -> Future[Outcome]:
        arrival = Arrival(body=sent, received_at=NOW, principal=Principal(name="x", node=node, via=Via.STATIC_TOKEN))
        self.intake.take(arrival)
        return arrival.answer


def test_what_waits_is_stored_together() -> None:
    """While the store is at the first, others gather; no more than GROUP go at once, and all are answered."""
    taken = Taken(arrived=200)
    answers = [taken.take(body(number)) for number in range(1, 131)]
    wait_for(taken.intake._decoded.full, "a group to be decoded")
    taken.store.may_go_on.set()
    assert [answer.result(10) for answer in answers] == [Outcome.STORED] * 130
    assert max(taken.store.groups) == GROUP
    assert taken.told == [batch(number) for number in range(1, 131)]


def test_more_than_may_wait_are_refused_with_how_long_it_takes() -> None:
    taken = Taken(arrived=3)
    answers = [taken.take(body(number)) for number in (1, 2, 3)]
    with pytest.raises(Behind) as behind:
        taken.take(body(4))
    assert behind.value.wait_s >= 0
    taken.store.may_go_on.set()
    assert all(answer.result(10) is Outcome.STORED for answer in answers)
    wait_for(lambda: taken.intake.waiting == 0, "the room to be given back")
    assert taken.take(body(4)).result(10) is Outcome.STORED


def test_a_full_store_is_told_to_each_and_then_it_goes_on() -> None:
    taken = Taken()
    taken.store.raises = StoreFull("full", remedy="make room")
    taken.store.may_go_on.set()
    with pytest.raises(Refused, match="507 store_full"):
        taken.take(body(1)).result(10)
    assert taken.intake.state.fault is taken.store.raises
    taken.store.raises = None
    assert taken.take(body(1)).result(10) is Outcome.STORED
    assert taken.intake.state.fault is None


def test_one_that_is_no_batch_spoils_no_other() -> None:
    taken = Taken()
    taken.store.may_go_on.set()
    answers = [taken.take(body(1)), taken.take(b"garbage"), taken.take(body(2), node="z"), taken.take(body(3))]
    assert [answers[0].result(10), answers[3].result(10)] == [Outcome.STORED] * 2
    with pytest.raises(Refused, match="400 frame"):
        answers[1].result(10)
    with pytest.raises(AuthError, match="speak for the node z"):
        answers[2].result(10)


def test_whoever_has_gone_is_not_stored() -> None:
    """It will send the batch again."""
    taken = Taken()
    first, gone = taken.take(body(1)), taken.take(body(2))
    gone_in_time = gone.cancel()
    taken.store.may_go_on.set()
    assert first.result(10) is Outcome.STORED
    taken.intake.stop(10)
    assert (len(taken.told) == 1) == gone_in_time


def test_the_end_waits_for_what_was_taken() -> None:
    taken = Taken()
    answers = [taken.take(body(number)) for number in range(1, 21)]
    taken.store.may_go_on.set()
    taken.intake.stop(10)
    assert all(answer.result(0) is Outcome.STORED for answer in answers)
    taken.intake.check()


def test_a_bug_leaves_nobody_waiting_and_is_heard() -> None:
    """Those who wait, and those who come later, are told that it stops; `check` raises what it was."""
    taken = Taken()
    taken.store.raises = ZeroDivisionError()
    answers = [taken.take(body(number)) for number in range(1, 6)]
    taken.store.may_go_on.set()
    for answer in answers:
        with pytest.raises(Refused, match="503 stopping"):
            answer.result(10)
    wait_for(lambda: taken.deaths, "the death to be told")
    with pytest.raises(Refused, match="503 stopping"):
        taken.take(body(9)).result(10)
    with pytest.raises(ZeroDivisionError):
        taken.intake.check()
