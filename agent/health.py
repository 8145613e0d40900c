"""
Answer those who ask how the agent is: a probe whether it lives and does its work, Prometheus for its numbers.

Flow: loop -> **health**, metrics -> listen. The loop says that it turns; whether the agent is ready is for conditions
to say, each a function. One more is a line where the agent is put together, a Reason, and a row in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.metrics import Metrics
from agent.pods.sources import Status
from kinwatch.printable import printable
from kinwatch.snapshot import Snapshot

STALLED_WINDOWS: Final = 3
STALLED_S: Final = 60.0
"""For how long the loop may not turn, in windows and in seconds, whichever is longer: closing one takes its time."""


class Reason(StrEnum):
    """Why the agent is not ready; or, of the last, what is to be said although it is."""

    STALLED = "stalled"
    NOT_WATCHING = "not_watching"
    NO_SOURCE = "no_source"
    LESSER_SOURCE = "lesser_source"
    AGGREGATOR_REFUSES = "aggregator_refuses"
    AGGREGATOR_AWAY = "aggregator_away"
    SPOOL_UNWRITABLE = "spool_unwritable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to be said of how the agent is."""

    reason: Reason
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return printable(f"{self.problem} (remedy: {self.remedy})" if self.remedy else self.problem)


Condition = Callable[[], Iterable[Remark]]
"""Says what keeps the agent from its work; nothing if all is well. Asked from any thread."""


class Health:
    """How the agent is."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        monotonic_s: Callable[[], float],
        window_s: float,
        conditions: Sequence[Condition] = (),
        notes: Sequence[Condition] = (),
    ) -> None:
        self.metrics = metrics
        self._monotonic_s = monotonic_s
        self._patience_s = max(STALLED_WINDOWS * window_s, STALLED_S)
        self._turned_s = monotonic_s()
        self._is_watching = False
        self._conditions = (self.stalled, self._not_watching, *conditions)
        self._notes = notes

    def opened(self) -> None:
        """A window is open: whatever the replicas do is seen."""
        self._is_watching = True

    def turned(self) -> None:
        """The loop has turned, as it does some times a second."""
        self._turned_s = self._monotonic_s()
        self.metrics.turned()

    def closed(self, *, watched: int, waiting: int, took_s: float) -> None:
        """A window was closed."""
        self.metrics.closed(watched=watched, waiting=waiting, took_s=took_s)

    def told(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots went out."""
        self.metrics.told(snapshots)

    def stalled(self) -> list[Remark]:
        """Whether the loop turns no longer: a restart is what helps."""
        ago_s = self._monotonic_s() - self._turned_s
        if ago_s <= self._patience_s:
            return []
        problem = f"the loop has not turned for {ago_s:.0f} s; {self._patience_s:g} s are its limit"
        return [Remark(reason=Reason.STALLED, problem=problem, remedy="restart the agent, and report its log")]

    def hindrances(self) -> list[Remark]:
        """Why the agent is not ready; empty if it is."""
        return [remark for condition in self._conditions for remark in condition()]

    def notes(self) -> list[Remark]:
        """What is to be said of an agent that is ready."""
        return [remark for note in self._notes for remark in note()]

    def _not_watching(self) -> list[Remark]:
        return [] if self._is_watching else [Remark(reason=Reason.NOT_WATCHING, problem="not watching yet")]


def no_source(names: Callable[[], Status]) -> Condition:
    """Nobody tells the pods: what containers do is seen, and goes out without their names."""

    def condition() -> Iterator[Remark]:
        status = names()
        if status.source is None:
            problem = status.problem if status == Status() else f"no source of pods answers: {status.problem}"
            yield Remark(reason=Reason.NO_SOURCE, problem=problem, remedy=status.remedy)

    return condition


def lesser_source(names: Callable[[], Status]) -> Condition:
    """Somebody tells the pods, and somebody better does not."""

    def condition() -> Iterator[Remark]:
        status = names()
        if status.source is not None and status.problem:
            problem = f"pods are told by the {status.source} instead: {status.problem}"
            yield Remark(reason=Reason.LESSER_SOURCE, problem=problem, remedy=status.remedy)

    return condition
