"""
Count what was added in the rows of its windows and nodes.

Flow: adding -> **tally** -> tables. Sums, first and last only: whatever the order in which batches come, the same is
counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import Connection, case, tuple_

from aggregator.store.moments import in_us, length_us
from aggregator.store.tables import nodes, windows
from aggregator.store.upsert import Insert, greater, insert_into, lesser
from aggregator.store.values import Outcome, Received


def count_windows(connection: Connection, stored: Iterable[Received]) -> None:
    """Count batches that were stored just now in their windows."""
    grouped: dict[tuple[int, int], list[Received]] = defaultdict(list)
    for one in stored:
        grouped[in_us(one.window.start), length_us(one.window)].append(one)
    if grouped:
        rows = [_window_row(key, grouped[key]) for key in sorted(grouped)]
        connection.execute(_counting_windows(connection.dialect.name), rows)


@cache
def _counting_windows(dialect: str) -> Insert:
    insert = insert_into(dialect, windows)
    new, old = insert.excluded, windows.c
    return insert.on_conflict_do_update(
        index_elements=[old.start, old.length],
        set_={
            "batches": old.batches + new.batches,
            "bytes": old.bytes + new.bytes,
            "first_received_at": lesser(old.first_received_at, new.first_received_at),
            "last_received_at": greater(old.last_received_at, new.last_received_at),
        },
    )


def _window_row(key: tuple[int, int], stored: Sequence[Received]) -> dict[str, int]:
    received_at = [in_us(one.received_at) for one in stored]
    return {
        "start": key[0],
        "length": key[1],
        "batches": len(stored),
        "bytes": sum(len(one.body) for one in stored),
        "first_received_at": min(received_at),
        "last_received_at": max(received_at),
    }


def count_nodes(connection: Connection, came: Iterable[tuple[Received, Outcome]]) -> None:
    """Note of each node what came from it, whatever became of it."""
    grouped: dict[tuple[str, str], list[tuple[Received, Outcome]]] = defaultdict(list)
    for one, outcome in came:
        grouped[one.key.node, one.key.boot].append((one, outcome))
    rows = [_node_row(key, grouped[key]) for key in sorted(grouped)]
    connection.execute(_counting_nodes(connection.dialect.name), rows)


@cache
def _counting_nodes(dialect: str) -> Insert:
    insert = insert_into(dialect, nodes)
    new, old = insert.excluded, nodes.c
    later = tuple_(new.last_window_start, new.last_window_length) > tuple_(
        old.last_window_start, old.last_window_length
    )
    return insert.on_conflict_do_update(
        index_elements=[old.node, old.boot],
        set_={
            "last_window_start": case((later, new.last_window_start), else_=old.last_window_start),
            "last_window_length": case((later, new.last_window_length), else_=old.last_window_length),
            "last_sequence": greater(old.last_sequence, new.last_sequence),
            "last_seen": greater(old.last_seen, new.last_seen),
            "stored": old.stored + new.stored,
            "conflicts": old.conflicts + new.conflicts,
        },
    )


def _node_row(key: tuple[str, str], came: Sequence[tuple[Received, Outcome]]) -> dict[str, object]:
    start, length = max((in_us(one.window.start), length_us(one.window)) for one, _ in came)
    outcomes = [outcome for _, outcome in came]
    return {
        "node": key[0],
        "boot": key[1],
        "last_window_start": start,
        "last_window_length": length,
        "last_sequence": max(one.key.sequence for one, _ in came),
        "last_seen": max(in_us(one.received_at) for one, _ in came),
        "stored": outcomes.count(Outcome.STORED),
        "conflicts": outcomes.count(Outcome.CONFLICT),
    }
