"""
Tell by SQLite's error codes what is wrong, and what to do about it.

Flow: beside **sqlite**. The codes are those of https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from aggregator.store.faults import StoreBusy, StoreError, StoreFull, StoreLost
from kinwatch.errors import InputError, NodeError

_PRIMARY: Final = 0xFF
"""The low byte of an extended code says what kind it is."""
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNUSABLE: Final = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
)
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NEXT_TO_NOTHING: Final = 1 << 20
"""Bytes: SQLite calls it an I/O error where the index of its log finds no room."""

MAKE_ROOM: Final = "make room there, or keep less: lower --keep-bytes or --keep-days"


def fault_of(error: BaseException | None, path: Path) -> StoreError | None:
    """What an error of SQLite is to the store; None if it should never be."""
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    problem = f"{path}: {error}"
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return StoreFull(problem, remedy=MAKE_ROOM)
    if code in _BUSY:
        return StoreBusy(problem, remedy="one aggregator per data directory; for more of them, use --database-url")
    if code in _DAMAGED:
        return StoreLost(problem, remedy="move the file away and start again, or restore it from a backup")
    if code in _UNUSABLE:
        return StoreLost(problem, remedy="see that the data directory is mounted, and may be read and written")
    return None


@contextmanager
def not_opened(path: Path) -> Iterator[None]:
    """Tell why the file could not be opened or made, as InputError or NodeError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StoreFull(f"making {path}: {error.strerror}", remedy=MAKE_ROOM) from error
        raise NodeError(
            f"opening {path}: {error.strerror}", remedy="name a folder to write to by --data-dir"
        ) from error
    except DBAPIError as error:
        raise _unopened(error, path) from error


@contextmanager
def not_there(path: Path) -> Iterator[None]:
    """Tell that the file can't be found any more, as StoreLost."""
    try:
        yield
    except OSError as error:
        remedy = "see that the data directory is mounted, and start the aggregator anew"
        raise StoreLost(f"{path} is gone: {error.strerror}", remedy=remedy) from error


def _unopened(error: DBAPIError, path: Path) -> Exception:
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        remedy = "name another folder by --data-dir, or move the file away"
        return InputError(f"{path} is not a database of SQLite", remedy=remedy)
    if isinstance(error.orig, sqlite3.NotSupportedError):
        return NodeError(f"opening {path}: {error.orig}", remedy="name a folder on a local disk by --data-dir, not NFS")
    return fault_of(error.orig, path) or error


def _is_full(path: Path) -> bool:
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _NEXT_TO_NOTHING
