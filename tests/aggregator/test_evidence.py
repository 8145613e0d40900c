"""What sets a replica apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aggregator import evidence
from aggregator.verdict import Difference, Mark
from kinwatch.aspects import Aspect

FEATURES = st.frozensets(st.sampled_from("abcdef"))


def difference(own: frozenset[str], kin: list[frozenset[str]]) -> Difference:
    holders = evidence.holders_of([{Aspect.CWDS: one} for one in (own, *kin)])
    return evidence.difference(own, holders[Aspect.CWDS], kin=len(kin))


def test_what_only_it_has_and_what_only_it_lacks() -> None:
    found = difference(frozenset("abx"), [frozenset("abc"), frozenset("abc")])
    assert found.only_here == (Mark(value="x", kin=0),)
    assert found.missing_here == (Mark(value="c", kin=2),)


def test_what_half_of_the_kin_share_sets_nobody_apart() -> None:
    found = difference(frozenset("x"), [frozenset("x"), frozenset("c")])
    assert (found.only_here, found.missing_here) == ((), ())


def test_the_rarest_here_and_the_most_widespread_elsewhere_come_first() -> None:
    kin = [frozenset(one) for one in ("bmn", "mn", "m", "mn", "mno")]
    found = difference(frozenset("ab"), kin)
    assert found.only_here == (Mark(value="a", kin=0), Mark(value="b", kin=1))
    assert found.missing_here == (Mark(value="m", kin=5), Mark(value="n", kin=4))


def test_aspects_in_which_nothing_differs_are_left_out() -> None:
    own = {Aspect.SYSCALLS: frozenset("a"), Aspect.CWDS: frozenset("x")}
    kin = {Aspect.SYSCALLS: frozenset("a"), Aspect.CWDS: frozenset("y")}
    assert set(evidence.evidence(own, evidence.holders_of([own, kin]), kin=1)) == {Aspect.CWDS}


@given(FEATURES, st.lists(FEATURES, min_size=1, max_size=5))
def test_evidence_is_true(own: frozenset[str], kin: list[frozenset[str]]) -> None:
    """What is called only here is here and rare, what is called missing is not; the counts are right."""
    found = difference(own, kin)
    assert all(mark.value in own for mark in found.only_here)
    assert all(mark.value not in own for mark in found.missing_here)
    for mark in (*found.only_here, *found.missing_here):
        assert mark.kin == sum(mark.value in one for one in kin)
