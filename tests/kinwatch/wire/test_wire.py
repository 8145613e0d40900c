"""A batch survives its bytes, which are the same for an equal batch; what no reader would take is not written."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.wire_batches import busy_node, random_batch
from bench.wire_valid import assert_valid
from kinwatch.aspects import Aspect
from kinwatch.batch import Batch, BatchKey, Expected, NodeCoverage
from kinwatch.snapshot import Coverage, Origin, Replica, Snapshot, Window, Workload
from kinwatch.wire import LIMITS, Inflating, Limits, Refusal, WireError, decode, encode, read

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.text(max_size=8)
"""Any Unicode but surrogates, zeros included: an abstract socket's name may hold one."""
MAYBE = st.none() | TEXT
COUNT = st.integers(0, 2**63 - 1)
COUNTS = st.dictionaries(TEXT, COUNT, max_size=2)
SECONDS = st.floats(0, 600)
REPLICAS = st.builds(
    Replica,
    namespace=MAYBE,
    pod=MAYBE,
    pod_uid=MAYBE,
    container=MAYBE,
    container_id=MAYBE,
    role=MAYBE,
    cgroup=MAYBE,
)
WORKLOADS = st.builds(Workload, kind=MAYBE, name=MAYBE, revision=MAYBE)
ORIGINS = st.builds(Origin, command=TEXT, parent=TEXT, outside=st.booleans())


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """One that starts at a multiple of its length."""
    length_ms = draw(st.sampled_from([1, 500, 1100, 30_000, 3_600_000]))
    start_ms = length_ms * draw(st.integers(0, 4 * 10**12 // length_ms))
    return Window(start=EPOCH + timedelta(milliseconds=start_ms), seconds=length_ms / 1000)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Any that may be sent."""
    window, node, late = draw(windows()), draw(st.text(min_size=1, max_size=8)), draw(st.booleans())
    snapshots = st.builds(
        Snapshot,
        window=st.just(window),
        node=st.just(node),
        replica=REPLICAS,
        workload=WORKLOADS,
        aspects=st.dictionaries(st.sampled_from(Aspect), st.frozensets(TEXT, max_size=4)),
        coverage=st.builds(
            Coverage,
            observed_s=SECONDS,
            events=COUNT,
            lost=COUNTS,
            truncated=st.dictionaries(st.sampled_from([aspect.value for aspect in Aspect]), COUNT, max_size=2),
            resolved=st.booleans(),
        ),
        origins=st.frozensets(ORIGINS, max_size=3),
    )
    expected = st.builds(Expected, replica=REPLICAS, workload=WORKLOADS, resolved=st.booleans())
    return Batch(
        key=BatchKey(node=node, boot=str(draw(st.uuids())), sequence=draw(st.integers(1, 2**63 - 1))),
        window=window,
        late=late,
        agent_version=draw(TEXT),
        coverage=draw(st.builds(NodeCoverage, observed_s=SECONDS, lost=COUNTS, names_source=MAYBE, problem=MAYBE)),
        expected=() if late else tuple(draw(st.lists(expected, max_size=3, unique_by=lambda one: one.replica))),
        snapshots=tuple(draw(st.lists(snapshots, max_size=3, unique_by=lambda one: one.replica))),
    )


@UNHURRIED
@given(batches())
def test_a_batch_is_what_its_bytes_say(batch: Batch) -> None:
    body = encode(batch)
    assert decode(body) == batch
    assert encode(decode(body)) == body


@UNHURRIED
@given(batches())
def test_the_random_batches_and_the_independent_look_mean_the_same_batches(batch: Batch) -> None:
    """What hypothesis takes for valid, the fuzzer's assertions do too."""
    assert_valid(decode(encode(batch)), LIMITS)


def test_equal_batches_have_equal_bytes() -> None:
    """However their mappings are ordered, and whatever time zone says UTC."""
    batch = random_batch(random.Random(7))  # noqa: S311 - the same every time
    lost, backwards = {"batches": 1, "windows": 2}, {"windows": 2, "batches": 1}
    other_utc = batch.window.start.astimezone(timezone(timedelta(0), "other"))
    one = replace(batch, snapshots=(), coverage=replace(batch.coverage, lost=lost, observed_s=0.0))
    other = replace(one, coverage=replace(one.coverage, lost=backwards, observed_s=-0.0))
    other = replace(other, window=replace(batch.window, start=other_utc))
    assert one == other
    assert encode(one) == encode(other)


def test_bytes_that_come_in_chunks_are_the_same_batch() -> None:
    batch = busy_node(replicas=3)
    body = encode(batch)
    inflating = Inflating()
    for start in range(0, len(body), 7):
        inflating.feed(body[start : start + 7])
    assert read(inflating.finish()) == batch


def test_an_equal_set_is_one_set_in_memory_too() -> None:
    """Whoever compares the replicas finds most of their sets identical."""
    first, second, *_ = decode(encode(busy_node(services=1))).snapshots
    assert first.aspects[Aspect.SYSCALLS] is second.aspects[Aspect.SYSCALLS]


BATCH = busy_node(replicas=2, services=1)
SNAPSHOT = BATCH.snapshots[0]


def _with(**changed: Any) -> Batch:
    """The batch with a snapshot that is different."""
    return replace(BATCH, snapshots=(replace(SNAPSHOT, **changed),))


def _observed(seconds: float) -> Batch:
    return _with(coverage=replace(SNAPSHOT.coverage, observed_s=seconds))


@pytest.mark.parametrize(
    ("batch", "reason", "message"),
    [
        (replace(BATCH, key=replace(BATCH.key, sequence=0)), Refusal.VALUE, "sequence"),
        (replace(BATCH, key=replace(BATCH.key, sequence=2**63)), Refusal.VALUE, "sequence"),
        (replace(BATCH, key=replace(BATCH.key, sequence=2**64)), Refusal.VALUE, "can't be written"),
        (replace(BATCH, key=replace(BATCH.key, boot="yesterday")), Refusal.VALUE, "UUID"),
        (replace(BATCH, key=replace(BATCH.key, boot=BATCH.key.boot.upper())), Refusal.VALUE, "is not written"),
        (replace(BATCH, key=replace(BATCH.key, node="other")), Refusal.VALUE, "another window or node"),
        (replace(BATCH, window=Window(start=BATCH.window.start, seconds=60)), Refusal.VALUE, "another window or node"),
        (_with(origins=frozenset({Origin(command="\ud800", parent="sh", outside=False)})), Refusal.VALUE, "surrogates"),
        (_with(aspects={Aspect.CWDS: frozenset({"x" * 40_000})}), Refusal.LIMIT, "32,768 bytes"),
        (_with(coverage=replace(SNAPSHOT.coverage, truncated={"dreams": 1})), Refusal.VALUE, "is not written"),
        (_with(coverage=replace(SNAPSHOT.coverage, lost={"files": -1})), Refusal.VALUE, "losses"),
        (_observed(float("nan")), Refusal.VALUE, "observed seconds"),
        (_observed(float("inf")), Refusal.VALUE, "observed seconds"),
        (_observed(-1.0), Refusal.VALUE, "observed seconds"),
        (replace(BATCH, late=True), Refusal.VALUE, "late batch"),
        (replace(BATCH, expected=BATCH.expected * 2), Refusal.VALUE, "none of the 2 replicas"),
        (replace(BATCH, snapshots=BATCH.snapshots * 2), Refusal.VALUE, "two snapshots of one replica"),
    ],
)
def test_what_no_reader_would_take_is_not_written(batch: Batch, reason: Refusal, message: str) -> None:
    with pytest.raises(WireError, match=message) as refused:
        encode(batch)
    assert refused.value.reason is reason


@pytest.mark.parametrize(("start_ms", "seconds"), [(1_000, 30.0), (30_000, 0.0005), (30_000.5, 30.0)])
def test_a_window_is_a_multiple_of_its_length_in_whole_milliseconds(start_ms: float, seconds: float) -> None:
    """So that the windows of all nodes are the same ones."""
    window = Window(start=EPOCH + timedelta(milliseconds=start_ms), seconds=seconds)
    with pytest.raises(WireError):
        encode(replace(BATCH, window=window, snapshots=()))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(compressed_bytes=100),
        Limits(decompressed_bytes=100),
        Limits(replicas=1),
        Limits(strings=100),
        Limits(string_bytes=10),
        Limits(features_per_aspect=20),
        Limits(features=300),
    ],
)
def test_every_limit_holds_for_the_writer_and_for_the_reader(limits: Limits) -> None:
    bounded = {Refusal.COMPRESSED_SIZE, Refusal.DECOMPRESSED_SIZE, Refusal.LIMIT}
    with pytest.raises(WireError) as refused:
        encode(BATCH, limits=limits)
    assert refused.value.reason in bounded
    with pytest.raises(WireError) as refused:
        decode(encode(BATCH), limits=limits)
    assert refused.value.reason in bounded


def test_the_kinds_of_loss_are_limited() -> None:
    lost = {str(number): 1 for number in range(65)}
    with pytest.raises(WireError, match="65 kinds, of 64"):
        encode(_with(coverage=replace(SNAPSHOT.coverage, lost=lost)))
