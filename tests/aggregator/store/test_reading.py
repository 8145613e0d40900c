"""What was stored is found: windows, the batches of one, and nodes."""

from __future__ import annotations

import random
from datetime import timedelta

from keeping import BOOT, START, batch, keys, window

from aggregator.store.reading import BATCHES_A_PAGE, WINDOWS_A_PAGE
from aggregator.store.store import Store


def test_the_batches_of_a_window_come_by_node_boot_and_sequence(store: Store) -> None:
    """Late ones in their place; in the order of code points whatever the database's language; more than a page."""
    nodes = ["Node", "node-1", "node-10", "node-2", "é", "Ω", "\U0001f600", *(f"n{i:03}" for i in range(30))]
    came = [
        batch(sequence, node=node, boot=boot, number=5, late=sequence == 2)
        for node in nodes
        for boot in ("a", "b")
        for sequence in (1, 2, 10)
    ]
    assert len(came) > 2 * BATCHES_A_PAGE
    random.Random(1).shuffle(came)  # noqa: S311 - an order, not a secret
    store.add([*came, batch(1, number=4), batch(2, number=6)])
    assert list(store.batches_of(window(5))) == sorted(came, key=lambda one: one.key)


def test_a_page_that_is_just_full_ends_well(store: Store) -> None:
    store.add([batch(sequence, number=0) for sequence in range(1, BATCHES_A_PAGE + 1)])
    assert len(list(store.batches_of(window(0)))) == BATCHES_A_PAGE


def test_who_reads_a_window_holds_nobody_up(store: Store) -> None:
    """Batches are added, and the window is judged, while it is being read; what comes behind the reader is read too."""
    store.add([batch(sequence, number=0) for sequence in range(1, BATCHES_A_PAGE + 2)])
    reader = store.batches_of(window(0))
    assert next(reader).key.sequence == 1
    store.add([batch(1000, number=0)])
    assert store.mark_judged(window(0), START)
    assert [one.key.sequence for one in reader][-2:] == [BATCHES_A_PAGE + 1, 1000]


def test_windows_of_one_start_and_two_lengths_are_two(store: Store) -> None:
    store.add([batch(1, number=0)])
    assert list(store.batches_of(window(0, seconds=60))) == []


def test_windows_come_oldest_first_and_say_what_they_hold(store: Store) -> None:
    early, late = START, START + timedelta(hours=1)
    store.add([batch(2, number=3, body=b"12345", received_at=late)])
    store.add([batch(3, number=1), batch(1, number=3, body=b"123", received_at=early)])
    first, second = store.windows()
    assert (first.window, second.window) == (window(1), window(3))
    assert (second.batches, second.bytes) == (2, 8)
    assert (second.first_received_at, second.last_received_at) == (early, late)
    assert (second.judged_at, second.forgotten_at) == (None, None)


def test_windows_are_asked_for_by_their_start(store: Store) -> None:
    store.add([batch(sequence) for sequence in range(1, 6)])
    asked = store.windows(since=window(2).start, until=window(4).start)
    assert [one.window for one in asked] == [window(2), window(3)]


def test_more_windows_than_a_page_all_come(store: Store) -> None:
    store.add([batch(sequence) for sequence in range(1, WINDOWS_A_PAGE + 3)])
    assert [one.window for one in store.windows()] == [window(number) for number in range(1, WINDOWS_A_PAGE + 3)]


def test_a_node_is_known_by_what_it_sent_last(store: Store) -> None:
    """The latest window and the greatest sequence, in whatever order they came; a duplicate is a sign of life."""
    late = START + timedelta(hours=2)
    store.add([batch(3), batch(1), batch(9, node="node-2")])
    store.add([batch(1, received_at=late)])
    first, second = store.nodes()
    assert (first.node, first.boot, first.last_sequence, first.stored) == ("node-1", BOOT, 3, 2)
    assert (first.last_window, first.last_seen) == (window(3), late)
    assert (second.node, second.last_sequence) == ("node-2", 9)


def test_a_node_that_booted_is_known_by_its_new_boot(store: Store) -> None:
    store.add([batch(50, number=1), batch(1, boot="new", number=2), batch(51, number=1)])
    assert [(node.boot, node.last_sequence) for node in store.nodes()] == [("new", 1)]


def test_a_window_is_pending_until_it_is_judged(store: Store) -> None:
    """A late batch doesn't make it pending again."""
    store.add([batch(2), batch(1)])
    assert [one.window for one in store.pending()] == [window(1), window(2)]
    judged_at = START + timedelta(hours=1)
    assert store.mark_judged(window(1), judged_at)
    store.add([batch(3, number=1, late=True)])
    assert [one.window for one in store.pending()] == [window(2)]
    assert next(store.windows()).judged_at == judged_at
    assert keys(store.batches_of(window(1))) == keys([batch(1), batch(3)])


def test_a_window_is_judged_once(store: Store) -> None:
    """Whoever comes second is told so; a window that nothing came for can't be judged."""
    store.add([batch(1)])
    assert [store.mark_judged(window(1), START), store.mark_judged(window(1), START)] == [True, False]
    assert not store.mark_judged(window(2), START)
