"""
Decode the batches that arrive, store many of them at once, and answer each.

Flow: batches -> **intake** -> store, judging. Two threads: one decodes, one stores what is decoded by then in one
transaction, so that a slow disk costs one wait for many batches. Bounded: so many batches wait at once, GROUP of them
decoded; one more is refused as Behind. What was taken is answered, also when the aggregator stops.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from aggregator.auth.refused import AuthError
from aggregator.auth.values import Principal, speaks_for
from aggregator.serve.refused import Refused, no_batch, not_stored, stopping
from aggregator.serve.worker import Worker
from aggregator.store.faults import StoreError
from aggregator.store.values import Outcome, Received
from kinwatch.batch import Batch
from kinwatch.wire import LIMITS, Limits, Refusal, WireError, decode

GROUP: Final = 64
"""Batches in one transaction, at most, and decoded ones that wait for it: about 0.5 MB each in Python."""


class Storing(Protocol):
    """Where batches are kept: the store, as far as it is asked here."""

    def add(self, received: Sequence[Received]) -> Sequence[Outcome]:
        """Keep batches in one transaction; raises StoreError, and has then kept none."""


class Behind(Exception):  # noqa: N818 - named by what is so, not by being an error
    """As many batches wait as may; `wait_s` is how long one waits about."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"{wait_s:.1f} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A body that came, and who waits for the answer."""

    body: bytes
    received_at: datetime
    principal: Principal
    """Who sent it."""
    answer: Future[Outcome] = field(default_factory=Future)
    """A Refused, or an AuthError, if it is not stored."""
    since_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoded:
    arrival: Arrival
    batch: Batch
    received: Received


@dataclass(slots=True, kw_only=True)
class StoreState:
    """How the store last did; read from any thread."""

    fault: StoreError | None = None
    """Why it did not store, the last time that it was asked to; None if it did."""
    fault_s: float = 0.0
    """When, on the monotonic clock."""


class Intake:
    """The threads between the network and the store."""

    def __init__(
        self,
        store: Storing,
        on_stored: Callable[[Batch], None],
        *,
        arrived: int,
        on_death: Callable[[], None],
        limits: Limits = LIMITS,
    ) -> None:
        """`on_stored` must not block; `on_death` is called if a thread ends by a bug, which `check` then raises."""
        self.state = StoreState()
        self._store, self._on_stored, self._limits, self._on_death = store, on_stored, limits, on_death
        self._most = arrived
        self._pending: set[Future[Outcome]] = set()
        self._is_dead = False
        self._arrived: queue.SimpleQueue[Arrival | None] = queue.SimpleQueue()
        self._decoded: queue.Queue[_Decoded | None] = queue.Queue(GROUP)
        self._took_s = 0.0
        self._answered_s = time.monotonic()
        self._decoding = Worker(self._decode_all, name="decode", on_death=self._died)
        self._writing = Worker(self._write_all, name="write", on_death=self._died)

    @property
    def waiting(self) -> int:
        """Batches that were taken and are not answered."""
        return len(self._pending)

    def start(self) -> None:
        """Begin to take batches."""
        self._decoding.start()
        self._writing.start()

    def take(self, arrival: Arrival) -> None:
        """Promise an answer; raises Behind if too many wait. For one thread only."""
        if len(self._pending) >= self._most:
            raise Behind(max(self._took_s, time.monotonic() - self._answered_s))
        self._pending.add(arrival.answer)
        arrival.answer.add_done_callback(self._pending.discard)
        self._arrived.put(arrival)
        if self._is_dead:
            self._answer_all()

    def stop(self, timeout_s: float) -> None:
        """Store and answer what was taken, and end; whoever comes later is never answered."""
        self._arrived.put(None)
        self._decoding.join(timeout_s)
        self._writing.join(timeout_s)

    def check(self) -> None:
        """Raise what a thread has ended with, if one has."""
        self._decoding.check()
        self._writing.check()

    # --- decoding ---------------------------------------------------------------------------------------------------

    def _decode_all(self) -> None:
        while (arrival := self._arrived.get()) is not None:
            if arrival.answer.done():
                continue  # who sent it has gone, and will send it again; or the other thread has died
            try:
                decoded = self._decode(arrival)
            except (Refused, AuthError) as refused:
                self._tell(arrival, refused)
            else:
                self._decoded.put(decoded)
        self._decoded.put(None)

    def _decode(self, arrival: Arrival) -> _Decoded:
        try:
            batch = decode(arrival.body, limits=self._limits)
            received = _received(arrival, batch)
        except WireError as error:
            raise no_batch(error) from error
        speaks_for(arrival.principal, batch.key.node)
        return _Decoded(arrival=arrival, batch=batch, received=received)

    # --- storing ----------------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        while group := self._group():
            self._write(group)

    def _group(self) -> list[_Decoded]:
        """What is decoded by now, of which there is one at least; nothing at the end."""
        group: list[_Decoded] = []
        one = self._decoded.get()
        while one is not None:
            group.append(one)
            if len(group) == GROUP or self._decoded.empty():
                return group
            one = self._decoded.get()
        if group:
            self._decoded.put(None)  # the end is for the next time
        return group

    def _write(self, group: Sequence[_Decoded]) -> None:
        try:
            outcomes = self._store.add([one.received for one in group])
        except StoreError as error:
            self.state.fault, self.state.fault_s = error, time.monotonic()
            for one in group:
                self._tell(one.arrival, not_stored(error))
            return
        self.state.fault = None
        for one, outcome in zip(group, outcomes, strict=True):
            self._tell(one.arrival, outcome)
            if outcome is Outcome.STORED:
                self._on_stored(one.batch)

    # --- answering --------------------------------------------------------------------------------------------------

    def _tell(self, arrival: Arrival, said: Outcome | Exception) -> None:
        self._answered_s = time.monotonic()
        self._took_s = self._answered_s - arrival.since_s
        with contextlib.suppress(InvalidStateError):  # who waited has gone, or the other thread died just now
            if isinstance(said, Exception):
                arrival.answer.set_exception(said)
            else:
                arrival.answer.set_result(said)

    def _died(self) -> None:
        self._is_dead = True
        self._answer_all()
        self._on_death()

    def _answer_all(self) -> None:
        """Leave nobody waiting for an answer that will never come."""
        for answer in list(self._pending):
            with contextlib.suppress(InvalidStateError):  # answered just now by the thread that lives
                answer.set_exception(stopping())


def _received(arrival: Arrival, batch: Batch) -> Received:
    try:
        return Received(
            key=batch.key,
            window=batch.window,
            late=batch.late,
            body=arrival.body,
            received_at=arrival.received_at,
            authenticated_as=arrival.principal.name,
        )
    except ValueError as error:
        raise WireError(Refusal.VALUE, str(error)) from error
