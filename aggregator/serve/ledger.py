"""
Keep account of what came and of what is missing: by window, and by node.

Flow: intake -> **ledger** -> judging. One line in the log for each window; one for each loss, which is never silent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from aggregator.serve.gaps import Gaps
from aggregator.serve.metrics import Metrics
from kinwatch.batch import Batch
from kinwatch.snapshot import Window

SETTLED: Final = timedelta(seconds=60)
"""A window's line is written so long after its end, or when TALLIES others are open: a batch after that has a line of
its own. Agents hold snapshots back for as long, to find their names."""
TALLIES: Final = 64

log = structlog.get_logger()


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class _Tally:
    window: Window
    nodes: set[str] = field(default_factory=set)
    batches: int = 0
    late: int = 0
    snapshots: int = 0

    def add(self, batch: Batch) -> None:
        self.nodes.add(batch.key.node)
        self.batches += 1
        self.late += batch.late
        self.snapshots += len(batch.snapshots)

    def tell(self) -> None:
        log.info(
            "window",
            start=self.window.start.isoformat(),
            seconds=self.window.seconds,
            nodes=len(self.nodes),
            batches=self.batches,
            late=self.late,
            snapshots=self.snapshots,
        )


class Ledger:
    """What was stored, as it comes. `note` is for one thread, `settle` for another."""

    def __init__(self, gaps: Gaps, metrics: Metrics, *, now: Callable[[], datetime] = utc_now) -> None:
        self._gaps, self._metrics, self._now = gaps, metrics, now
        self._lock = threading.Lock()
        self._tallies: dict[Window, _Tally] = {}

    def note(self, batch: Batch) -> None:
        """Take note of a batch that was stored."""
        self._note_gap(batch)
        self._note_lost(batch)
        with self._lock:
            self._tallies.setdefault(batch.window, _Tally(window=batch.window)).add(batch)
            while len(self._tallies) > TALLIES:
                self._tallies.pop(next(iter(self._tallies))).tell()

    def settle(self, *, everything: bool = False) -> None:
        """Write the lines of the windows that have ended for a while, or of all."""
        until = self._now() - SETTLED
        with self._lock:
            for window in [window for window in self._tallies if everything or window.end <= until]:
                self._tallies.pop(window).tell()

    def _note_gap(self, batch: Batch) -> None:
        key, gap = batch.key, self._gaps.note(batch.key)
        self._metrics.missing.inc(_length(gap.missing))
        self._metrics.found.inc(gap.found)
        if gap.missing:
            first, last = gap.missing.start, gap.missing.stop - 1
            log.warning("node_gap", node=key.node, boot=key.boot, first=first, last=last, batches=last - first + 1)

    def _note_lost(self, batch: Batch) -> None:
        if lost := {what: count for what, count in batch.coverage.lost.items() if count}:
            self._metrics.lost_by_nodes(lost)
            log.warning("batch_lost", node=batch.key.node, window=batch.window.start.isoformat(), lost=lost)


def _length(missing: range) -> int:
    """len() takes no more than sys.maxsize, which a sequence may be."""
    return missing.stop - missing.start if missing else 0
