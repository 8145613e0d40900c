"""A snapshot survives its line of JSON; anything else is refused with the key that is wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinwatch.aspects import Aspect
from kinwatch.jsonline import JsonLineError, decode, encode
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

TEXT = st.text(max_size=8)
MAYBE = st.none() | TEXT
COUNTS = st.dictionaries(TEXT, st.integers(0, 10**9), max_size=2)
SNAPSHOTS = st.builds(
    Snapshot,
    window=st.builds(
        Window,
        start=st.integers(0, 4 * 10**9).map(lambda second: datetime.fromtimestamp(second, tz=UTC)),
        seconds=st.integers(1, 600) | st.sampled_from([0.5, 2.5]),
    ),
    node=MAYBE,
    replica=st.builds(
        Replica, namespace=MAYBE, pod=MAYBE, pod_uid=MAYBE, container=MAYBE, container_id=MAYBE, cgroup=MAYBE
    ),
    workload=st.builds(Workload, kind=MAYBE, name=MAYBE, revision=MAYBE),
    aspects=st.dictionaries(st.sampled_from(Aspect), st.frozensets(TEXT, max_size=4)),
    coverage=st.builds(
        Coverage,
        observed_s=st.integers(0, 600_000).map(lambda milliseconds: milliseconds / 1000),
        events=st.integers(0, 10**12),
        lost=COUNTS,
        truncated=COUNTS,
        resolved=st.booleans(),
    ),
)
GOOD: dict[str, Any] = {
    "window": {"start": "2026-11-23T09:46:00.000Z", "seconds": 30},
    "node": "n1",
    "replica": {"namespace": "shop", "pod": "web-1"},
    "workload": {"kind": "Deployment", "name": "web", "revision": None},
    "aspects": {"syscalls": ["read"]},
    "coverage": {"observed_s": 30, "events": 9, "lost": {}, "truncated": {}, "resolved": True},
}


@given(SNAPSHOTS)
def test_a_snapshot_is_what_its_line_says(snapshot: Snapshot) -> None:
    line = encode(snapshot)
    assert decode(line) == snapshot
    assert line.isascii()
    assert "\n" not in line


def test_features_are_written_sorted() -> None:
    line = json.dumps(GOOD | {"aspects": {"syscalls": ["write", "read"]}})
    assert '"syscalls":["read","write"]' in encode(decode(line))


def test_keys_and_aspects_of_a_newer_agent_are_passed_over() -> None:
    line = json.dumps(GOOD | {"schema": 7, "aspects": {"syscalls": ["read"], "dreams": [1]}})
    assert decode(line).aspects == {Aspect.SYSCALLS: frozenset({"read"})}


@pytest.mark.parametrize("key", ["window", "replica", "workload", "aspects", "coverage"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(JsonLineError, match=f"'{key}' is missing"):
        decode(json.dumps({name: value for name, value in GOOD.items() if name != key}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": {"start": "2026-11-23T09:46:00", "seconds": 30}}, "UTC"),
        ({"window": {"start": "2026-11-23T09:46:00+01:00", "seconds": 30}}, "UTC"),
        ({"window": {"start": "yesterday", "seconds": 30}}, "window"),
        ({"window": {"start": "2026-11-23T09:46:00Z", "seconds": 0}}, "more than 0"),
        ({"window": {"start": "2026-11-23T09:46:00Z", "seconds": -1}}, "seconds: expected a number"),
        ({"window": {"start": "2026-11-23T09:46:00Z", "seconds": True}}, "seconds: expected a number"),
        ({"window": {"start": "2026-11-23T09:46:00Z", "seconds": 10**400}}, "seconds: expected a number"),
        ({"window": []}, "window: expected an object"),
        ({"node": 3}, "node: expected text"),
        ({"replica": {"pod": 3}}, "pod: expected text"),
        ({"aspects": {"syscalls": "read"}}, "syscalls: expected a list"),
        ({"aspects": {"syscalls": [1]}}, "syscalls: expected text"),
        ({"coverage": GOOD["coverage"] | {"resolved": 1}}, "resolved: expected true or false"),
        ({"coverage": GOOD["coverage"] | {"events": -1}}, "events: expected a count"),
        ({"coverage": GOOD["coverage"] | {"lost": {"ring": 0.5}}}, "lost.ring: expected a whole number"),
        ({"coverage": GOOD["coverage"] | {"observed_s": -1}}, "observed_s: expected a number"),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(JsonLineError, match=message):
        decode(json.dumps(GOOD | wrong))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "[]",
        "3",
        '{"window":',
        json.dumps(GOOD).replace('"observed_s": 30', '"observed_s": NaN'),
        json.dumps(GOOD).replace('"observed_s": 30', '"observed_s": Infinity'),
        json.dumps(GOOD).replace('"observed_s": 30', '"observed_s": 1e999'),
        json.dumps(GOOD).replace('"events": 9', '"events": ' + "9" * 5000),
        '{"a":' * 100_000,
        "[" * 100_000,
    ],
    ids=lambda line: line[:10] or "empty",
)
def test_what_is_no_snapshot_is_refused(line: str) -> None:
    with pytest.raises(JsonLineError):
        decode(line)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
    )
)
def test_any_json_is_a_snapshot_or_refused(value: Any) -> None:
    """Never another exception."""
    with pytest.raises(JsonLineError):
        decode(json.dumps(value))


@given(st.sampled_from(sorted(GOOD)), st.none() | st.booleans() | st.floats() | TEXT | st.lists(TEXT))
def test_a_snapshot_with_one_value_replaced_is_read_or_refused(key: str, value: Any) -> None:
    """Never another exception."""
    with suppress(JsonLineError):
        decode(json.dumps(GOOD | {key: value}))
