"""
Make batches of what came of a window.

Flow: outbox -> **packing** -> spool. The key, and what was dropped before, come from the spool when a batch is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, Literal

from agent.pods.sources import Status
from agent.spool.values import Ticket
from agent.values import Closed, Named
from kinwatch.batch import Batch, BatchKey, Expected, NodeCoverage
from kinwatch.snapshot import Snapshot, Window
from kinwatch.wire import WireError, encode, trimmed

LOST_WINDOWS_MAX: Final = 1_000_000
"""As many windows as are said to be lost at most: a clock that was set may seem to have lost a century."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A batch but for its key, and for what its ticket says."""

    window: Window
    late: bool
    coverage: NodeCoverage
    expected: tuple[Expected, ...]
    snapshots: tuple[Snapshot, ...]

    @property
    def until_s(self) -> float:
        """End of its window, in seconds since 1970."""
        return self.window.end.timestamp()

    def smaller(self) -> tuple[tuple[Parcel, ...], bool]:
        """
        What to send in its place if it can't be sent as it is, and whether something is given up for that.

        First it is halved; then, so that a container can't hide by being loud, its one snapshot is trimmed; then that
        is left out; then the list of who is expected. None is left if that does not do either. What is given up is
        counted in the coverage.
        """
        if len(self.snapshots) > 1:
            return self._halves(), False
        if self.snapshots:
            short = tuple(map(trimmed, self.snapshots))
            return (replace(self, snapshots=short) if short != self.snapshots else self._without("snapshots"),), True
        return ((self._without("expected"),) if self.expected else ()), True

    def _halves(self) -> tuple[Parcel, Parcel]:
        """Two smaller ones, the second a late one."""
        middle = len(self.snapshots) // 2
        nothing = replace(self.coverage, observed_s=0.0, lost={})
        rest = replace(self, late=True, coverage=nothing, expected=(), snapshots=self.snapshots[middle:])
        return replace(self, snapshots=self.snapshots[:middle]), rest

    def _without(self, what: Literal["snapshots", "expected"]) -> Parcel:
        """The same without these, which are counted as lost."""
        lost = Counter(self.coverage.lost) + Counter({what: len(getattr(self, what))})
        without: dict[str, Any] = {what: ()}
        return replace(self, coverage=replace(self.coverage, lost=dict(lost)), **without)


class Packer:
    """Makes parcels of what came of windows, in the order in which they were closed; for one thread."""

    def __init__(self, names: Callable[[], Status], *, last_end_s: float | None) -> None:
        """`last_end_s`: until when the agent is known to have watched in an earlier life."""
        self._names = names
        self._last_end_s = last_end_s

    def closed(self, closed: Closed, *, more_lost: Mapping[str, int]) -> list[Parcel]:
        """
        What came of a window, and what was named of earlier ones: these first, as they were.

        `more_lost` is what was lost on the way since the last time; windows among it are missed here too.
        """
        missed = max(self._missed(closed.window) - more_lost.get("windows", 0), 0)
        lost = Counter(closed.lost) + Counter(more_lost) + Counter(windows=missed)
        parcel = Parcel(
            window=closed.window,
            late=False,
            coverage=_coverage(closed.observed_s, lost, self._names()),
            expected=tuple(map(_expected, closed.expected)),
            snapshots=tuple(closed.snapshots),
        )
        return [*self.late(closed.late), parcel]

    def late(self, snapshots: Sequence[Snapshot]) -> list[Parcel]:
        """What was named of earlier windows, a parcel for each."""
        return [
            Parcel(
                window=window,
                late=True,
                coverage=_coverage(0.0, {}, self._names()),
                expected=(),
                snapshots=tuple(group),
            )
            for window, group in groupby(snapshots, key=lambda snapshot: snapshot.window)
        ]

    def _missed(self, window: Window) -> int:
        """Windows between the last one and this."""
        start_s, last_end_s = window.start.timestamp(), self._last_end_s
        self._last_end_s = window.end.timestamp()
        if last_end_s is None or start_s <= last_end_s:
            return 0
        return min(round((start_s - last_end_s) / window.seconds), LOST_WINDOWS_MAX)


def fitting(parcel: Parcel, write: Callable[[Parcel], None]) -> Iterator[WireError]:
    """
    Write a parcel, in as many pieces as it takes for each to be taken; gives why something of it was given up.

    What is given up is counted in the coverage of what is written, but for a parcel of which nothing can be.
    """
    waiting = [parcel]
    while waiting:
        one = waiting.pop(0)
        try:
            write(one)
        except WireError as error:
            pieces, is_loss = one.smaller()
            waiting[:0] = pieces
            if is_loss:
                yield error


def encoded(parcel: Parcel, ticket: Ticket, *, node: str, agent_version: str) -> bytes:
    """The bytes of a parcel, with what the spool knows; raises WireError when it is too large for the aggregator."""
    dropped = ticket.dropped.total
    lost = Counter(parcel.coverage.lost) + Counter(batches=dropped.batches, bytes=dropped.bytes)
    batch = Batch(
        key=BatchKey(node=node, boot=ticket.incarnation, sequence=ticket.sequence),
        window=parcel.window,
        late=parcel.late,
        agent_version=agent_version,
        coverage=NodeCoverage(
            observed_s=parcel.coverage.observed_s,
            lost=dict(sorted(lost.items())),
            names_source=parcel.coverage.names_source,
            problem=parcel.coverage.problem,
        ),
        expected=parcel.expected,
        snapshots=parcel.snapshots,
    )
    return encode(batch)


def _expected(named: Named) -> Expected:
    return Expected(replica=named.replica, workload=named.workload, resolved=named.resolved)


def _coverage(observed_s: float, lost: Mapping[str, int], status: Status) -> NodeCoverage:
    return NodeCoverage(
        observed_s=observed_s,
        lost={what: count for what, count in lost.items() if count},
        names_source=status.source,
        problem=status.problem or None,
    )
