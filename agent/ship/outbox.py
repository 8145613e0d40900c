"""
Take what the loop hands on, and write it to the spool in a thread of its own: a slow disk does not hold the capture up.

Flow: loop -> **outbox** -> packing -> spool.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from agent.beside import Beside
from agent.ship.packing import Packer, Parcel, encoded, fitting
from agent.spool.spool import Spool
from agent.values import Closed
from kinwatch.snapshot import Snapshot

QUEUED: Final = 64
"""What waits for the disk at most, windows and late snapshots alike; beyond it the oldest goes, and is counted."""

log = structlog.get_logger()

_Handed = Closed | Sequence[Snapshot]


class Outbox:
    """Between the loop and the spool."""

    def __init__(
        self, spool: Spool, packer: Packer, *, node: str, agent_version: str, wall_s: Callable[[], float]
    ) -> None:
        self._spool = spool
        self._packer = packer
        self._node = node
        self._agent_version = agent_version
        self._wall_s = wall_s
        self._handed: deque[_Handed] = deque()
        self._lost: Counter[str] = Counter()
        """On the way, since the last window was taken up; what is dropped here goes before all that waits."""
        self._is_ending = False
        self._turn = threading.Condition()
        """Held for these three, and never while the disk is written to."""
        self._beside = Beside(self._run, name="spool")
        self._done = threading.Event()
        self.spooled = threading.Event()
        """Set when there is something new in the spool."""

    def closed(self, closed: Closed) -> None:
        """A window was closed."""
        self._hand(closed)

    def late(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots of earlier windows."""
        self._hand(snapshots)

    def lose(self, what: str, count: int = 1) -> None:
        """Something was lost on the way: the next window says so."""
        with self._turn:
            self._lost[what] += count

    def start(self) -> None:
        """Begin."""
        self._beside.start()

    def check(self) -> None:
        """Raise what it has ended with, if it has."""
        self._beside.check()

    def finish(self, timeout_s: float) -> bool:
        """Write what was handed in, and end; False if it can't be done in time."""
        with self._turn:
            self._is_ending = True
            self._turn.notify()
        return self._done.wait(timeout_s)

    def _hand(self, what: _Handed) -> None:
        with self._turn:
            if len(self._handed) == QUEUED:
                self._lost += _loss_of(self._handed.popleft())
            self._handed.append(what)
            self._turn.notify()

    def _run(self) -> None:
        while (parcels := self._next()) is not None:
            for parcel in parcels:
                for error in fitting(parcel, self._write):
                    log.error("batch_refused_here", window=parcel.window.start.isoformat(), problem=str(error))
            self.spooled.set()
        self._done.set()

    def _next(self) -> list[Parcel] | None:
        """What to write next; None at the end."""
        with self._turn:
            self._turn.wait_for(lambda: self._handed or self._is_ending)
            if not self._handed:
                return None
            handed = self._handed.popleft()
            if isinstance(handed, Closed):
                lost, self._lost = self._lost, Counter()
        if isinstance(handed, Closed):
            return self._packer.closed(handed, more_lost=lost)
        return self._packer.late(handed)

    def _write(self, parcel: Parcel) -> None:
        self._spool.append(
            lambda ticket: encoded(parcel, ticket, node=self._node, agent_version=self._agent_version),
            until_s=parcel.until_s,
            now_s=self._wall_s(),
        )


def _loss_of(dropped: _Handed) -> Counter[str]:
    """What is lost with it."""
    if isinstance(dropped, Closed):
        return Counter(dropped.lost) + Counter(windows=1, snapshots=len(dropped.late))
    return Counter(snapshots=len(dropped))
