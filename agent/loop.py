"""
Watch this node window by window, and hand on what came of each.

Flow: the whole of it, wired; what is told goes out by show in a dry run, else by ship.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from agent.capture import Capture
from agent.records import Record
from agent.values import Closed
from kinwatch.snapshot import Snapshot, Window

POLL_S = 0.1
"""How long a wait for records lasts at most, in seconds. No window is late by it, but an end by SIGINT may be."""

LATENESS_S = 1.0
"""How much longer than its length a window may stay open, in seconds: beyond it, the wall's clock has been set back."""
RESCAN_S = 20.0
"""How often the cgroups are looked through, in seconds: the kernel does not tell of the end of those that have no slot,
such as the sandboxes', which were dismissed."""
LAST_NAMES_S = 2.5
"""How long an agent that ends waits for the names of containers that have just started, in seconds."""
_ROUNDING = timedelta(milliseconds=1)
"""More than the bounds of windows are rounded by, less than any window lasts."""

log = structlog.get_logger()


class Clock(Protocol):
    """The time: of the wall, which windows are aligned to, and one that never jumps, which coverage is measured by."""

    def now(self) -> datetime:
        """Wall-clock time, in UTC."""

    def monotonic_s(self) -> float:
        """Seconds since some moment; the kernel's CLOCK_MONOTONIC, as in records."""


class Progress(Protocol):
    """Who hears how the loop gets on; never blocks."""

    def opened(self) -> None:
        """A window is open."""

    def turned(self) -> None:
        """The loop has turned, as it does some times a second."""

    def closed(self, *, watched: int, waiting: int, took_s: float) -> None:
        """A window was closed: replicas that are watched and that wait for a name, and how long closing it took."""

    def told(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots went out."""


class Unheard:
    """Nobody hears."""

    def opened(self) -> None:
        """Unheard."""

    def turned(self) -> None:
        """Unheard."""

    def closed(self, *, watched: int, waiting: int, took_s: float) -> None:
        """Unheard."""

    def told(self, snapshots: Sequence[Snapshot]) -> None:
        """Unheard."""


class Outlet(Protocol):
    """Where it goes; never blocks for long."""

    def closed(self, closed: Closed) -> None:
        """A window was closed."""

    def late(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots of windows before, the oldest first, which wait no longer for a name."""


class Loop:
    """The loop that watches."""

    def __init__(
        self,
        capture: Capture,
        outlet: Outlet,
        *,
        poll: Callable[[float], list[Record]],
        rescan: Callable[[], None],
        look_up: Callable[[], bool],
        clock: Clock,
        window_s: float,
        progress: Progress = Unheard(),  # noqa: B008 - it has no state
    ) -> None:
        self._capture = capture
        self._outlet = outlet
        self._poll = poll
        self._rescan = rescan
        self._look_up = look_up
        self._clock = clock
        self._window_s = window_s
        self._progress = progress
        self._stopping = False
        self._rescanned_s = clock.monotonic_s()

    def stop(self) -> None:
        """Close the open window soon, show it and end."""
        self._stopping = True

    def run(self, *, windows: int | None) -> None:
        """
        Run until stopped, or until so many whole windows were shown.

        Windows are aligned to the wall clock, so the first begins in the middle of one: it is shown, and not counted.
        """
        whole = -1
        opened_s = self._clock.monotonic_s()
        window = None
        while whole != windows:
            window = self._next(window)
            self._progress.opened()
            self._gather(window, opened_s)
            is_last = self._stopping  # a signal that comes from here on is for the window that is opened by the close
            closing_s = self._clock.monotonic_s()
            self._close(window, opened_s=opened_s, now_s=closing_s)
            opened_s = closing_s
            whole += 1
            if is_last:
                break
        self._await_names()
        self._tell_late(self._capture.give_up())

    def _next(self, closed: Window | None) -> Window:
        """The window that holds this moment; the one after `closed` where rounding or the clock would give it again."""
        window = Window.containing(self._clock.now(), seconds=self._window_s)
        if closed is None or window.start != closed.start:
            return window
        return Window.containing(closed.end + _ROUNDING, seconds=self._window_s)

    def _gather(self, window: Window, opened_s: float) -> None:
        """Take records in until the window ends, or the person says so, or the wall's clock was set back."""
        latest_s = opened_s + self._window_s + LATENESS_S
        while not self._stopping:
            remaining_s = min(
                (window.end - self._clock.now()).total_seconds(),
                latest_s - self._clock.monotonic_s(),
            )
            if remaining_s <= 0:
                return
            self._capture.take_in(self._poll(min(remaining_s, POLL_S)))
            self._name_late()

    def _await_names(self) -> None:
        """At the end, give those that may be named soon a last chance."""
        latest_s = self._clock.monotonic_s() + LAST_NAMES_S
        while self._capture.awaits_names(now_s=self._clock.monotonic_s()) and self._clock.monotonic_s() < latest_s:
            self._poll(POLL_S)
            self._name_late()

    def _name_late(self) -> None:
        """Hand on what was named since its window was closed."""
        self._progress.turned()
        is_to_rescan = self._look_up()
        self._tell_late(self._capture.late(now_s=self._clock.monotonic_s()))
        is_overdue = self._clock.monotonic_s() - self._rescanned_s >= RESCAN_S
        if is_to_rescan or is_overdue or self._capture.to_rescan:
            self._rescan()
            self._rescanned_s = self._clock.monotonic_s()
            self._capture.to_rescan = False

    def _tell_late(self, snapshots: Sequence[Snapshot]) -> None:
        if snapshots:
            self._outlet.late(snapshots)
            self._progress.told(snapshots)

    def _close(self, window: Window, *, opened_s: float, now_s: float) -> None:
        closed = self._capture.close(window, opened_s=opened_s, now_s=now_s)
        snapshots = [*closed.late, *closed.snapshots]
        self._progress.closed(
            watched=self._capture.watched,
            waiting=self._capture.waiting,
            took_s=self._clock.monotonic_s() - now_s,
        )
        self._outlet.closed(closed)
        self._progress.told(snapshots)
        log.info(
            "window_closed",
            start=window.start.isoformat(),
            replicas=len(snapshots),
            waiting=self._capture.waiting,
            events=sum(snapshot.coverage.events for snapshot in snapshots),
            lost=sum(sum(snapshot.coverage.lost.values()) for snapshot in snapshots),
            unresolved=sum(not snapshot.coverage.resolved for snapshot in snapshots),
            unseen=sum(snapshot.coverage.observed_s == 0 for snapshot in snapshots),
        )
        if not snapshots and not self._capture.waiting:
            log.warning("nothing_watched", remedy="start a pod on this node, or name cgroups by --cgroup")
