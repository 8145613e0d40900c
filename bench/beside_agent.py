"""
Run one agent beside pods that stay, or beside pods that start and go, and note what it used and was told.

Flow: pods, kubelet, named, starts -> **beside_agent** -> identity.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.kubelet import Nobody, Teller, apiserver_of, kubelet_of
from bench.named import Cost, NamedWatcher
from bench.pods import Place, Pod, steady
from bench.starts import Course, Judged, Starts, judged

GIVEN: Final = "--cgroup"
KUBELET: Final = "kubelet"
API: Final = "API server"
SETTLING: Final = 2
"""Windows before anything counts: in the first, all that is there is new."""
LAST: Final = 3
"""Windows after the last pod went: as many as a name may take, and the one that is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one agent used and was told."""

    names: str
    """Where it had them from."""
    cost: Cost
    requests_s: Sequence[float]
    """When it asked, meanwhile."""
    listing_kb: float
    """All pods in one list; the longest, where they change."""
    judged: Judged | None = None
    per_s: float = 0.0
    """Pods that started a second."""

    @property
    def requests(self) -> int:
        """How often it asked."""
        return len(self.requests_s)

    def raw(self) -> dict[str, Any]:
        """Every sample, for a program."""
        return asdict(self)


def staying(names: str, where: Place, pods: Sequence[Pod], *, minutes: float, window_s: float) -> Measured:
    """An agent in steady state."""
    with _asked(names, where) as (teller, how):
        for pod in pods:
            teller.tell(pod.running)
        with NamedWatcher(how, window_s=window_s) as watcher:
            watcher.await_windows(SETTLING)
            measuring = _Measuring(names, watcher, teller)
            watcher.await_windows(round(minutes * 60 / window_s))
            return measuring.end()


def starting(names: str, where: Place, course: Course, *, window_s: float) -> Measured:
    """An agent beside pods that start and go."""
    with _asked(names, where) as (teller, how), steady(where, 1) as first:  # --cgroup wants something to match
        teller.tell(first[0].running)
        starts = Starts(course, where, teller)
        with NamedWatcher(how, window_s=window_s) as watcher:
            watcher.await_windows(SETTLING)
            measuring = _Measuring(names, watcher, teller)
            starts.run()
            measured = measuring.end()
            watcher.await_windows(LAST)
    found = judged(watcher.told(), starts.pods, window_s=window_s)
    return replace(measured, judged=found, per_s=starts.per_s)


class _Measuring:
    """What an agent uses from here on, and how often it asks."""

    def __init__(self, names: str, watcher: NamedWatcher, teller: Teller) -> None:
        self._names, self._watcher, self._teller = names, watcher, teller
        self._asked_before = len(teller.requests_s)
        self._start = watcher.moment()

    def end(self) -> Measured:
        """Until now."""
        return Measured(
            names=self._names,
            cost=self._start.until(self._watcher.moment()),
            requests_s=tuple(self._teller.requests_s[self._asked_before :]),
            listing_kb=self._teller.listing_bytes / 1e3,
        )


@contextlib.contextmanager
def _asked(names: str, where: Place) -> Iterator[tuple[Teller, Sequence[str]]]:
    """Who tells names, if anybody does, and the options by which the agent has them from there."""
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder:
        if names == GIVEN:
            yield Nobody(), ("--cgroup", where.containers, "--cohort", "bench")
            return
        with kubelet_of(Path(folder)) if names == KUBELET else apiserver_of(Path(folder)) as teller:
            yield teller, teller.options
