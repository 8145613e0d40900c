"""
Start pods at a steady pace and let them go again; judge by whose name each was told, and when.

Flow: pods -> **starts** -> identity.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.kubelet import Teller
from bench.pods import SANDBOX, Place, Pod
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Snapshot

LEAVING_S: Final = 0.2
"""From the end of a pod's processes to the end of its cgroups, as the kubelet does one after the other."""

FIRST: Final = 1000
"""Number of the first pod: lower ones are those that stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How pods come and go."""

    per_s: float
    seconds: float
    listed_after_s: float
    """From the start of a container until its kubelet lists it as running."""
    lives_s: float
    """At least until it is listed."""

    @property
    def listed_s(self) -> float:
        """For how long a container is listed and runs."""
        return max(0.0, self.lives_s - self.listed_after_s)

    @property
    def count(self) -> int:
        """Pods in all."""
        return round(self.per_s * self.seconds)


class Starts:
    """The pods that were started."""

    def __init__(self, course: Course, place: Place, teller: Teller) -> None:
        self._course = course
        self._place = place
        self._teller = teller
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.pods: list[Pod] = []

    def run(self) -> None:
        """Start them, and wait until the last has gone."""
        began_s = time.monotonic()
        for number in range(self._course.count):
            self._at(began_s + number / self._course.per_s, self._start)
        while self._agenda:
            at_s, _, deed = heapq.heappop(self._agenda)
            time.sleep(max(0.0, at_s - time.monotonic()))
            deed()

    @property
    def per_s(self) -> float:
        """How many came a second in fact."""
        return (len(self.pods) - 1) / max(self.pods[-1].started_s - self.pods[0].started_s, 1e-9)

    def _at(self, at_s: float, deed: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._numbers), deed))

    def _start(self) -> None:
        pod = Pod(FIRST + len(self.pods), self._place)
        self.pods.append(pod)
        self._teller.tell(pod.pending)
        self._at(time.monotonic() + self._course.listed_after_s, lambda: self._list(pod))

    def _list(self, pod: Pod) -> None:
        """On a busy machine this comes late, and so does the end: each is listed for as long as it should be."""
        self._teller.tell(pod.running)
        self._at(time.monotonic() + self._course.listed_s, lambda: self._end(pod))

    def _end(self, pod: Pod) -> None:
        pod.kill()
        self._at(time.monotonic() + LEAVING_S, lambda: self._remove(pod))

    def _remove(self, pod: Pod) -> None:
        pod.remove()
        self._teller.forget(pod.running)


@dataclass(slots=True, kw_only=True)
class Judged:
    """What became of the names of the containers that were started."""

    started: int
    right: int = 0
    """Told with the right name, and at once: every snapshot of theirs bears it."""
    wrong: int = 0
    """With a name, or a file, that is another's."""
    unresolved: int = 0
    """Told without a name."""
    missed: int = 0
    """Of which no snapshot tells anything."""
    strangers: int = 0
    """Snapshots of sandboxes, which are nobody's replicas."""
    delays: list[float] = field(default_factory=list)
    """In windows: from the end of the one in which a container started to its first snapshot with a name."""
    since_start: list[float] = field(default_factory=list)
    """In windows: from the container's start itself."""

    @property
    def median_delay(self) -> float:
        """In windows."""
        return median(self.delays) if self.delays else 0.0

    @property
    def largest_delay(self) -> float:
        """In windows."""
        return max(self.delays, default=0.0)

    @property
    def largest_since_start(self) -> float:
        """In windows."""
        return max(self.since_start, default=0.0)


def judged(told: Iterable[tuple[float, Snapshot]], pods: Sequence[Pod], *, window_s: float) -> Judged:
    """Hold what was told, and when, against what was started."""
    by_path: dict[str, list[tuple[float, Snapshot]]] = {pod.path: [] for pod in pods}
    found = Judged(started=len(pods))
    for at_s, snapshot in told:
        path = snapshot.replica.cgroup or ""
        if path in by_path:
            by_path[path].append((at_s, snapshot))
        elif path.rpartition("/")[2].startswith(SANDBOX):
            found.strangers += 1
    for pod in pods:
        _judge(found, pod, by_path[pod.path], window_s)
    return found


def _judge(found: Judged, pod: Pod, told: Sequence[tuple[float, Snapshot]], window_s: float) -> None:
    named = [(at_s, one) for at_s, one in told if one.coverage.resolved]
    is_wrong = any(not _is_of(one, pod) for _, one in named)
    found.missed += not any(one.features(Aspect.FILENAMES) for _, one in told)
    found.wrong += is_wrong
    found.unresolved += len(named) < len(told)
    found.right += bool(named) and len(named) == len(told) and not is_wrong
    if named:
        at_s = min(at_s for at_s, _ in named)
        found.delays.append((at_s - (pod.started_s // window_s + 1) * window_s) / window_s)
        found.since_start.append((at_s - pod.started_s) / window_s)


def _is_of(snapshot: Snapshot, pod: Pod) -> bool:
    """Whether a snapshot bears a pod's name, and has what its container did."""
    replica = snapshot.replica
    bears = (replica.namespace, replica.pod, replica.pod_uid, replica.container)
    return bears == pod.identity and snapshot.features(Aspect.FILENAMES) <= {pod.name}
