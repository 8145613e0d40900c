"""
A batch as the payload of version 1.

Flow: agent naming -> batch -> **wire** -> aggregator ingest. Equal batches become equal bytes: tables are in the order
in which they are first pointed at, and what is new in a set is sorted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

import msgpack

from kinwatch.batch import Batch, NodeCoverage
from kinwatch.snapshot import Origin, Replica, Snapshot, Window, Workload
from kinwatch.wire import numbers
from kinwatch.wire.version_1 import ASPECTS, EPOCH, REPLICA, STRING_END, VERSION, WORKLOAD

Entry = TypeVar("Entry", str, Origin, "Subject", frozenset[str], frozenset[Origin])
Subject = tuple[Replica, Workload, bool]


class Table(Generic[Entry]):
    """Distinct values, numbered from 0 in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.numbers: dict[Entry, int] = {}

    def number(self, entry: Entry) -> int:
        """Of one value."""
        return self.numbers.setdefault(entry, len(self.numbers))

    def numbers_of(self, entries: Collection[Entry]) -> list[int]:
        """Of a set's members, rising; those that are new are numbered in their own order."""
        known = self.numbers
        for entry in sorted(entry for entry in entries if entry not in known):
            known[entry] = len(known)
        return sorted(map(known.__getitem__, entries))


def payload(batch: Batch) -> bytes:
    """The version and the document, both msgpack."""
    return b"".join(map(msgpack.packb, (VERSION, _Document(batch).fields())))


class _Document:
    """A batch and the tables that it fills as it is written."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._strings: Table[str] = Table()
        self._subjects: Table[Subject] = Table()
        self._sets: Table[frozenset[str]] = Table()
        self._origins: Table[Origin] = Table()
        self._origin_sets: Table[frozenset[Origin]] = Table()

    def fields(self) -> list[object]:
        """In the order of docs/wire.md; the strings are gathered in the order in which what follows them is read."""
        batch = self._batch
        for one in batch.expected:
            self._subjects.number((one.replica, one.workload, one.resolved))
        rows = [self._pointers(snapshot) for snapshot in batch.snapshots]
        tables = self._tables()
        snapshots = [self._snapshot(*row) for row in zip(batch.snapshots, rows, strict=True)]
        strings = b"".join(text.encode() + STRING_END for text in self._strings.numbers)
        return [*_head(batch), strings, len(batch.expected), *tables, snapshots]

    def _pointers(self, snapshot: Snapshot) -> tuple[int, list[int], int]:
        """A snapshot's subject, its sets by aspect (0: none, else number + 1), and its set of origins."""
        subject = (snapshot.replica, snapshot.workload, snapshot.coverage.resolved)
        found = [snapshot.aspects.get(aspect) for aspect in ASPECTS]
        sets = [0 if features is None else 1 + self._sets.number(features) for features in found]
        return self._subjects.number(subject), sets, self._origin_sets.number(snapshot.origins)

    def _tables(self) -> list[object]:
        subjects = [self._subject(subject) for subject in self._subjects.numbers]
        sets = [numbers.set_to_bytes(self._strings.numbers_of(features)) for features in self._sets.numbers]
        origin_sets = [numbers.set_to_bytes(self._origins.numbers_of(one)) for one in self._origin_sets.numbers]
        origins = [number for origin in self._origins.numbers for number in self._origin(origin)]
        return [subjects, b"".join(sets), numbers.to_bytes(origins), b"".join(origin_sets)]

    def _subject(self, subject: Subject) -> list[object]:
        replica, workload, resolved = subject
        names = [*(getattr(replica, key) for key in REPLICA), *(getattr(workload, key) for key in WORKLOAD)]
        return [*(0 if name is None else 1 + self._strings.number(name) for name in names), resolved]

    def _origin(self, origin: Origin) -> tuple[int, int]:
        return self._strings.number(origin.command), 2 * self._strings.number(origin.parent) + origin.outside

    def _snapshot(self, snapshot: Snapshot, pointers: tuple[int, list[int], int]) -> list[object]:
        subject, sets, origins = pointers
        coverage = snapshot.coverage
        lost = [part for why, count in sorted(coverage.lost.items()) for part in (self._strings.number(why), count)]
        truncated = [
            part
            for place, aspect in enumerate(ASPECTS)
            if aspect in coverage.truncated
            for part in (place, coverage.truncated[aspect])
        ]
        return [subject, _seconds(coverage.observed_s), coverage.events, lost, truncated, sets, origins]


def _head(batch: Batch) -> list[object]:
    key = batch.key
    return [
        key.node,
        UUID(key.boot).bytes,
        key.sequence,
        *_window(batch.window),
        batch.late,
        batch.agent_version,
        _coverage(batch.coverage),
    ]


def _window(window: Window) -> tuple[int, int]:
    """Start and length in milliseconds."""
    return (window.start - EPOCH) // timedelta(milliseconds=1), round(window.seconds * 1000)


def _coverage(coverage: NodeCoverage) -> list[object]:
    return [_seconds(coverage.observed_s), _counts(coverage.lost), coverage.names_source, coverage.problem]


def _counts(counts: Mapping[str, int]) -> list[object]:
    return [part for why, count in sorted(counts.items()) for part in (why, count)]


def _seconds(seconds: float) -> float:
    """A float, and not minus zero: equal values have equal bytes."""
    return float(seconds) + 0.0
