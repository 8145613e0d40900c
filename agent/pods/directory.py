"""
What is known of the pods of this node: written by the thread that follows them, read by the one that captures.

Flow: sources -> **directory** -> name.

A pod that is deleted keeps its name for a while, since its last window may not have been closed yet.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.pods.pod import Container, Pod
from kinwatch.snapshot import Workload

KEPT_S: Final = 900.0
"""How long a container keeps its name after it was first missed in a listing, in seconds: longer than the longest
window. Counted from then, since no listing may have come for a while before."""
FRESH_S: Final = 30.0
"""How old a listing may be to say what does not run, in seconds: each source tells it at least every 20 s."""
KEPT_MAX: Final = 16_384
"""Containers that are remembered beyond those that are listed; the longest gone are forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A pod with its workload."""

    pod: Pod
    workload: Workload | None
    """None: its owner is still to be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A container, its pod and its workload."""

    pod: Pod
    container: Container
    workload: Workload | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All that is known at one time. It never changes: a newer one takes its place."""

    number: int = 0
    """Counts the listings; 0: there was none yet."""
    by_uid: Mapping[str, Listed] = field(default_factory=dict)
    """Pods that are listed, by the uid in their cgroups' paths."""
    by_container: Mapping[str, Known] = field(default_factory=dict)
    """Containers by id: those of pods that are listed, and those that went."""


class Directory:
    """The pods of this node. `tell` is called from one thread, all else from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listing = Listing()
        self._told: tuple[Listed, ...] = ()
        self._told_s: float | None = None
        self._missed_s: dict[str, float] = {}
        """When those that went were first missed."""

    @property
    def listing(self) -> Listing:
        """What is known now."""
        with self._lock:
            return self._listing

    def is_fresh(self, *, at_s: float) -> bool:
        """Whether the pods were told a short while ago."""
        with self._lock:
            return self._told_s is not None and at_s - self._told_s <= FRESH_S

    def tell(self, pods: tuple[Listed, ...], *, at_s: float) -> None:
        """These are all pods of the node, at this moment of the monotonic clock; the same tuple again: no change."""
        # A static pod's uid is an annotation in the API server's list, which anybody may write who may make pods: where
        # another pod has the same uid, it is that one's.
        by_uid = {listed.pod.uid: listed for listed in sorted(pods, key=lambda listed: not listed.pod.static)}
        current = {
            container_id: Known(pod=listed.pod, container=container, workload=listed.workload)
            for listed in by_uid.values()
            for container in listed.pod.containers
            for container_id in container.ids
        }
        with self._lock:
            self._told_s = at_s
            if pods is self._told and self._listing.number > 0:
                return
            self._told = pods
            by_container = self._kept(current, at_s) | current
            self._listing = Listing(number=self._listing.number + 1, by_uid=by_uid, by_container=by_container)

    def _kept(self, current: Mapping[str, Known], at_s: float) -> dict[str, Known]:
        """Those that went, and not too long ago; the longest gone first."""
        before = self._listing.by_container
        missed_s = {one: self._missed_s.get(one, at_s) for one in before if one not in current}
        gone = [one for one, since_s in missed_s.items() if at_s - since_s <= KEPT_S][-KEPT_MAX:]
        self._missed_s = {one: missed_s[one] for one in gone}
        return {one: before[one] for one in gone}
