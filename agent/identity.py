"""
Put together what tells the names of containers: given by the command line, by Kubernetes, or by the runtime.

Flow: start -> **identity** -> roster (what to watch), naming (who it is). What asks over the network does so in a
thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from agent.identify import Pods
from agent.names import PodNames
from agent.naming import Names
from agent.pods.directory import Directory
from agent.pods.pace import Pace
from agent.pods.source import Source
from agent.pods.sources import Sources, Status
from agent.pods.workload import OwnerOf
from agent.roster import Selection
from agent.selection_file import SelectionFile
from agent.values import Answer, Candidate, Named

LOOK_S: Final = 1.0
"""How often a changed selection file is looked for, in seconds."""


class Identity(Protocol):
    """Who the containers of this node are."""

    @property
    def selection(self) -> Selection:
        """Which cgroups are containers."""

    @property
    def names(self) -> Names:
        """Who they are."""

    def look_up(self, *, urgent: bool) -> None:
        """Called some times a second, and never blocks; `urgent` says that a container waits for its name."""


class Given:
    """Cgroups that were named on the command line: they are who they were said to be."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.names: Names = _GivenNames()

    def look_up(self, *, urgent: bool) -> None:
        """There is nothing to look up."""


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
        owner_of: OwnerOf,
        pace: Pace,
        selection_file: SelectionFile,
        own_root: str | None,
        monotonic_s: Callable[[], float],
    ) -> None:
        directory = Directory()
        self.selection: Selection = Pods()
        self.names: Names = PodNames(directory, rules=lambda: selection_file.rules, own_root=own_root)
        self._directory = directory
        self._pace = pace
        self._sources = Sources(sources, directory, owner_of=owner_of, pace=pace, monotonic_s=monotonic_s)
        self._selection_file = selection_file
        self._monotonic_s = monotonic_s
        self._looked_s = monotonic_s()
        # A daemon: it may be in the middle of a request when the agent ends, and has nothing to lose.
        self._thread = threading.Thread(target=self._sources.run, name="pods", daemon=True)

    @property
    def status(self) -> Status:
        """Where the names come from now."""
        return self._sources.status

    def await_first(self, timeout_s: float) -> bool:
        """Wait for the first listing; False if there was none in time."""
        return self._directory.await_first(timeout_s)

    def look_up(self, *, urgent: bool) -> None:
        """Have the kubelet asked soon if it is urgent; take up a selection file that changed."""
        if urgent:
            self._pace.hurry()
        if self._monotonic_s() - self._looked_s >= LOOK_S:
            self._looked_s = self._monotonic_s()
            self._selection_file.look()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.stop()
