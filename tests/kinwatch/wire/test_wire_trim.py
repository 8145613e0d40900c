"""A container can't hide by being loud: its snapshot is sent with what there is room for, and says what is missing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bench.wire_batches import busy_node
from kinwatch.aspects import Aspect
from kinwatch.batch import Batch
from kinwatch.snapshot import Origin, Snapshot
from kinwatch.wire import LIMITS, Limits, WireError, decode, encode, trimmed

BATCH = busy_node(replicas=1, services=1)
SNAPSHOT = BATCH.snapshots[0]
SMALL = Limits(compressed_bytes=LIMITS.compressed_bytes // 8, decompressed_bytes=LIMITS.decompressed_bytes // 8)
RNG = random.Random(3)  # noqa: S311 - the same every time


def _batch(snapshot: Snapshot) -> Batch:
    return replace(BATCH, snapshots=(snapshot,))


def _loud() -> Snapshot:
    """More than the small limits let through, in each aspect, with text that does not compress."""
    names = frozenset(RNG.randbytes(100).hex() for _ in range(2_048))
    commands = frozenset(f"sh {RNG.randbytes(2_000).hex()}" for _ in range(512))
    aspects = {aspect: frozenset(f"{aspect}{name}" for name in names) for aspect in Aspect}
    origins = frozenset(Origin(command=command, parent="sh", outside=False) for command in commands)
    return replace(SNAPSHOT, aspects=aspects | {Aspect.COMMANDS: commands}, origins=origins)


def test_a_snapshot_that_no_batch_can_hold_fits_when_trimmed() -> None:
    loud = _loud()
    with pytest.raises(WireError):
        encode(_batch(loud), limits=SMALL)
    body = encode(_batch(trimmed(loud, limits=SMALL)), limits=SMALL)
    [sent] = decode(body, limits=SMALL).snapshots
    for aspect, features in loud.aspects.items():
        assert sent.aspects[aspect] < features
        assert sent.coverage.truncated[aspect.value] == len(features) - len(sent.aspects[aspect])
    assert sent.coverage.lost == {"origins": len(loud.origins) - len(sent.origins)}


def test_the_shortest_are_kept_and_the_same_ones_every_time() -> None:
    names = frozenset({"passwd", "id_rsa", *("x" * 1_000 + str(number) for number in range(9_000))})
    snapshot = replace(SNAPSHOT, aspects={Aspect.FILENAMES: names})
    kept = trimmed(snapshot).aspects[Aspect.FILENAMES]
    assert {"passwd", "id_rsa"} < kept
    assert trimmed(snapshot) == trimmed(snapshot)


def test_a_snapshot_with_room_is_left_as_it_is() -> None:
    assert trimmed(SNAPSHOT) == SNAPSHOT


def test_what_was_counted_before_is_counted_still() -> None:
    coverage = replace(SNAPSHOT.coverage, lost={"files": 2}, truncated={"filenames": 5})
    few = Limits(features_per_aspect=30)
    sent = trimmed(replace(SNAPSHOT, coverage=coverage), limits=few).coverage
    assert sent.lost == {"files": 2}
    assert sent.truncated["filenames"] == 5 + len(SNAPSHOT.aspects[Aspect.FILENAMES]) - 30


def test_one_feature_longer_than_any_string_may_be_is_left_out() -> None:
    long = replace(SNAPSHOT, aspects={Aspect.COMMANDS: frozenset({"sh", "x" * (LIMITS.string_bytes + 1)})})
    assert trimmed(long).aspects[Aspect.COMMANDS] == {"sh"}
    encode(_batch(trimmed(long)))
