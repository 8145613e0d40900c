"""What never came of a node is found by its sequence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aggregator.serve.gaps import BOOTS, Gap, Gaps
from kinwatch.batch import BatchKey


def key(sequence: int, *, node: str = "a", boot: str = "1") -> BatchKey:
    return BatchKey(node=node, boot=boot, sequence=sequence)


def test_a_sequence_without_a_gap_misses_nothing() -> None:
    gaps = Gaps()
    assert [gaps.note(key(sequence)) for sequence in (1, 2, 3)] == [Gap(), Gap(), Gap()]


def test_what_is_jumped_over_is_missing_until_it_comes() -> None:
    gaps = Gaps()
    gaps.note(key(1))
    assert gaps.note(key(5)) == Gap(missing=range(2, 5))
    assert gaps.note(key(3)) == Gap(found=1)
    assert gaps.note(key(3)) == Gap()


def test_a_boot_begins_at_one_and_the_boots_do_not_mix() -> None:
    gaps = Gaps()
    assert gaps.note(key(3)) == Gap(missing=range(1, 3))
    assert gaps.note(key(1, boot="2")) == Gap()
    assert gaps.note(key(4)) == Gap()


def test_a_sequence_of_any_height_costs_nothing() -> None:
    assert Gaps().note(key(2**63 - 1)).missing == range(1, 2**63 - 1)


def test_the_boot_that_was_silent_for_longest_is_forgotten() -> None:
    gaps = Gaps()
    for number in range(BOOTS + 1):
        gaps.note(key(1, node=str(number)))
    assert gaps.note(key(2, node="1")) == Gap()
    assert gaps.note(key(2, node="0")) == Gap(missing=range(1, 2))


@given(st.permutations(range(1, 21)))
def test_in_any_order_what_was_missing_is_found_in_the_end(order: list[int]) -> None:
    gaps = Gaps()
    told = [gaps.note(key(sequence)) for sequence in order]
    assert sum(len(one.missing) for one in told) == sum(one.found for one in told)
