"""When what waits in the spool is sent, in which order, and when it is let go of; the clock stands still between."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cargo
import pytest
from cargo import NODE, closed, end_s
from structlog.testing import capture_logs

from agent.ship.answer import Answer, NotNowError, Outcome
from agent.ship.packing import Packer, encoded
from agent.ship.sender import BACKOFF_FIRST_S, BACKOFF_LAST_S, Sender, Sending, offset_of
from agent.spool.spool import Spool
from kinwatch.wire import decode

OFFSET_S = 12.0
STORED = Answer(outcome=Outcome.STORED)
DUPLICATE = Answer(outcome=Outcome.DUPLICATE)
REFUSED = Answer(outcome=Outcome.REFUSED, problem="HTTP 422, no")


class Course:
    """A clock that goes on only while the sender waits, and an aggregator that answers as it is told to."""

    def __init__(self, spool: Spool, *, begin_s: float) -> None:
        self.spool = spool
        self.wall_s = begin_s
        self.answers: list[Answer | NotNowError] = []
        """The next ones; STORED after them."""
        self.sent: list[tuple[int, float]] = []
        """Sequence, and when."""
        self.waiting: list[int] = []
        """How many waited when each was sent."""
        self.rests_s: list[float] = []
        self.renewed = 0
        self.lost: Counter[str] = Counter()
        self.between: list[tuple[float, float]] = []
        self.on_rest: Callable[[], None] = lambda: None
        self.sender = Sender(
            spool,
            self,
            offset_s=OFFSET_S,
            window_s=cargo.WINDOW_S,
            spooled=threading.Event(),
            lose=lambda what: self.lost.update([what]),
            wall_s=lambda: self.wall_s,
            wait=self._wait,
            between=self._between,
        )

    def run(self) -> Sequence[int]:
        """Send until nothing waits; the sequences that were sent."""
        self.sender.run()
        return [sequence for sequence, _ in self.sent]

    def send(self, body: bytes) -> Answer:
        self.sent.append((decode(body).key.sequence, self.wall_s))
        self.waiting.append(self.spool.state(now_s=self.wall_s).records)
        answer = self.answers.pop(0) if self.answers else STORED
        if isinstance(answer, NotNowError):
            raise answer
        return answer

    def renew(self) -> None:
        self.renewed += 1

    def _wait(self, event: threading.Event, seconds: float) -> None:
        if self.spool.oldest() is None:
            self.sender.finish(0)
            return
        assert not event.is_set()
        self.rests_s.append(seconds)
        self.wall_s += seconds
        self.on_rest()

    def _between(self, least: float, most: float) -> float:
        self.between.append((least, most))
        return most


@pytest.fixture(name="course")
def _course(tmp_path: Path) -> Iterator[Course]:
    """At the end of window 0, with an empty spool."""
    with cargo.opened(tmp_path) as spool:
        yield Course(spool, begin_s=end_s(0))


def spool_windows(course: Course, *numbers: int) -> None:
    """Batches of these windows wait."""
    packer = Packer(cargo.names, last_end_s=None)
    for number in numbers:
        (parcel,) = packer.closed(closed(number), more_lost={})
        course.spool.append(
            lambda ticket, parcel=parcel: encoded(parcel, ticket, node=NODE, agent_version="1"),  # type: ignore[misc]
            until_s=parcel.until_s,
            now_s=course.wall_s,
        )


def not_now(retry_after_s: float = 0.0, *, lasting: bool = False) -> NotNowError:
    return NotNowError("the store is full", remedy="make room", lasting=lasting, retry_after_s=retry_after_s)


# --- Order, and when it is let go of --------------------------------------------------------------------------------


def test_what_waits_is_sent_in_order(course: Course) -> None:
    spool_windows(course, -3, -2, -1, 0)
    assert course.run() == [1, 2, 3, 4]
    assert course.sender.counts == {"stored": 4}
    assert course.spool.oldest() is None


def test_batch_is_let_go_of_after_the_answer_only(course: Course) -> None:
    spool_windows(course, -3, -2, -1)
    course.run()
    assert course.waiting == [3, 2, 1]


def test_batch_that_fails_is_sent_again_before_the_next(course: Course) -> None:
    spool_windows(course, -2, -1)
    course.answers = [not_now(), not_now(), STORED]
    assert course.run() == [1, 1, 1, 2]
    assert course.waiting == [2, 2, 2, 1]
    assert course.sender.counts == {"failed": 2, "stored": 2}


def test_duplicate_is_delivered(course: Course) -> None:
    """The aggregator has it: the acknowledgement was lost, or the agent killed before it took it down."""
    spool_windows(course, -2, -1)
    course.answers = [DUPLICATE]
    assert course.run() == [1, 2]
    assert course.sender.counts == {"duplicate": 1, "stored": 1}
    assert not course.lost


def test_refused_batch_is_dropped_and_said(course: Course) -> None:
    """In the log, in the metrics, and by the next batch: `lose` has it counted there."""
    spool_windows(course, -2, -1)
    course.answers = [REFUSED]
    with capture_logs() as logs:
        assert course.run() == [1, 2]
    assert course.lost == {"refused": 1}
    assert course.sender.counts == {"refused": 1, "stored": 1}
    (line,) = [one for one in logs if one["event"] == "batch_refused"]
    assert (line["sequence"], line["problem"], line["log_level"]) == (1, REFUSED.problem, "error")


# --- Its moment -----------------------------------------------------------------------------------------------------


def test_batch_is_sent_at_the_moment_of_this_node_in_the_window_after(course: Course) -> None:
    spool_windows(course, 0)
    course.run()
    assert course.sent == [(1, end_s(0) + OFFSET_S)]


def test_what_has_waited_longer_is_sent_at_once(course: Course) -> None:
    spool_windows(course, -100, -99, -98, 0)
    course.run()
    assert [at_s - end_s(0) for _, at_s in course.sent] == [0, 0, 0, OFFSET_S]


@pytest.mark.parametrize("back_s", [cargo.WINDOW_S, 3600, 10 * 365 * 86400])
def test_clock_that_was_set_back_does_not_delay_for_ever(course: Course, back_s: float) -> None:
    """A batch from what is now the future goes at once."""
    spool_windows(course, 0)
    course.wall_s -= back_s
    course.run()
    assert course.rests_s == []
    assert len(course.sent) == 1


def test_clock_that_is_set_back_meanwhile_delays_by_less_than_a_window(course: Course) -> None:
    spool_windows(course, 0)
    course.wall_s -= 10
    course.run()
    assert sum(course.rests_s) == OFFSET_S + 10 < cargo.WINDOW_S


def test_clock_that_jumps_back_with_each_rest_still_lets_it_go(course: Course) -> None:
    spool_windows(course, 0)

    def jump() -> None:
        course.wall_s -= 100

    course.on_rest = jump
    course.run()
    assert sum(course.rests_s) <= cargo.WINDOW_S


def test_moments_of_1000_nodes_are_spread_evenly() -> None:
    """In each second of a window of 30 s there are 33 on average; 8 more or less are two thirds of chance's worst."""
    names = [f"ip-10-0-{number // 256}-{number % 256}.eu-central-1.compute.internal" for number in range(1000)]
    for window_s in (30.0, 1.0, 600.0):
        moments = [offset_of(name, window_s=window_s) / window_s for name in names]
        assert all(0 <= moment < 1 for moment in moments)
        parts = Counter(int(moment * 10) for moment in moments)
        assert all(70 <= parts[part] <= 130 for part in range(10)), parts
    seconds = Counter(int(offset_of(name, window_s=30.0)) for name in names)
    assert max(seconds.values()) <= 33 + 20


def test_moment_of_a_node_is_always_the_same() -> None:
    assert offset_of("node-1", window_s=30.0) == offset_of("node-1", window_s=30.0)
    assert offset_of("node-1", window_s=60.0) == 2 * offset_of("node-1", window_s=30.0)


# --- Backing off ----------------------------------------------------------------------------------------------------


def test_attempts_come_ever_more_seldom_up_to_a_minute(course: Course) -> None:
    spool_windows(course, -1)
    course.answers = [not_now() for _ in range(9)]
    course.run()
    assert course.rests_s == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_attempts_of_many_nodes_are_spread(course: Course) -> None:
    """Each waits between half of the time and all of it, as chance has it."""
    spool_windows(course, -1)
    course.answers = [not_now() for _ in range(9)]
    course.run()
    assert course.between == [(most / 2, most) for most in course.rests_s]
    assert all(least >= BACKOFF_FIRST_S / 2 and most <= BACKOFF_LAST_S for least, most in course.between)


def test_failure_for_days_is_no_overflow(course: Course) -> None:
    spool_windows(course, -1)
    course.answers = [not_now() for _ in range(3000)]
    course.run()
    assert max(course.rests_s) == BACKOFF_LAST_S


def test_success_begins_backing_off_anew(course: Course) -> None:
    spool_windows(course, -3, -2, -1)
    course.answers = [not_now(), not_now(), STORED, not_now()]
    course.run()
    assert course.rests_s == [1, 2, 1]


def test_retry_after_is_honoured_where_it_is_longer(course: Course) -> None:
    spool_windows(course, -1)
    course.answers = [not_now(30), not_now(30), not_now(1), not_now(0)]
    course.run()
    assert course.rests_s == [30, 30, 4, 8]


@pytest.mark.parametrize(
    ("answer", "renewed"),
    [(STORED, 0), (REFUSED, 0), (not_now(), 1), (not_now(5), 0), (not_now(5, lasting=True), 1)],
    ids=["stored", "refused", "failed", "asked to wait", "not let in"],
)
def test_connection_is_made_anew_unless_it_is_well(course: Course, answer: Answer | NotNowError, renewed: int) -> None:
    """An aggregator that has too much to do isn't helped by a thousand handshakes more."""
    spool_windows(course, -1)
    course.answers = [answer]
    course.run()
    assert course.renewed == renewed


# --- What it says of itself -----------------------------------------------------------------------------------------


def test_why_nothing_is_sent_is_told_as_long_as_it_is_so(course: Course) -> None:
    spool_windows(course, -1)
    course.answers = [not_now(lasting=True)]
    said: list[Sending] = []
    course.on_rest = lambda: said.append(course.sender.sending)
    course.run()
    assert said == [Sending(problem="the store is full", remedy="make room", lasting=True)]
    assert course.sender.sending == Sending()


def test_lasting_failure_is_logged_once_and_its_end_too(course: Course) -> None:
    spool_windows(course, -2, -1)
    course.answers = [not_now(), not_now(), not_now()]
    with capture_logs() as logs:
        course.run()
    assert [one["event"] for one in logs] == ["aggregator_not_reached", "aggregator_reached"]


# --- The end --------------------------------------------------------------------------------------------------------


class Threaded:
    """An aggregator for a sender in its own thread: `gate` lets it answer."""

    def __init__(self, failure: NotNowError | None = None) -> None:
        self.gate = threading.Event()
        self.asked = threading.Semaphore(0)
        self.failure = failure
        self.sent = 0

    def send(self, body: bytes) -> Answer:
        self.sent += bool(body)
        self.asked.release()
        self.gate.wait()
        if self.failure:
            raise self.failure
        return STORED

    def renew(self) -> None: ...


def threaded(spool: Spool, receiver: Threaded, *, wall_s: float = end_s(0)) -> Sender:
    sender = Sender(
        spool,
        receiver,
        offset_s=OFFSET_S,
        window_s=cargo.WINDOW_S,
        spooled=threading.Event(),
        lose=lambda _: None,
        wall_s=lambda: wall_s,
    )
    sender.start()
    return sender


def test_at_the_end_all_is_sent_without_waiting_for_its_moment(course: Course) -> None:
    spool_windows(course, -1, 0)
    receiver = Threaded()
    receiver.gate.set()
    sender = threaded(course.spool, receiver)
    assert sender.finish(30)
    assert receiver.sent == 2
    assert course.spool.oldest() is None


def test_end_does_not_wait_for_an_aggregator_that_hangs(course: Course) -> None:
    """What is not acknowledged waits for the next life."""
    spool_windows(course, -1, 0)
    receiver = Threaded()
    sender = threaded(course.spool, receiver)
    assert receiver.asked.acquire(timeout=30)
    assert not sender.finish(0.05)
    assert course.spool.state(now_s=end_s(0)).records == 2
    receiver.gate.set()
    assert sender.finish(30)


def test_end_does_not_wait_for_an_aggregator_that_is_away(course: Course) -> None:
    """One failure is enough, and a rest that was begun is broken off, be it as long as it will."""
    spool_windows(course, -1, 0)
    receiver = Threaded(not_now(300))
    receiver.gate.set()
    sender = threaded(course.spool, receiver)
    assert receiver.asked.acquire(timeout=30)
    assert sender.finish(30)
    assert receiver.sent == 1
    assert course.spool.state(now_s=end_s(0)).records == 2


def test_bug_in_the_thread_is_heard(course: Course) -> None:
    """By the loop, which asks some times a second."""

    class Broken(Threaded):
        def send(self, body: bytes) -> Answer:
            self.asked.release()
            raise ZeroDivisionError(body)

    spool_windows(course, -1)
    receiver: Any = Broken()
    sender = threaded(course.spool, receiver)
    assert receiver.asked.acquire(timeout=30)
    assert not sender.finish(0.05)
    with pytest.raises(ZeroDivisionError):
        sender.check()
