"""
Put together what tells the names of containers: given by the command line, by Kubernetes, or by the runtime.

Flow: start -> **identity** -> roster (what to watch), naming (who it is). What asks over the network does so in a
thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from agent.beside import Beside
from agent.identify import Pods
from agent.local import Inventory
from agent.names import PodNames
from agent.naming import Names
from agent.pods.directory import Directory
from agent.pods.owners import CachedOwners
from agent.pods.pace import Pace
from agent.pods.source import Source
from agent.pods.sources import Sources, Status
from agent.pods.workload import OwnerOf
from agent.roster import Selection
from agent.selection_file import SelectionFile
from agent.values import Answer, Candidate, Named

LIST_S: Final = 1.0
"""How often the runtimes' state is listed, in seconds: a container with a cgroup like no other's is found by it."""


class Identity(Protocol):
    """Who the containers of this node are."""

    @property
    def selection(self) -> Selection:
        """Which cgroups are containers."""

    @property
    def names(self) -> Names:
        """Who they are."""

    def look_up(self, *, urgent: bool) -> bool:
        """
        Called some times a second, and never blocks; `urgent` says that a container waits for its name.

        True: there may be containers that were not found when their cgroups were made.
        """


class Given:
    """Cgroups that were named on the command line: they are who they were said to be."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.names: Names = _GivenNames()

    def look_up(self, *, urgent: bool) -> bool:  # noqa: ARG002
        """There is nothing to look up."""
        return False


class _GivenNames:
    def version(self) -> object:
        return 0

    def answers(self, candidates: Sequence[Candidate], *, now_s: float) -> Mapping[str, Answer]:  # noqa: ARG002
        return {
            one.subject.root: Named(replica=one.subject.replica, workload=one.subject.workload) for one in candidates
        }

    def running(self, **_: object) -> Sequence[Named]:
        return ()


class Kubernetes:
    """The containers of pods, as the kubelet or the API server names them."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        owners: CachedOwners | None,
        pace: Pace,
        selection_file: SelectionFile,
        own_root: str | None,
        monotonic_s: Callable[[], float],
    ) -> None:
        """`owners`: who is asked for an object's owner, the API server; None: nobody."""
        directory = Directory()
        owner_of: OwnerOf = owners.owner_of if owners else lambda *_: None
        self.owner_questions: Mapping[str, int] | None = owners.counts if owners else None
        """What became of the questions for owners; counted in another thread. None if nobody is asked."""
        self.selection: Selection = Pods()
        self.names: Names = PodNames(directory, rules=lambda: selection_file.rules, own_root=own_root)
        self._selection_file = selection_file
        self._pace = pace
        self._sources = Sources(sources, directory, owner_of=owner_of, pace=pace, monotonic_s=monotonic_s)
        self._beside = Beside(self._sources.run, name="pods")

    @property
    def status(self) -> Status:
        """Where the names come from now."""
        return self._sources.status

    def look_up(self, *, urgent: bool) -> bool:
        """Have the kubelet asked soon if it is urgent; take up a selection file that changed."""
        self._beside.check()
        if urgent:
            self._pace.hurry()
        self._selection_file.look()
        return False

    def __enter__(self) -> Self:
        self._beside.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.stop()


class Local:
    """The containers of this node, as their runtimes name them."""

    def __init__(self, inventory: Inventory, names: Names, selection: Selection, selection_file: SelectionFile) -> None:
        self.selection = selection
        self.names = names
        self._selection_file = selection_file
        self._inventory = inventory
        self._pace = Pace(steady_s=LIST_S, hurried_s=LIST_S)
        self._beside = Beside(self._follow, name="runtimes")
        self._seen = inventory.view

    def look_up(self, *, urgent: bool) -> bool:  # noqa: ARG002 - it is as fast as it can be
        """Take up a selection file that changed; say whether there are other containers than before."""
        self._beside.check()
        self._selection_file.look()
        has_changed = self._inventory.view is not self._seen
        self._seen = self._inventory.view
        return has_changed

    def _follow(self) -> None:
        while not self._pace.stopped:
            self._inventory.refresh()
            self._pace.wait()

    def __enter__(self) -> Self:
        self._beside.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.stop()
