"""
Give each snapshot the names of its replica; let it wait for them if they are not known yet.

Flow: window -> **naming** -> show, ship. Takes time as an argument.

The kubelet lists a container up to some seconds after its first instruction. Its snapshots wait; when it is named they
go out, each with its own window; when it is not named in time they go out unresolved. What is nobody's replica is
dropped and dismissed. A container that ought to run here by what the kubelet says, and was never seen, is told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from agent.values import Answer, Candidate, Named, Observed, Unwanted
from kinwatch.snapshot import Snapshot, Window

PATIENCE_S: Final = 60.0
"""How long the snapshots of a container wait for its name, in seconds, from the first on."""
URGENT_S: Final = 20.0
"""For how long after its first snapshot a container's name is worth hurrying for, in seconds."""
MET_MAX: Final = 65_536
"""Container ids that are remembered as seen; the longest ago forgotten first. A node holds some hundred at a time."""


class Names(Protocol):
    """Somewhere containers have their names from."""

    def version(self) -> object:
        """Equal as long as no answer can have changed but by time."""

    def answers(self, candidates: Sequence[Candidate], *, now_s: float) -> Mapping[str, Answer]:
        """Who each of the containers that are there is, by its root."""

    def running(self, *, since: datetime) -> Iterable[Named]:
        """The containers that ought to run here, since before a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What came of it."""

    snapshots: Sequence[Snapshot] = ()
    """Those that are ready, oldest window first."""
    unseen: Sequence[Named] = ()
    """Containers that ran through the whole window by what the kubelet says, and were never seen."""
    expected: Sequence[Named] = ()
    """Everyone who was watched in the window, or ought to have been; those without a name by what is known of them."""
    dismissed: Sequence[str] = ()
    """Roots of those that are to be watched no longer."""
    recalled: Sequence[str] = ()
    """Roots of those that are to be watched again."""


@dataclass(slots=True)
class _Waiting:
    candidate: Candidate
    since_s: float
    snapshots: list[Snapshot] = field(default_factory=list)


class Naming:
    """The snapshots that wait, and the names that are known."""

    def __init__(self, names: Names, *, patience_s: float = PATIENCE_S) -> None:
        self._names = names
        self._patience_s = patience_s
        self._waiting: dict[str, _Waiting] = {}
        self._given_up: set[str] = set()
        self._met: dict[str, None] = {}
        self._version: object = None
        self._answers: Mapping[str, Answer] = {}

    def join(
        self,
        observed: Sequence[Observed],
        *,
        dismissed: Sequence[Candidate],
        window: Window,
        now_s: float,
    ) -> Joined:
        """The snapshots of a window that was closed; `dismissed` are the containers that are there and not watched."""
        for one in observed:
            self._enqueue(one, now_s)
        there = [one.candidate for one in observed]
        self._meet([*there, *dismissed])
        self._given_up &= {candidate.subject.root for candidate in there}
        joined = self._settle([*there, *dismissed], dismissed, now_s)
        unseen = tuple(self._unseen(window))
        return replace(joined, unseen=unseen, expected=(*self._expected(there), *unseen))

    def is_due(self, *, now_s: float) -> bool:
        """Whether something may have become ready since the last time."""
        is_over = any(self._is_over(one, now_s) for one in self._waiting.values())
        return is_over or self._names.version() != self._version

    def later(self, watched: Sequence[Candidate], *, dismissed: Sequence[Candidate], now_s: float) -> Joined:
        """What has become ready between two windows."""
        return self._settle([*watched, *dismissed], dismissed, now_s)

    def give_up(self) -> list[Snapshot]:
        """All that waits, unresolved: the agent ends."""
        waiting, self._waiting = self._waiting, {}
        return _in_order(one.snapshots for one in waiting.values())

    @property
    def waiting(self) -> int:
        """Containers whose snapshots wait."""
        return len(self._waiting)

    def is_urgent(self, *, now_s: float) -> bool:
        """Whether a container has been waiting for its name, and not for long."""
        return any(now_s - one.since_s < URGENT_S for one in self._waiting.values())

    def _enqueue(self, one: Observed, now_s: float) -> None:
        waiting = self._waiting.setdefault(one.candidate.subject.root, _Waiting(one.candidate, now_s))
        waiting.snapshots.append(one.snapshot)

    def _settle(self, there: Sequence[Candidate], dismissed: Sequence[Candidate], now_s: float) -> Joined:
        self._version = self._names.version()
        everyone = {one.subject.root: one for one in [*(one.candidate for one in self._waiting.values()), *there]}
        answers = self._answers = self._names.answers(list(everyone.values()), now_s=now_s)
        return Joined(
            snapshots=_in_order(self._ready(answers, now_s)),
            dismissed=[root for root, answer in answers.items() if isinstance(answer, Unwanted)],
            recalled=[one.subject.root for one in dismissed if isinstance(answers[one.subject.root], Named)],
        )

    def _ready(self, answers: Mapping[str, Answer], now_s: float) -> Iterator[Sequence[Snapshot]]:
        """The snapshots that wait no longer, of one container after the other."""
        for root, waiting in list(self._waiting.items()):
            match answers[root]:
                case Named() as named:
                    yield [_renamed(snapshot, named) for snapshot in waiting.snapshots]
                case Unwanted():
                    pass
                case None if root in self._given_up or self._is_over(waiting, now_s):
                    self._given_up.add(root)
                    yield waiting.snapshots
                case None:
                    continue
            del self._waiting[root]

    def _is_over(self, waiting: _Waiting, now_s: float) -> bool:
        return now_s - waiting.since_s >= self._patience_s

    def _meet(self, candidates: Iterable[Candidate]) -> None:
        for candidate in candidates:
            if container_id := candidate.subject.replica.container_id:
                self._met.pop(container_id, None)
                self._met[container_id] = None
        while len(self._met) > MET_MAX:
            del self._met[next(iter(self._met))]

    def _expected(self, there: Iterable[Candidate]) -> Iterator[Named]:
        for candidate in there:
            answer = self._answers[candidate.subject.root]
            if isinstance(answer, Named):
                yield answer
            elif answer is None:
                subject = candidate.subject
                yield Named(replica=subject.replica, workload=subject.workload, resolved=False)

    def _unseen(self, window: Window) -> Iterator[Named]:
        for named in self._names.running(since=window.start):
            if named.replica.container_id not in self._met:
                yield named


def _renamed(snapshot: Snapshot, named: Named) -> Snapshot:
    return replace(
        snapshot,
        replica=named.replica,
        workload=named.workload,
        coverage=replace(snapshot.coverage, resolved=named.resolved),
    )


def _in_order(groups: Iterable[Sequence[Snapshot]]) -> list[Snapshot]:
    snapshots = [snapshot for group in groups for snapshot in group]
    return sorted(snapshots, key=lambda snapshot: (snapshot.window.start, snapshot.replica.cgroup or ""))
