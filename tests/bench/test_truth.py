"""What the program of bench-complete does is known, and held against what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.complete import judged
from bench.truth import CHILDREN, FILES, FORKS, HARMLESS, OWN, Run, differences
from kinwatch.aspects import Aspect

RUN = Run(program=Path("/x/prime"), folder=Path("/x/run-0"), pace_us=1)


@pytest.mark.parametrize("count", [FILES, CHILDREN, FORKS, len(OWN) + len(HARMLESS)])
def test_each_count_is_prime(count: int) -> None:
    assert all(count % divisor for divisor in range(2, count))


def test_no_call_is_listed_twice() -> None:
    assert len(set(HARMLESS) | OWN) == len(HARMLESS) + len(OWN)


def test_truth_has_each_count() -> None:
    truth = RUN.truth
    assert len(truth[Aspect.FILENAMES]) == FILES
    assert len(truth[Aspect.COMMANDS]) == 1 + CHILDREN + FORKS
    assert len(truth[Aspect.SYSCALLS]) == len(OWN) + len(HARMLESS)


def test_missing_and_surplus_features_are_told_apart() -> None:
    seen = {**RUN.truth, Aspect.CWDS: frozenset(["/elsewhere"])}
    assert list(differences(RUN.truth, seen)) == [(Aspect.CWDS, 1, 1)]
    assert not list(differences(RUN.truth, RUN.truth))


def test_run_of_which_nothing_was_captured_is_silently_short() -> None:
    outcome = judged(RUN, [])
    assert outcome.silent == outcome.missing == sum(map(len, RUN.truth.values()))
