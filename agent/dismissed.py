"""
Remember the containers that are there and not to be watched, so that no cgroup of theirs is enlisted again.

Flow: roster -> **dismissed**. Each is forgotten with its last cgroup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.values import Candidate


@dataclass(slots=True)
class _Container:
    candidate: Candidate
    cgroup_ids: set[int]


class Dismissed:
    """Containers that were dismissed, with their cgroups."""

    def __init__(self) -> None:
        self._by_root: dict[str, _Container] = {}
        self._by_cgroup: dict[int, _Container] = {}

    @property
    def candidates(self) -> list[Candidate]:
        """All of them."""
        return [container.candidate for container in self._by_root.values()]

    @property
    def cgroup_ids(self) -> set[int]:
        """All their cgroups."""
        return set(self._by_cgroup)

    def add(self, candidate: Candidate, cgroup_ids: Iterable[int]) -> None:
        """One more, with the cgroups that it has now."""
        container = _Container(candidate, set(cgroup_ids))
        self._by_root[candidate.subject.root] = container
        self._by_cgroup.update(dict.fromkeys(container.cgroup_ids, container))

    def takes(self, root: str, cgroup_id: int) -> bool:
        """Whether a cgroup belongs to one of them; if so, it is remembered with it."""
        container = self._by_root.get(root)
        if container is None:
            return False
        container.cgroup_ids.add(cgroup_id)
        self._by_cgroup[cgroup_id] = container
        return True

    def removed(self, cgroup_id: int) -> None:
        """A cgroup went, perhaps one of theirs."""
        container = self._by_cgroup.pop(cgroup_id, None)
        if container is None:
            return
        container.cgroup_ids.discard(cgroup_id)
        if not container.cgroup_ids:
            self._by_root.pop(container.candidate.subject.root, None)

    def recall(self, root: str) -> None:
        """It is to be watched again."""
        container = self._by_root.pop(root, None)
        for cgroup_id in container.cgroup_ids if container else ():
            self._by_cgroup.pop(cgroup_id, None)
