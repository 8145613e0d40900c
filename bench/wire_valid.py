"""
Say of a batch, without the code that reads it, whether it is one.

Flow: beside fuzz_wire and the tests. Plain assertions on the values, after the docstrings of kinwatch/batch.py and
docs/wire.md; it shares nothing with kinwatch/wire but the limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from kinwatch.aspects import Aspect
from kinwatch.batch import Batch, NodeCoverage
from kinwatch.snapshot import Replica, Snapshot, Window, Workload
from kinwatch.wire import Limits

# ruff: noqa: S101, PLR2004 - assertions and their figures are what this file is


def assert_valid(batch: Batch, limits: Limits) -> None:
    """AssertionError if the batch is none that may be accepted."""
    assert type(batch.key.node) is str
    assert 1 <= len(batch.key.node.encode()) <= 253
    assert str(UUID(batch.key.boot)) == batch.key.boot
    assert type(batch.key.sequence) is int
    assert 1 <= batch.key.sequence < 2**63
    assert type(batch.late) is bool
    assert not (batch.late and batch.expected)
    _text(batch.agent_version, limits)
    _window(batch.window)
    _node_coverage(batch.coverage, limits)
    _replicas(batch, limits)
    for snapshot in batch.snapshots:
        assert snapshot.window == batch.window
        assert snapshot.node == batch.key.node
        _snapshot(snapshot, limits)
    sets = [members for one in batch.snapshots for members in (*one.aspects.values(), one.origins)]
    assert sum(map(len, sets)) <= limits.features


def _text(text: str, limits: Limits) -> None:
    assert type(text) is str
    assert len(text.encode("utf-8", "strict")) <= limits.string_bytes


def _maybe_texts(texts: Iterable[str | None], limits: Limits) -> None:
    for text in texts:
        if text is not None:
            _text(text, limits)


def _window(window: Window) -> None:
    assert window.start.tzinfo is UTC
    since = window.start - datetime(1970, 1, 1, tzinfo=UTC)
    assert since.microseconds % 1000 == 0
    length_ms = window.seconds * 1000
    assert 1 <= length_ms <= 3_600_000
    start_ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    assert start_ms >= 0
    assert start_ms % round(length_ms) == 0
    assert window.end.year <= 9999


def _node_coverage(coverage: NodeCoverage, limits: Limits) -> None:
    _seconds(coverage.observed_s)
    _counts(coverage.lost, limits)
    _maybe_texts([coverage.names_source, coverage.problem], limits)


def _seconds(seconds: float) -> None:
    assert type(seconds) is float
    assert math.isfinite(seconds)
    assert seconds >= 0
    assert str(seconds) != "-0.0"


def _counts(counts: Mapping[str, int], limits: Limits) -> None:
    assert len(counts) <= limits.counts
    for why, count in counts.items():
        _text(why, limits)
        _count(count)


def _count(count: int) -> None:
    assert type(count) is int
    assert 0 <= count < 2**63


def _replicas(batch: Batch, limits: Limits) -> None:
    expected = [one.replica for one in batch.expected]
    seen = [one.replica for one in batch.snapshots]
    assert len(set(expected)) == len(expected) <= limits.replicas
    assert len(set(seen)) == len(seen) <= limits.replicas
    for one in batch.expected:
        _names(one.replica, one.workload, limits)
        assert type(one.resolved) is bool


def _names(replica: Replica, workload: Workload, limits: Limits) -> None:
    names = [replica.namespace, replica.pod, replica.pod_uid, replica.container, replica.container_id, replica.role]
    _maybe_texts([*names, replica.cgroup, workload.kind, workload.name, workload.revision], limits)


def _snapshot(snapshot: Snapshot, limits: Limits) -> None:
    _names(snapshot.replica, snapshot.workload, limits)
    _seconds(snapshot.coverage.observed_s)
    _count(snapshot.coverage.events)
    _counts(snapshot.coverage.lost, limits)
    for aspect, count in snapshot.coverage.truncated.items():
        assert aspect in set(Aspect)
        assert type(aspect) is str
        _count(count)
    assert type(snapshot.coverage.resolved) is bool
    for aspect, features in snapshot.aspects.items():
        assert type(aspect) is Aspect
        assert type(features) is frozenset
        assert len(features) <= limits.features_per_aspect
        for feature in features:
            _text(feature, limits)
    _origins(snapshot, limits)


def _origins(snapshot: Snapshot, limits: Limits) -> None:
    assert type(snapshot.origins) is frozenset
    assert len(snapshot.origins) <= limits.features_per_aspect
    for origin in snapshot.origins:
        _text(origin.command, limits)
        _text(origin.parent, limits)
        assert type(origin.outside) is bool
