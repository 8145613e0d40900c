"""
What the steps hand each other: they never import one another, and meet here.

Flow: beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.records import Kind
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Origin, Replica, Snapshot, Window, Workload

Feature = tuple[Aspect, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotWindow:
    """What a slot gathered in one window besides its records."""

    events: int
    """System calls made."""
    calls: frozenset[int]
    """Bits of the set: system call numbers, 32-bit ones above CALLS_PER_TABLE."""
    lost: Mapping[Kind, int]
    """Records that could not be stored for want of room in the ring."""
    truncated: Mapping[Kind, int]
    """Uses of features beyond the bound of their kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a record tells."""

    features: tuple[Feature, ...]
    truncated: tuple[Aspect, ...] = ()
    """Aspects in which a value was cut short."""
    lost: tuple[str, ...] = ()
    """What could not be had."""
    origins: tuple[Origin, ...] = ()
    """Where the process came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A container to be watched."""

    root: str
    """Path of its topmost cgroup."""
    replica: Replica
    workload: Workload
    resolved: bool
    """Whether its workload is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A container that was found, and is to be named."""

    subject: Subject
    born: int
    """Id of its first cgroup. The kernel counts these up, so the lesser of two is the older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a container did in a window that was closed."""

    candidate: Candidate
    snapshot: Snapshot
    """Not named yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Who a container is."""

    replica: Replica
    workload: Workload
    resolved: bool = True
    """Whether its workload is known; if not, the replica's names may be, or some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What came of a window that was closed."""

    window: Window
    snapshots: Sequence[Snapshot]
    """Of this window, as far as their replicas are named, or given up; in the order of cgroups."""
    late: Sequence[Snapshot]
    """Of windows before it, whose replicas were named since; the oldest window first."""
    expected: Sequence[Named]
    """Everyone who ran on the node in it, those included that wait for a name, and those that nobody saw."""
    observed_s: float
    """Seconds of it in which the agent watched."""
    lost: Mapping[str, int]
    """What was missed of nobody in particular: see Coverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """A container that is not to be watched."""

    why: str
    """`sandbox`, `excluded`, `annotation`, `agent`."""


Answer = Named | Unwanted | None
"""Who a container is; None: not known yet."""
