"""
SQLite, in a file of the data directory: the default.

Flow: store -> **sqlite**. Write-ahead log: who reads never waits for who writes. There is one connection that writes,
and only it takes the log over into the file: before 3.51.3 SQLite could damage the file where two did so at the same
moment (its «WAL-reset bug»), and Debian 12 has 3.40.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aggregator.store.faults import StoreBusy, StoreFull, StoreLost
from aggregator.store.sqlite_faults import MAKE_ROOM, fault_of, not_opened, not_there

FILE_NAME: Final = "kinwatch.db"
MODE: Final = 0o600
"""What replicas do is nobody else's business. SQLite gives the log the mode of the file."""
BUSY_S: Final = 5.0
"""How long one waits for others that write."""
SPARE_BYTES: Final = 64 << 20
"""Room that batches leave on the disk: without any, retention could make none: to delete is to write."""
LOG_BYTES: Final = 32 << 20
"""What the write-ahead log is cut down to when it was longer for a while."""
FREE_PART: Final = 8
"""Of the file, one part in so many may be free inside it: the next batches come in there."""
GIVEN_BACK_PAGES: Final = 256
"""Pages of 4 KiB given back in one transaction."""
READERS: Final = 4


class Sqlite:
    """A Database in one file."""

    def __init__(self, folder: Path, *, spare_bytes: int = SPARE_BYTES, busy_s: float = BUSY_S) -> None:
        """Open the file in `folder`, or make it; raises InputError or NodeError."""
        self.path = folder / FILE_NAME
        self._spare_bytes = spare_bytes
        self._busy_s = busy_s
        with not_opened(self.path):
            self._file = _made(self.path)
            self._writer = _engine(self.path, connections=1, begin="BEGIN IMMEDIATE", busy_s=busy_s)
            event.listen(self._writer, "connect", _prepare_writer)
            self._reader = _engine(self.path, connections=READERS, begin="BEGIN", busy_s=busy_s)
            event.listen(self._reader, "connect", _prepare_reader)
            self._writer.connect().close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._faults(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction; only one at a time."""
        with self._faults(), self._writer.begin() as connection:
            yield connection

    migrating = writing

    def check_room(self) -> None:
        """Raise StoreFull where the disk has but the spare room left, StoreLost where the file is another by now."""
        with not_there(self.path):
            file = self.path.stat()
            room = os.statvfs(self.path)
        if (file.st_dev, file.st_ino) != self._file:
            # SQLite would go on writing to the file that nobody finds any more.
            raise StoreLost(f"{self.path} was replaced while it was in use", remedy="start the aggregator anew")
        free = room.f_bavail * room.f_frsize
        if free < self._spare_bytes:
            problem = f"{free >> 20} MiB are free for {self.path}, and {self._spare_bytes >> 20} MiB stay free"
            raise StoreFull(problem, remedy=MAKE_ROOM)

    def give_back(self) -> bool:
        """Cut free pages off the file, unless few are."""
        with self.writing() as connection:
            pages, free = (
                connection.exec_driver_sql(f"PRAGMA {what}").scalar_one() for what in ("page_count", "freelist_count")
            )
            surplus = free - pages // FREE_PART
            if surplus > 0:
                # It moves a page with each step, and only executescript steps to its end; it commits before.
                driver = cast("sqlite3.Connection", connection.connection.driver_connection)
                driver.executescript(f"PRAGMA incremental_vacuum({min(surplus, GIVEN_BACK_PAGES)})")
        return bool(surplus > GIVEN_BACK_PAGES)

    def close(self) -> None:
        """End the connections, the writer's last: it takes the log over into the file."""
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            problem = f"{self.path}: others of this process were at it for {self._busy_s:g} s"
            raise StoreBusy(problem, remedy="try again") from error
        except (DBAPIError, sqlite3.Error) as error:
            fault = fault_of(error.orig if isinstance(error, DBAPIError) else error, self.path)
            if fault is None:
                raise
            raise fault from error


def _made(path: Path) -> tuple[int, int]:
    """Make the file if it isn't there, for its owner only; which one it is, by device and inode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        status = os.fstat(descriptor)
        if status.st_mode & 0o077:
            os.fchmod(descriptor, MODE)
    finally:
        os.close(descriptor)
    return status.st_dev, status.st_ino


def _engine(path: Path, *, connections: int, begin: str, busy_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_s,
        connect_args={"timeout": busy_s, "isolation_level": None},
    )

    # isolation_level None: it is SQLAlchemy that begins, not Python's sqlite3, which would only before it writes.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _prepare_writer(connection: sqlite3.Connection, _record: Any) -> None:
    # The first only has an effect before there is a table, and before the second.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        message = f"the file system of the data directory takes no write-ahead log, only {mode}"
        raise sqlite3.NotSupportedError(message)
    # FULL: what is acknowledged outlives the loss of power too, not only of the process.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")


def _prepare_reader(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA query_only = ON")
