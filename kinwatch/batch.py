"""
What a node sends of one window: its snapshots, who ought to run there, and what it missed.

Flow: agent naming -> **batch** -> wire -> aggregator ingest. The value that is shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kinwatch.snapshot import Replica, Snapshot, Window, Workload


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BatchKey:
    """What makes a batch itself: sent twice, it is the same batch."""

    node: str
    """The node's name in the cluster."""
    boot: str
    """A UUID: new when the node boots, and when its spool was lost, so that `sequence` never counts anew under it."""
    sequence: int
    """Counts the batches of this node and boot, from 1, without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A replica that ran on the node in the window, whether or not its snapshot is in this batch."""

    replica: Replica
    workload: Workload
    resolved: bool
    """Whether its workload is known; if not, its snapshot may follow in a late batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCoverage:
    """What the node as a whole may have missed since the batch before this one."""

    observed_s: float
    """Seconds of the window in which the agent was watching."""
    lost: Mapping[str, int]
    """Why → how many: `windows` (the agent was not running, or was killed with them open), `batches` (dropped from the
    spool), `bytes` of those, `refused` (batches that the aggregator would never take), `snapshots` and `expected` (too
    many for a batch), `replicas`, `threads` (see Coverage)."""
    names_source: str | None
    """Who tells the names: `kubelet`, `apiserver`, `runtime`, `given`; None: nobody does now."""
    problem: str | None
    """Why it is not the best source, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One node, one window."""

    key: BatchKey
    window: Window
    late: bool
    """Whether another batch of the same window went before: these are snapshots that were named since."""
    agent_version: str
    coverage: NodeCoverage
    expected: tuple[Expected, ...]
    """Of a late batch none."""
    snapshots: tuple[Snapshot, ...]
    """All of `window`, and with `node` equal to the key's."""
