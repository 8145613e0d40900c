"""
Follow the pods of this node from the best source that tells them, and change over when it falls silent.

Flow: kubelet, apiserver -> **sources** -> directory. Runs in a thread of its own.

The sources stand in order of preference. While a lesser one is followed, the better ones are tried again now and then.
Every change is logged once, with its reason. When none tells anything, what was known stays known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from agent.pods.directory import Directory, Listed
from agent.pods.pace import Pace
from agent.pods.pod import Pod
from agent.pods.source import NotNow, Source
from agent.pods.workload import OwnerOf, workload_of
from kinwatch.errors import PeerError

RETRY_FIRST_S: Final = 30.0
"""How long a source that failed is left alone at first, in seconds; twice as long after each further failure."""
RETRY_LAST_S: Final = 600.0
"""How long at most while another source tells the pods."""
RETRY_SILENT_S: Final = 60.0
"""How long at most while none does: the node's names hang on it."""

NO_POD: Final = (
    "see whether --node is the name that `kubectl get nodes` gives this node; a node without any pod is rare"
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where the names come from now."""

    source: str | None = None
    """The source that is followed; None: none tells anything."""
    problem: str = "no source of pods has answered yet"
    """Why it is not the best one, or none; empty when all is well."""
    remedy: str = ""


class Sources:
    """The sources, and which of them is followed."""

    def __init__(
        self,
        sources: Sequence[Source],
        directory: Directory,
        *,
        owner_of: OwnerOf,
        pace: Pace,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._sources = list(sources)
        self._directory = directory
        self._owner_of = owner_of
        self._pace = pace
        self._monotonic_s = monotonic_s
        self._open: dict[str, Iterator[tuple[Pod, ...]]] = {}
        self._failures: dict[str, PeerError] = {}
        self._wait_s = RETRY_FIRST_S
        self._pods: tuple[Pod, ...] | None = None
        self._listed: tuple[Listed, ...] = ()
        self.status = Status()
        """Read from other threads; replaced as a whole."""

    def run(self) -> None:
        """Follow them until the pace is stopped."""
        while not self._pace.stopped:
            if not self._follow_any():
                self._note(None)
                self._pace.rest(min(self._wait_s, RETRY_SILENT_S))
            self._wait_s = min(2 * self._wait_s, RETRY_LAST_S)

    def _follow_any(self) -> bool:
        """Follow the first that answers, until it fails or a better one is to be tried again; False if none answers."""
        for source in self._sources:
            try:
                self._follow(source)
            except PeerError as error:
                self._open.pop(source.name, None)
                self._failures[source.name] = error
            else:
                return True
            if self._pace.stopped:
                return True
        return False

    def _follow(self, source: Source) -> None:
        is_best = source is self._sources[0]
        until_s = self._monotonic_s() + self._wait_s
        for pods in self._open.setdefault(source.name, source.listings()):
            self._failures.pop(source.name, None)
            self._leave_lesser(source)
            self._note(source.name, is_empty=not pods)
            self._told(pods)
            if is_best:
                self._wait_s = RETRY_FIRST_S
            if self._pace.stopped or (not is_best and self._monotonic_s() >= until_s):
                return
        self._open.pop(source.name)
        if not self._pace.stopped:
            self._pace.rest(1)  # it ended by itself, against its promise: it is begun anew, and not at once

    def _leave_lesser(self, than: Source) -> None:
        """Those are to begin anew when they are needed again: where they were left off, their pods are of long ago."""
        for source in self._sources[self._index(than.name) + 1 :]:
            self._open.pop(source.name, None)

    def _told(self, pods: tuple[Pod, ...]) -> None:
        if pods is not self._pods or any(listed.workload is None for listed in self._listed):
            self._listed = tuple(self._with_workload(pod) for pod in pods)
            self._pods = pods
        self._directory.tell(self._listed, at_s=self._monotonic_s())

    def _with_workload(self, pod: Pod) -> Listed:
        try:
            return Listed(pod=pod, workload=workload_of(pod, self._owner_of))
        except NotNow:
            return Listed(pod=pod, workload=None)

    def _note(self, source: str | None, *, is_empty: bool = False) -> None:
        """Keep the status up to date, and log it when it has changed."""
        better = self._sources if source is None else self._sources[: self._index(source)]
        errors = [(one.name, self._failures[one.name]) for one in better if one.name in self._failures]
        problems = [(f"{name}: {error.problem}", error.remedy) for name, error in errors]
        if is_empty:
            problems.append((f"{source}: it lists no pod on this node", NO_POD))
        status = Status(
            source=source,
            problem="; ".join(problem for problem, _ in problems),
            remedy="; ".join(remedy for _, remedy in problems),
        )
        if status == self.status:
            return
        before, self.status = self.status.source, status
        tell = log.warning if status.problem else log.info
        tell("pods_source", source=source, before=before, problem=status.problem, remedy=status.remedy)

    def _index(self, name: str) -> int:
        return next(index for index, source in enumerate(self._sources) if source.name == name)
