"""Snapshots are shown to people without harm, and to programs without loss."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from agent.show import SHOWN_FEATURES, Lines, Tables
from kinwatch.aspects import Aspect
from kinwatch.jsonline import decode
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "two\nlines",
    "[bold]markup[/bold]",
    "[/]",
    "\u202ereversed",
    "\udcff",
    "",
    " ",
]


def snapshot(names: list[str]) -> Snapshot:
    return Snapshot(
        window=Window(start=datetime(2026, 11, 23, 2, 0, tzinfo=UTC), seconds=30),
        node="n1",
        replica=Replica(cgroup="/demo/[red]a\x1b[2J"),
        workload=Workload(kind="Cgroup", name="shop\x07"),
        aspects={Aspect.FILENAMES: frozenset(names), Aspect.SYSCALLS: frozenset()},
        coverage=Coverage(observed_s=29.5, events=211, lost={"files": 3}, truncated={"filenames": 7}, resolved=True),
    )


def table_of(one: Snapshot) -> str:
    stream = io.StringIO()
    Tables(Console(file=stream, width=300, force_terminal=False)).tell([one])
    return stream.getvalue()


def test_table_spells_out_what_a_terminal_would_obey() -> None:
    """Escapes, line ends, rich's markup, and characters that turn the line around."""
    shown = table_of(snapshot(HOSTILE))
    assert all(character.isprintable() for character in shown.replace("\n", ""))
    for spelled in ("\\x1b[31mred", "two\\nlines", "[bold]markup[/bold]", "[/]", "\\u202ereversed", "\\udcff", '""'):
        assert spelled in shown
    assert "/demo/[red]a\\x1b[2J of shop\\x07" in shown


def test_table_tells_the_count_a_sample_and_the_coverage() -> None:
    shown = table_of(snapshot([f"name-{i:03d}" for i in range(211)]))
    assert f"name-{SHOWN_FEATURES - 1:03d} … and {211 - SHOWN_FEATURES} more" in shown
    assert f"name-{SHOWN_FEATURES:03d}" not in shown
    assert "211 system calls, observed 29.5 of 30 s, lost 3 files, filenames truncated 7 times" in shown


def test_lines_are_read_back_as_they_were() -> None:
    """One line each, in ASCII, whatever the names hold."""
    first, second = snapshot(HOSTILE), snapshot([])
    stream = io.StringIO()
    Lines(stream).tell([first, second])
    lines = stream.getvalue().splitlines()
    assert [decode(line) for line in lines] == [first, second]
    assert stream.getvalue().isascii()
