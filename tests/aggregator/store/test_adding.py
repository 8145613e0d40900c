"""A batch is stored once, whatever order and however often it comes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeping import BOOT, CONFLICT, DUPLICATE, START, STORED, Place, batch, everything, keys, window

from aggregator.store.store import Store
from aggregator.store.values import Outcome, Received
from kinwatch.batch import BatchKey

_boots = itertools.count()


def test_a_batch_comes_out_as_it_came_in(store: Store) -> None:
    """Every byte of the body, and the moment to the microsecond."""
    moment = START + timedelta(microseconds=123_457)
    came = batch(7, node="nœud-1", body=bytes(range(256)), late=True, received_at=moment)
    assert store.add([came]) == [STORED]
    assert list(store.batches_of(came.window)) == [came]


def test_what_was_added_outlives_the_store(place: Place) -> None:
    first = place.open()
    first.add([batch(1), batch(2)])
    first.close()
    assert keys(everything(place.open())) == keys([batch(1), batch(2)])


def test_a_batch_that_comes_again_is_a_duplicate(store: Store) -> None:
    """In the same group or in a later one; whoever was acknowledged without knowing may send it again."""
    assert store.add([batch(1), batch(1), batch(2)]) == [STORED, DUPLICATE, STORED]
    assert store.add([batch(2), batch(3), batch(1)]) == [DUPLICATE, STORED, DUPLICATE]
    assert everything(store) == [batch(1), batch(2), batch(3)]


def test_another_batch_under_a_key_that_is_taken_is_a_conflict(store: Store) -> None:
    """The first stays, and each attempt is counted for its node."""
    other = batch(1, body=b"other")
    assert store.add([batch(1), other]) == [STORED, CONFLICT]
    assert store.add([other, batch(1)]) == [CONFLICT, DUPLICATE]
    assert everything(store) == [batch(1)]
    assert [node.conflicts for node in store.nodes()] == [2]


def test_node_boot_and_sequence_make_the_key(store: Store) -> None:
    came = [batch(1, number=1), batch(1, node="node-2", number=1), batch(1, boot="other", number=1), batch(2, number=1)]
    assert store.add(came) == [STORED] * 4


def test_no_batch_is_no_transaction(store: Store) -> None:
    assert store.add([]) == []


@pytest.mark.parametrize(
    "key",
    [
        BatchKey(node="", boot=BOOT, sequence=1),
        BatchKey(node="n" * 254, boot=BOOT, sequence=1),
        BatchKey(node="n\0", boot=BOOT, sequence=1),
        BatchKey(node="n", boot="\ud800", sequence=1),
        BatchKey(node="n", boot=BOOT, sequence=0),
        BatchKey(node="n", boot=BOOT, sequence=2**63),
    ],
    ids=repr,
)
def test_a_key_that_a_database_can_not_hold_is_refused_before(key: BatchKey) -> None:
    """So that one batch never spoils the transaction of the others."""
    with pytest.raises(ValueError, match="not"):
        replace(batch(1), key=key)


def test_a_batch_without_bytes_or_received_at_another_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="without a byte"):
        Received(key=batch(1).key, window=window(1), late=False, body=b"", received_at=START, authenticated_as=None)
    with pytest.raises(ValueError, match="in UTC"):
        replace(batch(1), received_at=START.replace(tzinfo=None))


def test_the_greatest_key_and_the_odd_window_are_stored(store: Store) -> None:
    greatest = batch(2**63 - 1, node="\U0010ffff" * 253, boot="b" * 253, number=0)
    odd = replace(batch(1), window=window(1, seconds=0.7), authenticated_as=None)
    assert store.add([greatest, odd]) == [STORED, STORED]
    assert list(store.batches_of(greatest.window)) == [greatest]
    assert list(store.batches_of(window(1, seconds=0.7))) == [odd]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(
        st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 6), st.booleans()), max_size=8), max_size=6
    )
)
def test_what_is_stored_depends_on_what_came_not_on_how_often(
    store: Store, groups: list[list[tuple[str, int, bool]]]
) -> None:
    """Any order, any repeats, any grouping: the first under a key is stored, and counted once."""
    boot = f"boot-{next(_boots)}"
    stored: dict[BatchKey, Received] = {}
    for group in groups:
        came = [_variant(node, sequence, boot, changed=changed) for node, sequence, changed in group]
        expected = []
        for one in came:
            first = stored.setdefault(one.key, one)
            expected.append(STORED if first is one else DUPLICATE if first.body == one.body else CONFLICT)
        assert store.add(came) == expected
    kept = [one for one in everything(store) if one.key.boot == boot]
    assert sorted(keys(kept)) == sorted(keys(stored.values()))
    assert {one.key: one.body for one in kept} == {key: one.body for key, one in stored.items()}
    windows = list(store.windows())
    assert sum(kept.batches for kept in windows) == len(everything(store))
    assert sum(kept.bytes for kept in windows) == sum(len(one.body) for one in everything(store))


def _variant(node: str, sequence: int, boot: str, *, changed: bool) -> Received:
    return batch(sequence, node=node, boot=boot, body=b"changed" if changed else None)


def test_outcomes_are_words() -> None:
    """They become the label of a metric."""
    assert list(Outcome) == ["stored", "duplicate", "conflict"]
