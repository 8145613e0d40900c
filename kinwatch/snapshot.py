"""
What one replica did in one window, and what may have been missed.

Flow: agent window -> **snapshot** -> aggregator cohort. The value that the two sides share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kinwatch.aspects import Aspect

Features = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An interval of wall-clock time, [start, start + seconds)."""

    start: datetime
    """First moment, in UTC."""
    seconds: float
    """Length, in seconds."""

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0):
            message = f"a window starts in UTC, not at {self.start!r}"
            raise ValueError(message)
        if not self.seconds > 0:
            message = f"a window lasts more than 0 seconds, not {self.seconds!r}"
            raise ValueError(message)

    @classmethod
    def containing(cls, moment: datetime, *, seconds: float) -> Window:
        """The window [k·seconds, (k+1)·seconds) since the epoch which holds `moment`; the same on every node."""
        index = int(moment.timestamp() // seconds)
        return cls(start=datetime.fromtimestamp(index * seconds, tz=UTC), seconds=seconds)

    @property
    def end(self) -> datetime:
        """First moment after the window."""
        return self.start + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """
    One container of one pod; what is not known is None.

    A container without a pod (`agent --cgroup`) is known by its cgroup, a chisel capture's by its `pod_id`, in `pod`.
    """

    namespace: str | None = None
    pod: str | None = None
    pod_uid: str | None = None
    container: str | None = None
    container_id: str | None = None
    role: str | None = None
    """What it is to its pod: `app`, `init`, `sidecar` or `ephemeral`."""
    cgroup: str | None = None

    @property
    def label(self) -> str:
        """The shortest name by which a person tells this replica from its kin."""
        return self.pod or self.cgroup or self.container_id or self.pod_uid or "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The root owner of a pod, and which version of it the pod runs; what is not known is None."""

    kind: str | None = None
    name: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a snapshot may have missed."""

    observed_s: float
    """Seconds of the window in which the replica was watched."""
    events: int
    """System calls seen."""
    lost: Mapping[str, int]
    """Why → how many occurrences could not be stored. Each was tried again at its next occurrence."""
    truncated: Mapping[str, int]
    """Aspect → how many features are missing from its set or cut short in it, because a bound was reached."""
    resolved: bool
    """Whether the replica's workload is known."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Origin:
    """Where a process of a replica came from."""

    command: str
    """`comm` and the arguments, as in the aspect commands."""
    parent: str
    """`comm` of the process that started it, or that it was left to."""
    outside: bool
    """Whether that process is not of the replica: the container's runtime, a kubelet's exec probe, `kubectl exec`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one replica did in one window: a set of features per aspect, values raw, and its coverage."""

    window: Window
    node: str | None
    replica: Replica
    workload: Workload
    aspects: Mapping[Aspect, Features]
    coverage: Coverage
    origins: frozenset[Origin] = frozenset()
    """Of the processes that ran; empty where it is not known."""

    def features(self, aspect: Aspect) -> Features:
        """The set of an aspect; a missing one is empty."""
        return self.aspects.get(aspect, frozenset())
