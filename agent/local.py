"""
Name containers by what their runtimes keep on this node, without a cluster.

Flow: runtimes -> **local** -> roster (what to watch), naming (who it is). The runtimes' state is listed every second in
a thread of its own, and read when something in it has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from agent.identify import Pods
from agent.names import AGENT, EXCLUDED, SANDBOX
from agent.pods.workload import workload_by_labels
from agent.runtimes.container import Failure, LocalContainer
from agent.runtimes.identity import replica_of, workload_of
from agent.runtimes.inventory import Runtimes
from agent.selection import Rules
from agent.values import Answer, Candidate, Named, Subject
from kinwatch.snapshot import Replica, Workload

_CONTAINER: Final = re.compile(r"(?:^|[-:])(?P<id>[0-9a-f]{64})(?:\.scope)?$")
"""A component of a path that names a container: `docker-<id>.scope`, `libpod-<id>.scope`, or the id alone."""
_MONITOR: Final = "-conmon-"
"""Podman and CRI-O put a container's monitor into a cgroup of its own; it is no container."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the runtimes said last. It never changes: a newer one takes its place."""

    number: int = 0
    by_root: Mapping[str, LocalContainer] = field(default_factory=dict)
    """Containers by the path of their topmost cgroup."""


class Inventory:
    """The containers of this node's runtimes: `refresh` is called from one thread, all else from any."""

    def __init__(self, runtimes: Runtimes) -> None:
        self._runtimes = runtimes
        self._fingerprint: object = None
        self._failures: tuple[Failure, ...] = ()
        self.view = View()

    def refresh(self) -> None:
        """Read what has changed, if something has."""
        fingerprint = self._runtimes.fingerprint()
        if fingerprint == self._fingerprint:
            return
        containers = self._runtimes.containers()
        self._fingerprint = fingerprint
        self.view = View(number=self.view.number + 1, by_root={one.cgroup: one for one in containers})
        self._tell_failures()

    def _tell_failures(self) -> None:
        failures = self._runtimes.failures
        for failure in set(failures) - set(self._failures):
            log.warning(
                "runtime_not_read",
                runtime=failure.runtime,
                path=failure.path,
                reason=failure.reason,
                count=failure.count,
            )
        self._failures = failures


class LocalSelection:
    """The containers that the runtimes know, and those whose cgroup has a container's name."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._pods = Pods()

    def subject(self, path: str) -> Subject | None:
        """The container to which a cgroup belongs."""
        if of_pod := self._pods.subject(path):
            return of_pod
        by_root = self._inventory.view.by_root
        components = path.split("/")
        for end in range(2, len(components) + 1):
            root = "/".join(components[:end])
            if known := by_root.get(root):
                return _subject(root, known.id)
            named = _CONTAINER.search(components[end - 1])
            if named and _MONITOR not in components[end - 1]:
                return _subject(root, named["id"])
        return None


def _subject(root: str, container_id: str) -> Subject:
    return Subject(
        root=root, replica=Replica(container_id=container_id, cgroup=root), workload=Workload(), resolved=False
    )


class LocalNames:
    """Who they are."""

    def __init__(self, inventory: Inventory, *, rules: Callable[[], Rules], own_root: str | None) -> None:
        """`own_root` is the cgroup of the agent's own container, which is not watched."""
        self._inventory = inventory
        self._rules = rules
        self._own_root = own_root

    def version(self) -> object:
        """Equal as long as no answer can have changed."""
        return self._inventory.view.number, self._rules()

    def answers(self, candidates: Sequence[Candidate], *, now_s: float) -> Mapping[str, Answer]:  # noqa: ARG002
        """Who each of the containers is, by its root."""
        by_root = self._inventory.view.by_root
        return {one.subject.root: self._answer(one.subject, by_root.get(one.subject.root)) for one in candidates}

    def running(self, **_: object) -> Sequence[Named]:
        """None: a runtime's state may be of a container that has just ended."""
        return ()

    def _answer(self, subject: Subject, known: LocalContainer | None) -> Answer:
        if subject.root == self._own_root:
            return AGENT
        if known is None:
            return None
        if known.is_sandbox:
            return SANDBOX
        labels = known.pod.labels if known.pod else {}
        workload = workload_by_labels(known.pod.name, labels) if known.pod else workload_of(known)
        replica = replica_of(known)
        if not self._rules().wants(replica, workload, labels):
            return EXCLUDED
        return Named(replica=replica, workload=workload, resolved=workload.name is not None)
