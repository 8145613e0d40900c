"""
Close a window and hand over what each replica did in it.

Flow: identify -> **window** -> ship. Takes features as they come, gives one snapshot per replica.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.values import Drained, Feature, Subject
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Coverage, Origin, Snapshot, Window


@dataclass(slots=True)
class Gathered:
    """What one replica did so far in the open window."""

    features: defaultdict[Aspect, set[str]] = field(default_factory=lambda: defaultdict(set))
    events: int = 0
    """System calls."""
    lost: Counter[str] = field(default_factory=Counter)
    """Why → how many."""
    truncated: Counter[Aspect] = field(default_factory=Counter)
    origins: set[Origin] = field(default_factory=set)

    def add(self, features: Iterable[Feature]) -> None:
        """More features."""
        for aspect, value in features:
            self.features[aspect].add(value)

    def take_in(self, drained: Drained) -> None:
        """What a record told."""
        self.add(drained.features)
        self.truncated.update(drained.truncated)
        self.lost.update(drained.lost)
        self.origins.update(drained.origins)


def closed(subject: Subject, gathered: Gathered, *, window: Window, node: str, observed_s: float) -> Snapshot:
    """The snapshot of a replica, from what was gathered of it."""
    return Snapshot(
        window=window,
        node=node,
        replica=subject.replica,
        workload=subject.workload,
        aspects={aspect: frozenset(gathered.features.get(aspect, ())) for aspect in Aspect},
        coverage=Coverage(
            observed_s=observed_s,
            events=gathered.events,
            lost=dict(sorted((why, count) for why, count in gathered.lost.items() if count)),
            truncated={aspect.value: count for aspect, count in sorted(gathered.truncated.items()) if count},
            resolved=subject.resolved,
        ),
        origins=frozenset(gathered.origins),
    )
