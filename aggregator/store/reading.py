"""
Read what was stored: windows, their batches, and nodes.

Flow: tables -> **reading** -> store. What may be long is read in pages, each in a transaction of its own, which takes
up where the last one ended: who reads slowly keeps neither SQLite's log from being taken over, nor a connection from
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, Select, and_, func, select, tuple_

from aggregator.store.moments import in_us, length_us, moment, window_of
from aggregator.store.tables import batches, nodes, windows
from aggregator.store.values import NodeSeen, Received, StoredWindow
from kinwatch.batch import BatchKey
from kinwatch.snapshot import Window

BATCHES_A_PAGE: Final = 64
"""Bodies of about 10 KB."""
WINDOWS_A_PAGE: Final = 1000

Page = list[Row[Any]]
PageReader = Callable[[Select[Any]], Page]
"""Runs a statement in a transaction of its own."""


def batches_of(window: Window, page: PageReader) -> Iterator[Received]:
    """The batches of a window by node, boot and sequence."""
    columns = batches.c
    key = (columns.node, columns.boot, columns.sequence)
    of_window = select(batches).where(
        columns.window_start == in_us(window.start), columns.window_length == length_us(window)
    )
    return map(_received, _paged(of_window, key, size=BATCHES_A_PAGE, page=page))


def windows_between(since: datetime | None, until: datetime | None, page: PageReader) -> Iterator[StoredWindow]:
    """The windows that begin in [since, until), by start and length."""
    columns = windows.c
    statement = select(windows)
    if since is not None:
        statement = statement.where(columns.start >= in_us(since))
    if until is not None:
        statement = statement.where(columns.start < in_us(until))
    return map(_window, _paged(statement, (columns.start, columns.length), size=WINDOWS_A_PAGE, page=page))


def pending_windows(connection: Connection) -> list[StoredWindow]:
    """The windows that have batches, all of them, and are not judged, by start and length."""
    columns = windows.c
    unjudged = and_(columns.judged_at.is_(None), columns.forgotten_at.is_(None), columns.batches > 0)
    rows = connection.execute(select(windows).where(unjudged).order_by(columns.start, columns.length))
    return [_window(row) for row in rows]


def nodes_seen(connection: Connection) -> list[NodeSeen]:
    """Of each node the boot that was heard of last, by name."""
    columns = nodes.c
    latest = (columns.last_seen.desc(), columns.last_window_start.desc(), columns.boot)
    rank = func.row_number().over(partition_by=columns.node, order_by=latest).label("rank")
    ranked = select(nodes, rank).subquery()
    rows = connection.execute(select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.node))
    return [_node(row) for row in rows]


def _paged(statement: Select[Any], key: tuple[Column[Any], ...], *, size: int, page: PageReader) -> Iterator[Row[Any]]:
    """The rows of a statement in the order of a key, which is part of them."""
    ordered = statement.order_by(*key).limit(size)
    rows = page(ordered)
    while rows:
        yield from rows
        if len(rows) < size:
            return
        last = tuple(getattr(rows[-1], column.name) for column in key)
        rows = page(ordered.where(tuple_(*key) > last))


def _received(row: Row[Any]) -> Received:
    return Received(
        key=BatchKey(node=row.node, boot=row.boot, sequence=row.sequence),
        window=window_of(row.window_start, row.window_length),
        late=row.late,
        body=bytes(row.body),
        received_at=moment(row.received_at),
        authenticated_as=row.authenticated_as,
    )


def _window(row: Row[Any]) -> StoredWindow:
    return StoredWindow(
        window=window_of(row.start, row.length),
        batches=row.batches,
        bytes=row.bytes,
        first_received_at=moment(row.first_received_at),
        last_received_at=moment(row.last_received_at),
        judged_at=_moment_or_none(row.judged_at),
        forgotten_at=_moment_or_none(row.forgotten_at),
    )


def _moment_or_none(us: int | None) -> datetime | None:
    return None if us is None else moment(us)


def _node(row: Row[Any]) -> NodeSeen:
    return NodeSeen(
        node=row.node,
        boot=row.boot,
        last_window=window_of(row.last_window_start, row.last_window_length),
        last_sequence=row.last_sequence,
        last_seen=moment(row.last_seen),
        stored=row.stored,
        conflicts=row.conflicts,
    )
