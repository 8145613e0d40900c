"""
Take what the loop hands on, and write it to the spool in a thread of its own: a slow disk does not hold the capture up.

Flow: loop -> **outbox** -> packing -> spool.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
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

_Handed = Closed | Sequence[Snapshot] | None


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
        self._handed: queue.Queue[_Handed] = queue.Queue(maxsize=QUEUED)
        self._lost: Counter[str] = Counter()
        self._lost_lock = threading.Lock()
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
        with self._lost_lock:
            self._lost[what] += count

    def start(self) -> None:
        """Begin."""
        self._beside.start()

    def check(self) -> None:
        """Raise what it has ended with, if it has."""
        self._beside.check()

    def finish(self, timeout_s: float) -> bool:
        """Write what was handed in, and end; False if it can't be done in time."""
        self._hand(None)
        return self._done.wait(timeout_s)

    def _hand(self, what: _Handed) -> None:
        while True:
            try:
                self._handed.put_nowait(what)
            except queue.Full:
                self._drop_oldest()
            else:
                return

    def _drop_oldest(self) -> None:
        try:
            dropped = self._handed.get_nowait()
        except queue.Empty:
            return
        if isinstance(dropped, Closed):
            self.lose("windows")
        elif dropped is not None:
            self.lose("snapshots", len(dropped))

    def _run(self) -> None:
        while (handed := self._handed.get()) is not None:
            for parcel in self._parcels(handed):
                for error in fitting(parcel, self._write):
                    log.error("batch_too_large", window=parcel.window.start.isoformat(), problem=str(error))
            self.spooled.set()
        self._done.set()

    def _parcels(self, handed: Closed | Sequence[Snapshot]) -> list[Parcel]:
        if not isinstance(handed, Closed):
            return self._packer.late(handed)
        with self._lost_lock:
            lost, self._lost = self._lost, Counter()
        return self._packer.closed(handed, more_lost=lost)

    def _write(self, parcel: Parcel) -> None:
        self._spool.append(
            lambda ticket: encoded(parcel, ticket, node=self._node, agent_version=self._agent_version),
            until_s=parcel.until_s,
            now_s=self._wall_s(),
        )
