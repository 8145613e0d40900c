"""
Show snapshots to a person, or write them for a program.

Flow: window -> **show**, in place of ship when the agent runs dry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.values import Closed
from kinwatch.jsonline import encode
from kinwatch.printable import printable
from kinwatch.snapshot import Snapshot

SHOWN_FEATURES = 12
"""Features of an aspect that a table shows; the count tells how many there are."""


class Show(Protocol):
    """Somewhere the snapshots of a window are told."""

    def tell(self, snapshots: Sequence[Snapshot]) -> None:
        """All snapshots of one window."""


class Shown:
    """Shows what the loop hands on."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def closed(self, closed: Closed) -> None:
        """A window was closed: show what was named since, and what is named of it."""
        if closed.late or closed.snapshots:
            self._show.tell([*closed.late, *closed.snapshots])

    def late(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots that were named since their window was closed."""
        self._show.tell(snapshots)


class Lines:
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tell(self, snapshots: Sequence[Snapshot]) -> None:
        """Write the snapshots of a window, and let the reader have them at once."""
        for snapshot in snapshots:
            self._stream.write(encode(snapshot) + "\n")
        self._stream.flush()


class Tables:
    """A table per replica, for people."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, snapshots: Sequence[Snapshot]) -> None:
        """Print the snapshots of a window."""
        for snapshot in snapshots:
            self._console.print(_table(snapshot))


def _table(snapshot: Snapshot) -> Table:
    table = Table(title=Text(_title(snapshot)), caption=Text(_coverage(snapshot)), title_justify="left", expand=True)
    table.add_column("aspect", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("features", ratio=1)
    for aspect, features in snapshot.aspects.items():
        table.add_row(aspect.value, str(len(features)), Text(_sample(sorted(features))))
    return table


def _title(snapshot: Snapshot) -> str:
    window = snapshot.window
    cohort = snapshot.workload.name or "workload not resolved"
    return printable(f"{snapshot.replica.label} of {cohort}, {window.start:%H:%M:%S} to {window.end:%H:%M:%S} UTC")


def _sample(features: Sequence[str]) -> str:
    shown = " · ".join(printable(feature) or '""' for feature in features[:SHOWN_FEATURES])
    hidden = len(features) - SHOWN_FEATURES
    return f"{shown} … and {hidden} more" if hidden > 0 else shown


def _coverage(snapshot: Snapshot) -> str:
    coverage = snapshot.coverage
    told = [
        f"{coverage.events} system calls",
        f"observed {coverage.observed_s:.1f} of {snapshot.window.seconds:g} s",
        *(f"lost {count} {why}" for why, count in coverage.lost.items()),
        *(f"{aspect} truncated {count} times" for aspect, count in coverage.truncated.items()),
    ]
    return ", ".join(told)
