"""
Hand what is stored over to the judgement, without ever waiting for it.

Flow: intake -> ledger -> **judging**. One thread, behind a bounded queue. What has no room there is counted and not
lost: it is stored, in a window that is not marked as judged.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from aggregator.serve.metrics import Metrics
from aggregator.serve.worker import Worker
from kinwatch.batch import Batch

WAITING: Final = 128
"""Batches that wait for the judgement: 64 MB of Python's values at 0.5 MB each."""

log = structlog.get_logger()


class Judging(Protocol):
    """What becomes of batches once they are stored. Asked by one thread; may take its time."""

    def on_stored(self, batch: Batch) -> None:
        """A batch was stored, for the first time."""


class Unjudged:
    """Judges nothing, and says at debug level what came."""

    def on_stored(self, batch: Batch) -> None:
        """Say which window came of which node."""
        start = batch.window.start.isoformat()
        log.debug("batch", node=batch.key.node, window=start, sequence=batch.key.sequence, late=batch.late)


class HandOver:
    """The queue and the thread."""

    def __init__(self, judging: Judging, metrics: Metrics, *, on_death: Callable[[], None]) -> None:
        self._judging, self._metrics = judging, metrics
        self._waiting: queue.Queue[Batch | None] = queue.Queue(WAITING)
        self._is_full = False
        self._worker = Worker(self._judge_all, name="judge", on_death=on_death)

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def hand(self, batch: Batch) -> None:
        """Leave a batch to the judgement; returns at once."""
        try:
            self._waiting.put_nowait(batch)
        except queue.Full:
            self._metrics.not_judged.inc()
            self._tell(is_full=True)
        else:
            self._tell(is_full=False)

    def stop(self, timeout_s: float) -> None:
        """Judge what waits, if there is the time for it."""
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._worker.join(timeout_s)

    def check(self) -> None:
        """Raise what the thread has ended with, if it has."""
        self._worker.check()

    def _judge_all(self) -> None:
        while (batch := self._waiting.get()) is not None:
            self._judging.on_stored(batch)

    def _tell(self, *, is_full: bool) -> None:
        if is_full and not self._is_full:
            log.warning("judging_behind", waiting=WAITING, remedy="the windows stay unjudged in the store")
        self._is_full = is_full
