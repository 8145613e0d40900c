"""
The values in which the steps of the aggregator meet: from what was read to what is said about it.

Flow: beside it. read gives Line, Capture and Problem; cohort makes Gatherings of them; judge gives a Ruling; show takes
Verdicts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kinwatch.aspects import Aspect
from kinwatch.normalise import Profile
from kinwatch.snapshot import Coverage, Features, Replica, Snapshot

_LONG_ID = re.compile(r"[0-9a-f]{64}")
SHORT_ID_LENGTH = 12


def short_name(replica: Replica) -> str:
    """A name for people: of a path its last component, of a container id its first 12 characters."""
    name = replica.label.rstrip("/").rpartition("/")[2] or replica.label
    return name[:SHORT_ID_LENGTH] if _LONG_ID.fullmatch(name) else name


class Outcome(StrEnum):
    """What is said of one cohort in one window."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The replicas that ought to behave alike. A chisel capture names none of this: `name` is its file's stem."""

    namespace: str | None = None
    kind: str | None = None
    name: str | None = None
    revision: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The window of a gathering, as far as it is known."""

    start: str | None
    """ISO 8601 in UTC; a chisel capture's is a local time of day without a date, as the capture gives it."""
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one replica did in a window, values raw."""

    replica: Replica
    aspects: Mapping[Aspect, Features]
    coverage: Coverage | None
    """None where it is unknown: a chisel capture counts neither what it lost nor how long it watched."""

    def features(self, aspect: Aspect) -> Features:
        """The set of an aspect; a missing one is empty."""
        return self.aspects.get(aspect, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One snapshot, and the source it was read from."""

    source: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One sysdig chisel capture: a cohort in one window."""

    source: str
    name: str
    window: Span
    observations: tuple[Observation, ...]
    notes: tuple[str, ...] = ()
    """What the reader of a verdict should know, such as lists that are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a source that can't be used, and what to do about it."""

    source: str
    problem: str
    remedy: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """A cohort in one window: what is judged."""

    cohort: Cohort
    window: Span
    sources: tuple[str, ...]
    observations: tuple[Observation, ...]
    doubt: str | None = None
    """Why this can't be judged at all, whatever the observations say."""
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The sources as one text."""
        return ", ".join(self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a profile's rule says of a gathering's replicas, which are known by their index."""

    outcome: Outcome
    reason: str
    odd: frozenset[int] = frozenset()
    """The replicas called anomalous."""
    kin: Mapping[int, tuple[int, ...]]
    """Each replica that was compared → those against which its distance is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A feature that sets a replica apart, and how many of the others have it."""

    value: str
    kin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What sets a replica apart in one aspect."""

    only_here: tuple[Mark, ...]
    missing_here: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaVerdict:
    """What is said of one replica; `distance` is None where it was not compared."""

    replica: Replica
    distance: float | None
    dissimilarity: Mapping[Aspect, float]
    anomalous: bool
    evidence: Mapping[Aspect, Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of one cohort in one window."""

    cohort: Cohort
    window: Span
    source: str
    profile: Profile
    threshold: float
    outcome: Outcome
    reason: str
    replicas: tuple[ReplicaVerdict, ...]
    compared: int
    """How many replicas were compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How many snapshots (a cohort in one window) are anomalous at each threshold."""

    profile: Profile
    snapshots: int
    inconclusive: int
    anomalous: tuple[tuple[float, int], ...]
    """Threshold, and the number of anomalous snapshots at it."""
