"""What is old, or too much, is forgotten; what is counted of it stays a while."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

from keeping import DUPLICATE, START, STORED, Place, batch, everything, keys, window

from aggregator.store.retention import BATCHES_A_STEP, ROW_BYTES
from aggregator.store.sqlite import FREE_PART
from aggregator.store.store import Store
from aggregator.store.values import Forgotten

HOUR_S = 3600.0


def end_of(number: int, *, plus_s: float = 0) -> datetime:
    """That long after the end of a window."""
    return window(number).end + timedelta(seconds=plus_s)


def test_windows_are_forgotten_by_age(store: Store) -> None:
    """A window is as old as its end; however late its batches came."""
    store.add([batch(1), batch(2, received_at=end_of(1000)), batch(3)])
    forgotten = store.forget(keep_s=HOUR_S, keep_bytes=None, now=end_of(2, plus_s=HOUR_S))
    assert (forgotten.batches, forgotten.bytes) == (2, 600)
    assert keys(everything(store)) == keys([batch(3)])


def test_the_oldest_are_forgotten_until_the_rest_is_small_enough(store: Store) -> None:
    store.add([batch(sequence) for sequence in range(1, 11)])
    keep_bytes = 4 * (300 + ROW_BYTES)
    assert store.forget(keep_s=HOUR_S, keep_bytes=keep_bytes, now=START).batches == 6
    assert keys(everything(store)) == keys(batch(sequence) for sequence in range(7, 11))


def test_what_is_within_the_bounds_stays(store: Store) -> None:
    store.add([batch(1)])
    assert store.forget(keep_s=HOUR_S, keep_bytes=1 << 20, now=START) == Forgotten()
    assert keys(everything(store)) == keys([batch(1)])


def test_a_window_of_many_steps_goes_as_a_whole(store: Store) -> None:
    """And is counted once where it was not judged."""
    many = 2 * BATCHES_A_STEP + 1
    store.add([batch(sequence, number=1) for sequence in range(1, many + 1)])
    forgotten = store.forget(keep_s=0, keep_bytes=None, now=end_of(1))
    assert forgotten == Forgotten(batches=many, bytes=300 * many, unjudged=1)


def test_windows_that_were_judged_are_no_loss(store: Store) -> None:
    store.add([batch(1), batch(2)])
    store.mark_judged(window(1), START)
    assert store.forget(keep_s=0, keep_bytes=None, now=end_of(2)).unjudged == 1


def test_a_forgotten_window_is_never_judged(store: Store) -> None:
    """An old batch that comes once more would be judged without its kin."""
    store.add([batch(1), batch(2, number=1)])
    store.forget(keep_s=HOUR_S, keep_bytes=None, now=end_of(1, plus_s=HOUR_S))
    assert store.add([batch(1)]) == [STORED]
    assert store.pending() == []
    assert not store.mark_judged(window(1), START)
    assert next(store.windows()).forgotten_at == end_of(1, plus_s=HOUR_S)


def test_a_judged_window_stays_judged_after_its_batches_went(store: Store) -> None:
    store.add([batch(1)])
    store.mark_judged(window(1), START)
    store.forget(keep_s=HOUR_S, keep_bytes=None, now=end_of(1, plus_s=HOUR_S))
    store.add([batch(1)])
    assert not store.mark_judged(window(1), START)


def test_counts_are_forgotten_after_as_long_again(store: Store) -> None:
    """A node that is gone is known as long as that, too."""
    store.add([batch(1)])
    store.forget(keep_s=HOUR_S, keep_bytes=None, now=end_of(1, plus_s=HOUR_S))
    assert [(kept.batches, kept.bytes) for kept in store.windows()] == [(0, 0)]
    assert [node.node for node in store.nodes()] == ["node-1"]
    store.forget(keep_s=HOUR_S, keep_bytes=None, now=end_of(1, plus_s=2 * HOUR_S))
    assert list(store.windows()) == []
    assert store.nodes() == []


def test_batches_are_added_while_many_are_forgotten(store: Store) -> None:
    """Each step lets others in between; what they add stays, and comes again as a duplicate."""
    store.add([batch(sequence, number=1) for sequence in range(1, 30 * BATCHES_A_STEP)])
    forgetting = threading.Thread(target=store.forget, kwargs={"keep_s": 0, "keep_bytes": None, "now": end_of(1)})
    forgetting.start()
    added = []
    while forgetting.is_alive():
        added.append(batch(len(added) + 1, node="node-2", number=2))
        assert store.add(added[-1:]) == [STORED]
    forgetting.join()
    assert len(added) > 5
    assert keys(everything(store)) == keys(added)
    assert store.add(added) == [DUPLICATE] * len(added)


def test_retention_ends_when_the_store_is_closed(place: Place) -> None:
    """The rest is for the next start."""
    store = place.open()
    total = 40 * BATCHES_A_STEP
    store.add([batch(sequence, number=1) for sequence in range(1, total + 1)])
    forgotten: list[Forgotten] = []
    forgetting = threading.Thread(
        target=lambda: forgotten.append(store.forget(keep_s=0, keep_bytes=None, now=end_of(1)))
    )
    forgetting.start()
    while next(store.windows()).batches == total:
        pass
    store.close()
    forgetting.join()
    left = len(everything(place.open()))
    assert 0 < left == total - forgotten[0].batches


def test_sqlite_gives_the_disk_back_what_was_forgotten(tmp_path: Path) -> None:
    """But for a part that the next batches will need."""
    store = Store.open(None, tmp_path)
    store.add(
        [batch(sequence, number=sequence // 100, body=bytes([sequence % 256]) * 10_000) for sequence in range(1, 800)]
    )
    store.close()
    before = (tmp_path / "kinwatch.db").stat().st_size
    store = Store.open(None, tmp_path)
    store.forget(keep_s=0, keep_bytes=None, now=end_of(6))
    store.close()
    after = (tmp_path / "kinwatch.db").stat().st_size
    assert before > 8_000_000
    assert after < 8_000_000 / 8 * (1 + 1 / FREE_PART) + 500_000
