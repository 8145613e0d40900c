"""
Read what an aggregator has stored, batch by batch.

Flow: its database -> **stored** -> benches, tests.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aggregator.store.sqlite import FILE_NAME
from aggregator.store.store import Store
from kinwatch.batch import Batch
from kinwatch.wire import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A batch, and when it came."""

    batch: Batch
    received_at: datetime


def stored(data: Path) -> Sequence[Stored]:
    """All batches, in the order in which they came; no aggregator may run there."""
    store = Store.open(None, data, spare_bytes=0)
    try:
        found = [
            Stored(batch=decode(one.body), received_at=one.received_at)
            for window in store.windows()
            for one in store.batches_of(window.window)
        ]
    finally:
        store.close()
    return sorted(found, key=lambda one: one.received_at)


def is_sound(data: Path) -> bool:
    """Whether SQLite finds its file as it should be."""
    with closing(sqlite3.connect(data / FILE_NAME)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
