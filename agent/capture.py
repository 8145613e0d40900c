"""
Carry records from the probe through the steps, and close windows.

Flow: probe -> drain -> identify -> window -> naming, wired. Takes time as an argument; knows neither the clock nor the
output.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

from agent.drain import ASPECTS_OF, Reading, calls, drained
from agent.naming import Joined, Naming
from agent.records import Kind, NodeCount, Record, text
from agent.roster import Roster, Watched
from agent.values import Closed, Named, Observed, SlotWindow, Subject
from agent.window import Gathered, closed
from kinwatch.snapshot import Snapshot, Window

LOST_NAMES = {
    Kind.FILE: "files",
    Kind.CWD: "cwds",
    Kind.PROCESS: "processes",
    Kind.ENDPOINT: "endpoints",
    Kind.CREDENTIALS: "privileges",
    Kind.PRIVILEGED_CALL: "privileges",
}
"""Under which word the coverage counts records that could not be stored."""


class Source(Protocol):
    """Where records come from; the probe is one."""

    def flip(self) -> int:
        """Open the next window; the number of the closed one."""

    def drain(self) -> list[Record]:
        """All records that are waiting."""

    def take(self, slot: int, window: int) -> SlotWindow:
        """What a slot gathered in a closed window besides its records; empties it."""

    def node_counts(self) -> Mapping[NodeCount, int]:
        """What was counted for the node as a whole since the start."""


class Capture:
    """What is being gathered on this node."""

    def __init__(self, source: Source, roster: Roster, naming: Naming, *, reading: Reading, node: str) -> None:
        self._source = source
        self._roster = roster
        self._naming = naming
        self._reading = reading
        self._node = node
        self._gathered: defaultdict[int, defaultdict[int, Gathered]] = defaultdict(lambda: defaultdict(Gathered))
        self._node_counts = dict(source.node_counts())
        self.to_rescan = False
        """Whether there are cgroups that were not heard of, had no slot, or are wanted again: look through the tree."""

    def take_in(self, records: Iterable[Record]) -> None:
        """Records as they came."""
        for record in records:
            self._take_in(record)

    def _take_in(self, record: Record) -> None:
        at_s = record.ktime_ns / 1e9
        if record.kind is Kind.CGROUP_MADE:
            self._roster.made(record.cgroup_id, _cgroup_path(record), record.slot, at_s=at_s)
        elif record.kind is Kind.CGROUP_GONE:
            self._roster.removed(record.cgroup_id, at_s=at_s)
        elif watched := self._roster.of_slot(record.slot):
            self._gathered[record.window][watched.slots[0]].take_in(drained(record, self._reading))

    def close(self, window: Window, *, opened_s: float, now_s: float) -> Closed:
        """
        Close the open window, which was opened at opened_s, and open the next; both on the monotonic clock.

        One snapshot per container that was watched in it, those that did nothing included, as far as they are named;
        and those of earlier windows that were named since.
        """
        lost, observed = self._observed(window, opened_s=opened_s, now_s=now_s)
        joined = self._naming.join(observed, dismissed=self._roster.dismissed, window=window, now_s=now_s)
        self._take_up(joined)
        unseen = [self._never_seen(named, window) for named in joined.unseen]
        return Closed(
            window=window,
            snapshots=[*(one for one in joined.snapshots if one.window == window), *unseen],
            late=[one for one in joined.snapshots if one.window != window],
            expected=joined.expected,
            observed_s=now_s - opened_s,
            lost=lost,
        )

    def late(self, *, now_s: float) -> list[Snapshot]:
        """Snapshots of windows that were closed before, and whose replicas were named, or given up, since."""
        if not self._naming.is_due(now_s=now_s):
            return []
        watched = [one.candidate for one in self._roster]
        joined = self._naming.later(watched, dismissed=self._roster.dismissed, now_s=now_s)
        self._take_up(joined)
        return list(joined.snapshots)

    @property
    def watched(self) -> int:
        """Containers that are watched now."""
        return len(self._roster)

    @property
    def waiting(self) -> int:
        """Containers whose snapshots wait for a name."""
        return self._naming.waiting

    def awaits_names(self, *, now_s: float) -> bool:
        """Whether snapshots wait for a name that they may have soon."""
        return self._naming.is_urgent(now_s=now_s)

    def is_urgent(self, *, now_s: float) -> bool:
        """Whether a container waits for its name that may have it soon, or has just been found and will."""
        return self._naming.is_urgent(now_s=now_s) or self._roster.is_new(now_s=now_s)

    def give_up(self) -> list[Snapshot]:
        """Snapshots that still wait for a name, unresolved: the agent ends."""
        return self._naming.give_up()

    def _take_up(self, joined: Joined) -> None:
        for root in joined.dismissed:
            self._roster.dismiss(root)
        for root in joined.recalled:
            self._roster.recall(root)
        self.to_rescan |= bool(joined.recalled)

    def _never_seen(self, named: Named, window: Window) -> Snapshot:
        """A replica that ought to run here, and of which nothing can be said."""
        subject = Subject(root="", replica=named.replica, workload=named.workload, resolved=named.resolved)
        return closed(subject, Gathered(), window=window, node=self._node, observed_s=0.0)

    def _observed(self, window: Window, *, opened_s: float, now_s: float) -> tuple[Mapping[str, int], list[Observed]]:
        """What was lost of the node as a whole, and what each container did."""
        number = self._source.flip()
        went_later, came = _split(self._source.drain(), now_s)
        self.take_in(came)
        node_lost = self._node_lost()
        observed = [
            Observed(
                candidate=watched.candidate,
                snapshot=closed(
                    watched.subject,
                    self._completed(watched, number, node_lost),
                    window=window,
                    node=self._node,
                    observed_s=max(0.0, min(watched.until_s or now_s, now_s) - max(watched.since_s, opened_s)),
                ),
            )
            for watched in sorted(self._roster, key=lambda watched: watched.subject.root)
        ]
        self._gathered.pop(number, None)
        self._roster.after_close()
        self.take_in(went_later)
        return node_lost, observed

    def _completed(self, watched: Watched, number: int, node_lost: Mapping[str, int]) -> Gathered:
        """What was gathered of a container, with its system calls and what the kernel counted for its slots."""
        gathered = self._gathered[number][watched.slots[0]]
        for slot in watched.slots:
            slot_window = self._source.take(slot, number)
            gathered.events += slot_window.events
            gathered.add(calls(slot_window.calls, self._reading))
            for kind, count in slot_window.lost.items():
                gathered.lost[LOST_NAMES[kind]] += count
            for kind, count in slot_window.truncated.items():
                gathered.truncated.update(dict.fromkeys(ASPECTS_OF[kind], count))
        gathered.lost.update(node_lost)
        return gathered

    def _node_lost(self) -> dict[str, int]:
        """What was missed in this window of nobody in particular, and whether cgroups were missed."""
        counts = dict(self._source.node_counts())
        new = {which: counts[which] - self._node_counts.get(which, 0) for which in counts}
        self._node_counts = counts
        self.to_rescan = any(
            [new[NodeCount.CGROUPS_LOST], new[NodeCount.SLOTS_LOST], self._roster.unwatched],
        )
        return {
            "replicas": new[NodeCount.SLOTS_LOST] + self._roster.unwatched,
            "threads": new[NodeCount.THREADS_LOST],
        }


def _split(records: Iterable[Record], closed_s: float) -> tuple[list[Record], list[Record]]:
    """
    The ends of cgroups after the window was closed, and all other records.

    A container that goes while its window is being closed may have done something in the next: it goes with that one.
    """
    went_later: list[Record] = []
    others: list[Record] = []
    for record in records:
        is_later = record.kind is Kind.CGROUP_GONE and record.ktime_ns > closed_s * 1e9
        (went_later if is_later else others).append(record)
    return went_later, others


def _cgroup_path(record: Record) -> str:
    return text(record.payload.rstrip(b"\0"))
