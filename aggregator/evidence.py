"""
Show what sets a replica apart: the features that it has and its kin lack, and the other way round.

Flow: judge -> **evidence** -> show. Sets in, differences out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aggregator.verdict import Difference, Mark
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Features

Holders = Mapping[str, int]
"""Feature → how many of the replicas that were compared have it."""


def holders_of(replicas: Sequence[Mapping[Aspect, Features]]) -> dict[Aspect, Holders]:
    """Per aspect how many of some replicas have each feature."""
    aspects = replicas[0] if replicas else {}
    return {aspect: Counter(feature for one in replicas for feature in one[aspect]) for aspect in aspects}


def evidence(
    own: Mapping[Aspect, Features], holders: Mapping[Aspect, Holders], *, kin: int
) -> dict[Aspect, Difference]:
    """Per aspect what sets a replica, itself among the holders, apart from its kin; no aspect in which nothing does."""
    differences = {aspect: difference(own[aspect], holders[aspect], kin=kin) for aspect in own}
    return {aspect: found for aspect, found in differences.items() if found.only_here or found.missing_here}


def difference(own: Features, holders: Holders, *, kin: int) -> Difference:
    """
    What fewer than half of the kin share, and what is missing though more than half of them have it.

    The rarest comes first in what is only here, the most widespread in what is missing.
    """
    only_here = [Mark(value=value, kin=holders[value] - 1) for value in own if 2 * (holders[value] - 1) < kin]
    missing_here = [
        Mark(value=value, kin=count) for value, count in holders.items() if 2 * count > kin and value not in own
    ]
    return Difference(
        only_here=tuple(sorted(only_here, key=lambda mark: (mark.kin, mark.value))),
        missing_here=tuple(sorted(missing_here, key=lambda mark: (-mark.kin, mark.value))),
    )
