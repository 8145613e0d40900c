"""
Send what waits in the spool, in order, until the aggregator has it.

Flow: spool -> **sender** -> aggregator. A thread of its own. Nodes don't send at the same moment: each has its own
place in the window after the one that a batch is of.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from agent.beside import Beside
from agent.ship.answer import Answer, NotNowError, Outcome
from agent.spool.spool import Spool
from agent.spool.values import Record

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_LAST_S: Final = 60.0
"""Between two attempts, in seconds: doubled each time, and each time somewhere between half of it and all."""
IDLE_S: Final = 1.0
"""How often the spool is looked at when nobody says that something was put in, in seconds."""

log = structlog.get_logger()


class Receiver(Protocol):
    """Who takes batches; the aggregator."""

    def send(self, body: bytes) -> Answer:
        """Send a batch; raises NotNowError when it is to be sent again later."""

    def renew(self) -> None:
        """Begin with fresh credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How it goes."""

    problem: str = ""
    """Why nothing is sent now; empty if all is well."""
    remedy: str = ""
    lasting: bool = False
    """Whether it will not pass by itself."""


class Sender:
    """Sends what waits."""

    def __init__(
        self,
        spool: Spool,
        receiver: Receiver,
        *,
        offset_s: float,
        window_s: float,
        spooled: threading.Event,
        lose: Callable[[str], None],
        wall_s: Callable[[], float],
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        between: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """
        `offset_s` after its window's end is when this node sends; `lose` hears of batches that were refused.

        `wait` waits for an event, but not for longer than so many seconds; `between` is a random number.
        """
        self._spool = spool
        self._receiver = receiver
        self._offset_s = offset_s
        self._window_s = window_s
        self._spooled = spooled
        self._lose = lose
        self._wall_s = wall_s
        self._wait = wait
        self._between = between
        self._ending = threading.Event()
        self._stopped = threading.Event()
        self._beside = Beside(self.run, name="sender")
        self._failures = 0
        self.counts: Counter[str] = Counter()
        """Batches by outcome, and attempts that `failed`."""
        self.sending = Sending()
        """Read from other threads; replaced as a whole."""

    def start(self) -> None:
        """Begin."""
        self._beside.start()

    def check(self) -> None:
        """Raise what it has ended with, if it has."""
        self._beside.check()

    def finish(self, timeout_s: float) -> bool:
        """Send what waits without further delay, and end; False if it can't be done in time: it waits in the spool."""
        self._ending.set()
        self._spooled.set()
        return self._stopped.wait(timeout_s)

    def run(self) -> None:
        """What `start` does in its thread: send until `finish`."""
        while not (self._ending.is_set() and (self._spool.oldest() is None or self._failures)):
            record = self._spool.oldest()
            if record is None:
                self._rest(IDLE_S, until=self._spooled)
            elif (early_s := self._due_s(record) - self._wall_s()) > 0:
                self._rest(early_s, until=self._ending)
            else:
                self._attempt(record)
        self._stopped.set()

    def _due_s(self, record: Record) -> float:
        """When a batch is to be sent: at this node's moment after its window; what has waited longer, at once."""
        due_s = record.until_s + self._offset_s
        # A clock that was set back does not make a batch wait for longer than its window.
        return 0.0 if self._ending.is_set() or due_s - self._wall_s() > self._window_s else due_s

    def _attempt(self, record: Record) -> None:
        try:
            answer = self._receiver.send(record.body)
        except NotNowError as error:
            self._failed(error)
            return
        self._failures = 0
        self.counts[answer.outcome.value] += 1
        self._note(Sending())
        if answer.outcome is Outcome.REFUSED:
            self._lose("refused")
            log.error(
                "batch_refused",
                boot=record.incarnation,
                sequence=record.sequence,
                problem=answer.problem,
                remedy="upgrade the older of agent and aggregator; the batch is dropped, and the next one says so",
            )
        self._spool.acknowledge(record)

    def _failed(self, error: NotNowError) -> None:
        self._failures += 1
        self.counts["failed"] += 1
        self._note(Sending(problem=error.problem, remedy=error.remedy, lasting=error.lasting))
        if (
            error.lasting or not error.retry_after_s
        ):  # else it answers well, and a thousand handshakes would not help it
            self._receiver.renew()
        longest_s = min(BACKOFF_FIRST_S * 2 ** min(self._failures - 1, 16), BACKOFF_LAST_S)
        backoff_s = self._between(longest_s / 2, longest_s)
        self._rest(max(backoff_s, error.retry_after_s), until=self._ending)

    def _note(self, sending: Sending) -> None:
        """Keep how it goes up to date, and log it when it has changed."""
        before, self.sending = self.sending, sending
        if sending.problem and sending != before:
            log.warning("aggregator_not_reached", problem=sending.problem, remedy=sending.remedy)
        elif before.problem and not sending.problem:
            log.info("aggregator_reached")

    def _rest(self, seconds: float, *, until: threading.Event) -> None:
        self._wait(until, seconds)
        if until is self._spooled:
            self._spooled.clear()


def offset_of(node: str, *, window_s: float) -> float:
    """The place of a node in a window, in seconds: the same every time, and spread evenly over the nodes."""
    digest = hashlib.sha256(node.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * window_s
