"""
Keep the batches that came, each once, until they are old.

Flow: ingest -> **store** -> cohort. A batch is acknowledged when `add` has returned: from then on it outlives the
process and, on SQLite and on a PostgreSQL with its usual settings, the loss of power.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Row, Select, update

from aggregator.store import adding, reading, retention
from aggregator.store.database import Database
from aggregator.store.faults import StoreError
from aggregator.store.migrate import migrate
from aggregator.store.moments import in_us, length_us
from aggregator.store.postgresql import Postgresql
from aggregator.store.sqlite import SPARE_BYTES, Sqlite
from aggregator.store.tables import windows
from aggregator.store.values import Forgotten, NodeSeen, Outcome, Received, StoredWindow
from kinwatch.snapshot import Window

T = TypeVar("T")


class Store:
    """
    Batches in a database. Any thread may use it; whoever adds, reads or judges waits for nobody who forgets for long.

    Every method raises a StoreError where the database can't do it, and has then done nothing: StoreBusy or StoreLost,
    and StoreFull where it writes (PostgreSQL may want to write as it reads, too).
    """

    def __init__(self, database: Database) -> None:
        """Bring the database to the tables of this version; it is closed with the store, and if that can't be done."""
        self._database = database
        self._closed = threading.Event()
        try:
            with database.migrating() as connection:
                migrate(connection)
        except BaseException:
            database.close()
            raise

    @classmethod
    def open(cls, url: str | None, data_dir: Path, *, spare_bytes: int = SPARE_BYTES) -> Store:
        """
        The store at a URL of PostgreSQL, or if None in a file of `data_dir`, brought to the tables of this version.

        Of the disk with `data_dir`, `spare_bytes` are left free. Raises InputError or NodeError (a StoreError is one).
        """
        return cls(Sqlite(data_dir, spare_bytes=spare_bytes) if url is None else Postgresql(url))

    def add(self, received: Sequence[Received]) -> Sequence[Outcome]:
        """Store batches in one transaction, each key once; what became of each, in the order given."""
        if not received:
            return []
        self._database.check_room()
        with self._database.writing() as connection:
            return adding.add(connection, received)

    def batches_of(self, window: Window) -> Iterator[Received]:
        """The batches of a window, late ones too, by node, boot and sequence; one that comes meanwhile may lack."""
        return reading.batches_of(window, self._page)

    def windows(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[StoredWindow]:
        """The windows that begin in [since, until) and that batches came for, oldest first; forgotten ones too."""
        return reading.windows_between(since, until, self._page)

    def pending(self) -> Sequence[StoredWindow]:
        """The windows that have batches, of which none is forgotten, and are not judged; oldest first."""
        with self._database.reading() as connection:
            return reading.pending_windows(connection)

    def mark_judged(self, window: Window, at: datetime) -> bool:
        """Note that a window is judged; True once only, whoever asks, and never if a batch of it is forgotten."""
        columns = windows.c
        statement = (
            update(windows)
            .where(columns.start == in_us(window.start), columns.length == length_us(window))
            .where(columns.judged_at.is_(None), columns.forgotten_at.is_(None))
            .values(judged_at=in_us(at))
        )
        with self._database.writing() as connection:
            return connection.execute(statement).rowcount == 1

    def nodes(self) -> Sequence[NodeSeen]:
        """Each node that sent something, by name, as the boot knows it that was heard of last."""
        with self._database.reading() as connection:
            return reading.nodes_seen(connection)

    def forget(self, *, keep_s: float, keep_bytes: int | None, now: datetime) -> Forgotten:
        """
        Forget windows that ended more than `keep_s` ago, and the oldest while all batches take more than `keep_bytes`.

        It takes as long as it takes, in short steps with rests between them, and ends early when the store is closed.
        A StoreError is raised only before anything is forgotten: what is left is for the next time.
        """
        bounds = retention.Bounds.of(keep_s=keep_s, keep_bytes=keep_bytes, now_us=in_us(now))
        forgotten = Forgotten()
        try:
            while step := self._step(lambda: self._forget_some(bounds)):
                forgotten += step
            with self._database.writing() as connection:
                retention.forget_counts(connection, bounds)
            while self._step(self._database.give_back):
                pass
        except StoreError:
            if not forgotten.batches:
                raise
        return forgotten

    def close(self) -> None:
        """End the connections; what forgets ends after its step."""
        self._closed.set()
        self._database.close()

    def _page(self, statement: Select[Any]) -> list[Row[Any]]:
        with self._database.reading() as connection:
            return list(connection.execute(statement))

    def _forget_some(self, bounds: retention.Bounds) -> Forgotten | None:
        with self._database.writing() as connection:
            return retention.forget_some(connection, bounds)

    def _step(self, step: Callable[[], T]) -> T | None:
        """Do a step, and rest for as long as it took: half of the time is for others. None once the store is closed."""
        if self._closed.is_set():
            return None
        began = time.monotonic()
        result = step()
        self._closed.wait(time.monotonic() - began)
        return result
