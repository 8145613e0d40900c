"""
Forget the oldest windows, a little at a time.

Flow: store -> **retention** -> tables. Each step is a short transaction, so that batches come in between. What is
counted of a window stays as long again as its batches were to be kept: a batch that its node sends once more then does
not have the window judged a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, select, tuple_, update

from aggregator.store.moments import SECOND_US
from aggregator.store.tables import batches, nodes, windows
from aggregator.store.values import Forgotten

BATCHES_A_STEP: Final = 50
"""About 0.5 MB; a step takes a few milliseconds."""
ROW_BYTES: Final = 2048
"""What a batch takes in either database besides its body: other columns, two indexes, pages that are not full."""
REMEMBERED_TIMES: Final = 2
"""What is counted of windows and nodes is kept for so many times as long as batches are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is to be kept."""

    now_us: int
    keep_us: int
    """Windows that ended longer ago are forgotten."""
    keep_bytes: int | None
    """The oldest are forgotten until this is enough; None: only by age."""

    @classmethod
    def of(cls, *, keep_s: float, keep_bytes: int | None, now_us: int) -> Bounds:
        """Bounds, in the store's unit."""
        return cls(now_us=now_us, keep_us=round(keep_s * SECOND_US), keep_bytes=keep_bytes)


def forget_some(connection: Connection, bounds: Bounds) -> Forgotten | None:
    """Forget a few batches of the oldest window that is to go; None if none is."""
    window = _oldest(connection)
    if window is None or not _is_to_go(connection, window, bounds):
        return None
    sizes = _delete_of(connection, window)
    _count_down(connection, window, sizes, bounds.now_us)
    first = window.forgotten_at is None
    return Forgotten(batches=len(sizes), bytes=sum(sizes), unjudged=int(first and window.judged_at is None))


def forget_counts(connection: Connection, bounds: Bounds) -> None:
    """Forget what was counted of windows and nodes so old that nothing of theirs is to be expected any more."""
    horizon = bounds.now_us - REMEMBERED_TIMES * bounds.keep_us
    ended = windows.c.start + windows.c.length <= horizon
    connection.execute(delete(windows).where(windows.c.batches == 0, ended))
    connection.execute(delete(nodes).where(nodes.c.last_seen <= horizon))


def _oldest(connection: Connection) -> Row[Any] | None:
    """Locked: of two aggregators that forget, one goes after the other."""
    statement = select(windows).where(windows.c.batches > 0).order_by(windows.c.start, windows.c.length).limit(1)
    return connection.execute(statement.with_for_update()).one_or_none()


def _is_to_go(connection: Connection, window: Row[Any], bounds: Bounds) -> bool:
    if window.start + window.length <= bounds.now_us - bounds.keep_us:
        return True
    return bounds.keep_bytes is not None and _taken(connection) > bounds.keep_bytes


def _taken(connection: Connection) -> int:
    """Bytes that batches take, about: PostgreSQL's own figure doesn't shrink as they go."""
    bodies, rows = func.coalesce(func.sum(windows.c.bytes), 0), func.coalesce(func.sum(windows.c.batches), 0)
    taken = connection.execute(select(bodies + ROW_BYTES * rows)).scalar_one()
    return int(taken)


def _delete_of(connection: Connection, window: Row[Any]) -> list[int]:
    """Delete some batches of a window; the sizes of their bodies."""
    columns = batches.c
    key = (columns.node, columns.boot, columns.sequence)
    some = (
        select(*key)
        .where(columns.window_start == window.start, columns.window_length == window.length)
        .order_by(*key)
        .limit(BATCHES_A_STEP)
    )
    return list(connection.scalars(delete(batches).where(tuple_(*key).in_(some)).returning(func.length(columns.body))))


def _count_down(connection: Connection, window: Row[Any], sizes: list[int], now_us: int) -> None:
    of_window = and_(windows.c.start == window.start, windows.c.length == window.length)
    connection.execute(
        update(windows)
        .where(of_window)
        .values(
            # Where there was none to delete, the count was wrong: it must not keep retention at this window for ever.
            batches=windows.c.batches - len(sizes) if sizes else 0,
            bytes=windows.c.bytes - sum(sizes) if sizes else 0,
            forgotten_at=func.coalesce(windows.c.forgotten_at, now_us),
        )
    )
