"""
Add batches, each once, and count them in their windows and nodes.

Flow: store -> **adding** -> tables. Everything happens in one transaction, in the order of the keys: of two aggregators
that add the same batches one waits for the other, and never each for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.sql.dml import ReturningInsert

from aggregator.store.moments import in_us, length_us
from aggregator.store.tables import batches
from aggregator.store.tally import count_nodes, count_windows
from aggregator.store.upsert import insert_into
from aggregator.store.values import Outcome, Received
from kinwatch.batch import BatchKey

KEY: Final = (batches.c.node, batches.c.boot, batches.c.sequence)


def add(connection: Connection, received: Sequence[Received]) -> list[Outcome]:
    """Store what is new; the outcome of each, in the order given."""
    first: dict[BatchKey, Received] = {}
    for one in received:
        first.setdefault(one.key, one)
    new = _insert(connection, [first[key] for key in sorted(first)])
    bodies = _bodies(connection, first.keys() - new) | {key: first[key].body for key in new}
    outcomes = [
        Outcome.STORED if one is first[one.key] and one.key in new else _compared(one, bodies) for one in received
    ]
    count_windows(connection, [first[key] for key in new])
    count_nodes(connection, list(zip(received, outcomes, strict=True)))
    return outcomes


def _insert(connection: Connection, received: Sequence[Received]) -> set[BatchKey]:
    """Insert what is new; the keys of that."""
    rows = connection.execute(_inserting(connection.dialect.name), [_row(one) for one in received])
    return {_key(row) for row in rows}


@cache
def _inserting(dialect: str) -> ReturningInsert[Any]:
    return insert_into(dialect, batches).on_conflict_do_nothing().returning(*KEY)


def _bodies(connection: Connection, keys: Iterable[BatchKey]) -> dict[BatchKey, bytes]:
    """What is stored under each key."""
    asked = [(key.node, key.boot, key.sequence) for key in keys]
    if not asked:
        return {}
    rows = connection.execute(select(*KEY, batches.c.body).where(tuple_(*KEY).in_(asked)))
    return {_key(row): row.body for row in rows}


def _compared(one: Received, bodies: Mapping[BatchKey, bytes]) -> Outcome:
    """What a batch is whose key was taken; one that is gone again was forgotten by another aggregator just now."""
    return Outcome.DUPLICATE if bodies.get(one.key, one.body) == one.body else Outcome.CONFLICT


def _key(row: Any) -> BatchKey:
    return BatchKey(node=row.node, boot=row.boot, sequence=row.sequence)


def _row(one: Received) -> dict[str, object]:
    return {
        "node": one.key.node,
        "boot": one.key.boot,
        "sequence": one.key.sequence,
        "window_start": in_us(one.window.start),
        "window_length": length_us(one.window),
        "received_at": in_us(one.received_at),
        "late": one.late,
        "authenticated_as": one.authenticated_as,
        "body": one.body,
    }
