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


def evidence(own: Mapping[Aspect, Features], kin: Sequence[Mapping[Aspect, Features]]) -> dict[Aspect, Difference]:
    """Per aspect what sets a replica apart from its kin; aspects in which nothing does are left out."""
    differences = {aspect: difference(own[aspect], [one[aspect] for one in kin]) for aspect in own}
    return {aspect: found for aspect, found in differences.items() if found.only_here or found.missing_here}


def difference(own: Features, kin: Sequence[Features]) -> Difference:
    """
    What fewer than half of the kin share, and what is missing though more than half of them have it.

    The rarest comes first in what is only here, the most widespread in what is missing.
    """
    holders = Counter(feature for features in kin for feature in features)
    only_here = [Mark(value=value, kin=holders[value]) for value in own if 2 * holders[value] < len(kin)]
    missing_here = [
        Mark(value=value, kin=count) for value, count in holders.items() if value not in own and 2 * count > len(kin)
    ]
    return Difference(
        only_here=tuple(sorted(only_here, key=lambda mark: (mark.kin, mark.value))),
        missing_here=tuple(sorted(missing_here, key=lambda mark: (-mark.kin, mark.value))),
    )
