"""
List the containers of this node, each with its names and its cgroup.

Flow: reading -> **inventory** -> identity. `fingerprint` only lists folders, so it can be asked every second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from agent.runtimes.ask import ask as ask_program
from agent.runtimes.container import Failure, LocalContainer, State
from agent.runtimes.places import Places
from agent.runtimes.processes import CgroupOf, Misplaced, root_cgroup
from agent.runtimes.reading import Failures, Reading
from agent.runtimes.source import Ask, Source

Fingerprint = frozenset[tuple[str, int]]
"""Equal as long as no container was started, ended or removed."""


class Runtimes:
    """The containers of this node's runtimes. Not for two threads at once."""

    def __init__(
        self,
        cgroup_of: CgroupOf,
        *,
        root: Path = Path("/"),
        proc: Path = Path("/proc"),
        sources: Callable[[], Iterable[Source]] | None = None,
        ask: Ask = ask_program,
    ) -> None:
        """
        Take state from below `root`, and processes from `proc`, which has the node's pids.

        `cgroup_of` is a `processes.cgroup_reader` of the hierarchy that is watched. `sources` stands in for the places
        known below `root`.
        """
        self._cgroup_of = cgroup_of
        self._proc = proc
        self._reading = Reading(sources or Places.of(root).sources, ask)
        self._failures = Failures()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What the last `containers` found and could not use."""
        return tuple(self._failures)

    def fingerprint(self) -> Fingerprint:
        """What there is now, by listing only; `containers` has nothing new to tell while it stays the same."""
        listed = self._reading.listed(Failures())
        return frozenset((str(entry.folder), entry.stamp) for _, entries in listed for entry in entries)

    def containers(self) -> tuple[LocalContainer, ...]:
        """
        The containers that run now; of two that claim a cgroup or an id, what the runtime nearer to a person says.

        Reads what is new. Takes up to 2 s for a runtime's program that has to be asked and hangs.
        """
        self._failures = Failures()
        found: dict[str, LocalContainer] = {}
        ids: set[str] = set()
        gone = 0
        for source, state in self._reading.states(self._failures):
            if state.id in ids:
                continue
            try:
                cgroup = root_cgroup(state, cgroup_of=self._cgroup_of, owner=source.owner, proc=self._proc)
            except Misplaced as error:
                self._failures.add(source.runtime, self._proc / str(state.pid), str(error))
                continue
            gone += cgroup is None
            if cgroup is not None and cgroup not in found:
                ids.add(state.id)
                found[cgroup] = _container(source.runtime, state, cgroup)
        if gone and not found:
            self._failures.add("all", self._proc, f"none of {gone} containers' first processes is here")
        return tuple(found.values())


def _container(runtime: str, state: State, cgroup: str) -> LocalContainer:
    traits = state.traits
    return LocalContainer(
        runtime=runtime,
        id=state.id,
        name=traits.name or state.id,
        cgroup=cgroup,
        image=traits.image,
        image_id=traits.image_id,
        project=traits.project,
        service=traits.service,
        pod=traits.pod,
        is_sandbox=traits.is_sandbox,
    )
