"""A window of a busy node is small on the wire."""

from __future__ import annotations

from bench.wire_batches import busy_node
from kinwatch.wire import encode

KIB = 1024


def test_thirty_like_replicas_of_two_hundred_features_are_twelve_kibibytes_at_most() -> None:
    """One service, 20 features of each replica its own, with random ids in them."""
    batch = busy_node(replicas=30, services=1)
    assert [sum(map(len, one.aspects.values())) for one in batch.snapshots] == [200] * 30
    assert len(encode(batch)) <= 12 * KIB


def test_a_further_like_replica_costs_its_names_and_what_is_its_own() -> None:
    """Not its 200 features: ten of a hundred bytes, and ids of as many."""
    some, more = (len(encode(busy_node(replicas=count, services=1))) for count in (30, 60))
    assert (more - some) / 30 < 350
