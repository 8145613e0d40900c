"""The judge of deliveries finds what it is there to find."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bench.delivered import Delivered, judged
from bench.stored import Stored
from bench.synthetic_agent import closed, window_of
from kinwatch.batch import Batch, BatchKey, NodeCoverage

BOOTS = ("0b1e7d0c-7a3f-4d83-9a51-5a5c9a2f3f10", "b4b8b2d0-3f4c-4bb9-8a55-0a1e4c6c2f77")


def batch(sequence: int, window: int, *, lost: int = 0, boot: int = 0, mark: str | None = None) -> Batch:
    """What the synthetic agent of node n1 ships of a window."""
    came = closed(window_of(window), node="n1", mark=mark or f"{window}-x")
    return Batch(
        key=BatchKey(node="n1", boot=BOOTS[boot], sequence=sequence),
        window=came.window,
        late=False,
        agent_version="1",
        coverage=NodeCoverage(
            observed_s=0.25, lost={"windows": lost} if lost else {}, names_source="given", problem=None
        ),
        expected=(),
        snapshots=tuple(came.snapshots),
    )


def found(*batches: Batch, windows: range) -> Delivered:
    """What is found of batches that came in this order, when these windows were closed."""
    now = datetime(2026, 5, 4, tzinfo=UTC)
    arrived = [Stored(batch=one, received_at=now.replace(microsecond=place)) for place, one in enumerate(batches)]
    return judged(arrived, {"n1": [f"n1/{number}-x" for number in windows]}, window_s=0.25)


GOOD = (batch(1, 10), batch(2, 11), batch(3, 12))


def test_whole_delivery_is_found_whole() -> None:
    one = found(*GOOD, windows=range(10, 13))
    assert one == Delivered(closed=3, stored=3, missing=0, twice=0, disordered=0, untold=0, told=0)


def test_loss_is_found_and_whether_it_was_told() -> None:
    silent = found(batch(1, 10), batch(2, 12), windows=range(10, 13))
    told = found(batch(1, 10), batch(2, 12, lost=1), windows=range(10, 13))
    assert (silent.missing, silent.untold) == (1, 1)
    assert (told.missing, told.untold, told.told) == (1, 0, 1)


def test_loss_that_is_told_and_was_none_is_found() -> None:
    assert found(batch(1, 10), batch(2, 11, lost=3), windows=range(10, 12)).untold == 3


def test_what_came_twice_under_other_keys_is_found() -> None:
    assert found(*GOOD, replace(GOOD[2], key=replace(GOOD[2].key, sequence=4)), windows=range(10, 13)).twice == 1


def test_disorder_and_gaps_in_the_sequence_are_found() -> None:
    assert found(GOOD[1], GOOD[0], GOOD[2], windows=range(10, 13)).disordered == 2
    assert found(GOOD[0], GOOD[2], windows=range(10, 11)).disordered == 1


def test_sequence_begins_anew_with_another_boot() -> None:
    assert found(*GOOD, batch(1, 13, boot=1), windows=range(10, 14)).disordered == 0
    assert found(*GOOD, batch(2, 13, boot=1), windows=range(10, 14)).disordered == 1
