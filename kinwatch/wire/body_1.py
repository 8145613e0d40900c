"""
The tables of a document of version 1, and the replicas and snapshots that point at them.

Flow: beside **wire**; the part of `reader_1` that knows replicas. Everything is read in the order in which it was
written, since that is the order of the strings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from kinwatch.aspects import Aspect
from kinwatch.batch import Expected
from kinwatch.snapshot import Coverage, Features, Origin, Replica, Snapshot, Window, Workload
from kinwatch.wire import numbers, tables, values
from kinwatch.wire.limits import Limits
from kinwatch.wire.refusal import Refusal, WireError
from kinwatch.wire.tables import Pointed
from kinwatch.wire.version_1 import ASPECTS, HIGHEST, LONGEST_S, REPLICA, STRING_END, WORKLOAD

Subject = tuple[Replica, Workload, bool]
"""A replica, its workload, and whether that is known."""

_NAMES: Final = len(REPLICA) + len(WORKLOAD)
_SNAPSHOT: Final = 7


class Body:
    """What is expected and the snapshots of a document; WireError if they can't be read."""

    def __init__(self, fields: Sequence[Any], limits: Limits, *, node: str, window: Window) -> None:
        strings, expected, subjects, sets, origins, origin_sets, snapshots = fields
        self._limits, self._node, self._window = limits, node, window
        self._features = 0
        self._strings = Pointed(_strings(strings, limits), "strings")
        self._subjects = Pointed(self._subject_rows(subjects), "replicas")
        self._sets = Pointed(self._feature_sets(sets), "sets")
        self._origins = Pointed(self._origin_rows(origins), "origins")
        self._origin_sets = Pointed(self._sets_of_origins(origin_sets), "sets of origins")
        self.expected = self._expected(expected)
        self.snapshots = self._snapshots(snapshots)
        for table in (self._strings, self._subjects, self._sets, self._origins, self._origin_sets):
            table.require_all_used()

    def _subject_rows(self, value: object) -> list[Subject]:
        subjects = [self._subject(row) for row in values.rows(value, "replicas", self._limits)]
        values.require_distinct(subjects, Refusal.SPELLING, "a replica that is written twice")
        return subjects

    def _subject(self, value: object) -> Subject:
        *pointers, resolved = values.row(value, _NAMES + 1, "a replica")
        names = [self._strings.maybe_at(pointer) for pointer in pointers]
        replica = Replica(**dict(zip(REPLICA, names, strict=False)))
        workload = Workload(**dict(zip(WORKLOAD, names[len(REPLICA) :], strict=True)))
        return replica, workload, values.truth(resolved, "whether a workload is known")

    def _feature_sets(self, value: object) -> list[Features]:
        at_most = self._limits.replicas * len(ASPECTS)
        return tables.sets(value, self._strings, self._limits, at_most=at_most, what="sets")

    def _origin_rows(self, value: object) -> list[Origin]:
        """Pairs of numbers: the command's, and twice the parent's with 1 if it is outside."""
        pointers = _numbers(value, "origins", at_most=2 * self._limits.strings)
        if len(pointers) % 2:
            raise WireError(Refusal.SHAPE, "origins: the last one is broken off")
        at = self._strings.at
        origins = [
            Origin(command=at(command), parent=at(parent >> 1), outside=bool(parent & 1))
            for command, parent in zip(pointers[::2], pointers[1::2], strict=True)
        ]
        values.require_distinct(origins, Refusal.SPELLING, "an origin that is written twice")
        return origins

    def _sets_of_origins(self, value: object) -> list[frozenset[Origin]]:
        at_most = self._limits.replicas
        return tables.sets(value, self._origins, self._limits, at_most=at_most, what="sets of origins")

    def _expected(self, value: object) -> tuple[Expected, ...]:
        """The first of the subjects."""
        count = values.whole(value, "how many replicas are expected", 0, self._limits.replicas)
        subjects = [self._subjects.at(place) for place in range(count)]
        values.require_distinct([one for one, _, _ in subjects], Refusal.VALUE, "a replica that is expected twice")
        return tuple(Expected(replica=one, workload=workload, resolved=known) for one, workload, known in subjects)

    def _snapshots(self, value: object) -> tuple[Snapshot, ...]:
        snapshots = tuple(self._snapshot(row) for row in values.rows(value, "snapshots", self._limits))
        values.require_distinct([one.replica for one in snapshots], Refusal.VALUE, "two snapshots of one replica")
        return snapshots

    def _snapshot(self, value: object) -> Snapshot:
        subject, observed, events, lost, truncated, sets, origins = values.row(value, _SNAPSHOT, "a snapshot")
        replica, workload, resolved = self._subjects.at(subject)
        aspects, origins = self._aspects(sets), self._origin_sets.at(origins)
        self._count([*aspects.values(), origins])
        coverage = Coverage(
            observed_s=values.seconds(observed, "observed seconds", LONGEST_S),
            events=values.whole(events, "system calls", 0, HIGHEST),
            lost=self._lost(lost),
            truncated=_truncated(truncated),
            resolved=resolved,
        )
        return Snapshot(
            window=self._window,
            node=self._node,
            replica=replica,
            workload=workload,
            aspects=aspects,
            coverage=coverage,
            origins=origins,
        )

    def _aspects(self, value: object) -> dict[Aspect, Features]:
        pointers = values.row(value, len(ASPECTS), "the sets of a snapshot")
        sets = map(self._sets.maybe_at, pointers)
        return {aspect: members for aspect, members in zip(ASPECTS, sets, strict=True) if members is not None}

    def _count(self, sets: Iterable[Collection[object]]) -> None:
        self._features += sum(map(len, sets))
        if self._features > self._limits.features:
            raise WireError(Refusal.LIMIT, f"snapshots of more than {self._limits.features:,} features in all")

    def _lost(self, value: object) -> dict[str, int]:
        whys, counts = values.pairs(value, "losses", at_most=self._limits.counts, highest=HIGHEST)
        named = [self._strings.at(why) for why in whys]
        values.require_rising(named, "losses")
        return dict(zip(named, counts, strict=True))


def _numbers(value: object, what: str, *, at_most: int) -> list[int]:
    written: bytes = values.of_type(value, bytes, what)
    if len(written) <= at_most * numbers.NUMBER_BYTES:
        read = numbers.from_bytes(written)
        if len(read) <= at_most:
            return read
    raise WireError(Refusal.LIMIT, f"{what}: more than {at_most:,} numbers")


def _strings(value: object, limits: Limits) -> list[str]:
    what = "strings"
    written = numbers.ended(values.of_type(value, bytes, what), STRING_END, at_most=limits.strings, what=what)
    if max(map(len, written), default=0) > limits.string_bytes:
        raise WireError(Refusal.LIMIT, f"{what}: one of more than {limits.string_bytes:,} bytes")
    values.require_distinct(written, Refusal.SPELLING, f"{what}: one is written twice")
    try:
        return list(map(bytes.decode, written))
    except UnicodeDecodeError as error:
        raise WireError(Refusal.SHAPE, f"{what}: one is not UTF-8") from error


def _truncated(value: object) -> dict[str, int]:
    what = "truncated aspects"
    pointers, counts = values.pairs(value, what, at_most=len(ASPECTS), highest=HIGHEST)
    places = [values.whole(pointer, what, 0, len(ASPECTS) - 1) for pointer in pointers]
    values.require_rising(places, what)
    return {ASPECTS[place].value: count for place, count in zip(places, counts, strict=True)}
