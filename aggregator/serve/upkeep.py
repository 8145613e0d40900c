"""
Do what is to be done beside the requests: forget what is old, and write the lines of windows that have ended.

Flow: beside it. One thread, which is never in a hurry.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog

from aggregator.serve.ledger import Ledger, utc_now
from aggregator.serve.metrics import Metrics
from aggregator.serve.worker import Worker
from aggregator.store.faults import StoreError
from aggregator.store.values import Forgotten

LOOK_S: Final = 5.0
FORGET_S: Final = 60.0
"""How often is forgotten what is old, in seconds; after a fault, too."""

log = structlog.get_logger()


class Forgetting(Protocol):
    """What forgets: the store, as far as it is asked here."""

    def forget(self, *, keep_s: float, keep_bytes: int | None, now: datetime) -> Forgotten:
        """Forget what is to go; raises StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much is kept."""

    seconds: float
    bytes: int | None


class Upkeep:
    """The thread."""

    def __init__(
        self, store: Forgetting, keep: Keep, ledger: Ledger, metrics: Metrics, *, on_death: Callable[[], None]
    ) -> None:
        self._store, self._keep, self._ledger, self._metrics = store, keep, ledger, metrics
        self._stopped = threading.Event()
        self._fault = ""
        self._worker = Worker(self._run, name="upkeep", on_death=on_death)

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def stop(self, timeout_s: float) -> None:
        """End after what it is at; a store that is closed hastens that."""
        self._stopped.set()
        self._worker.join(timeout_s)

    def check(self) -> None:
        """Raise what the thread has ended with, if it has."""
        self._worker.check()

    def forget(self) -> None:
        """Forget what is old; a fault is told when it comes, not as long as it lasts."""
        try:
            forgotten = self._store.forget(keep_s=self._keep.seconds, keep_bytes=self._keep.bytes, now=utc_now())
        except StoreError as error:
            self._metrics.retention_failed.inc()
            if type(error).__name__ != self._fault and not self._stopped.is_set():
                log.warning("retention_failed", problem=error.problem, remedy=error.remedy)
            self._fault = type(error).__name__
            return
        self._fault = ""
        self._metrics.forgotten.inc(forgotten.batches)
        self._metrics.forgotten_unjudged.inc(forgotten.unjudged)
        if forgotten.batches:
            log.info("forgotten", batches=forgotten.batches, bytes=forgotten.bytes, unjudged=forgotten.unjudged)

    def _run(self) -> None:
        rounds = 0
        while not self._stopped.is_set():
            if rounds % round(FORGET_S / LOOK_S) == 0:
                self.forget()
            self._ledger.settle()
            rounds += 1
            self._stopped.wait(LOOK_S)
