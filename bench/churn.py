"""
Containers that come and go by the thousand: nothing may grow, nothing be missed, nothing fall to the wrong one.

Flow: cgroups -> **churn** -> report. Each "container" is a cgroup with one process that opens one file of its own
(programs/churn.c), since runc itself can't make 50 a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.records import MAX_REPLICAS
from bench import machine, options
from bench.bars import Bar
from bench.cgroups import Cgroup, tree
from bench.compiler import compiled
from bench.load import GROWTH_MB, growth_mb, shortfall, watch
from bench.processes import Usage
from bench.report import Report
from bench.watcher import INSPECTED, Watcher
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Snapshot

MINUTES: Final = 5
PER_SECOND: Final = 50
WINDOW_S: Final = 5.0
"""Slots are given back when a window is closed: 50 a second make 250 in a window, and there are 4095."""
CALLS: Final = frozenset({"openat", "close", "exit_group"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Churned:
    """What became of the containers."""

    made: int
    missed: int
    """Of which the file is in no snapshot."""
    misattributed: int
    """In whose snapshots is somebody else's file."""
    strayed: int
    """Whose calls are not exactly those that their process made."""


def judged(snapshots: Sequence[Snapshot], *, made: int) -> Churned:
    """Hold what was captured against what each container did."""
    files: defaultdict[str, set[str]] = defaultdict(set)
    calls: defaultdict[str, set[str]] = defaultdict(set)
    for one in snapshots:
        name = (one.replica.cgroup or "").rpartition("/")[2].replace("c-", "churn-")
        files[name] |= one.features(Aspect.FILENAMES)
        calls[name] |= one.features(Aspect.SYSCALLS)
    names = [f"churn-{number}" for number in range(made)]
    return Churned(
        made=made,
        missed=sum(name not in files[name] for name in names),
        misattributed=sum(bool(seen - {name}) for name, seen in files.items()),
        strayed=sum(calls[name] != CALLS for name in names),
    )


def bench(given: argparse.Namespace) -> Report:
    """Measure as the options say."""
    described = machine.described()
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as temporary, tree("churn") as top:
        folder = Path(temporary)
        notes = folder / "notes"
        top.child("c-steady")  # the agent wants something to match as it starts
        command = [*INSPECTED, "--notes", str(notes)]
        with Watcher(f"{top.path}/*", window_s=WINDOW_S, command=command) as watcher:
            made, moments = _churn(compiled("churn", folder), top, folder, watcher, minutes=given.minutes)
        counts = [json.loads(line) for line in notes.read_text().splitlines()]
    return _report(judged(watcher.snapshots, made=made), moments, counts, watcher.snapshots, described)


def _churn(
    program: Path, top: Cgroup, folder: Path, watcher: Watcher, *, minutes: float
) -> tuple[int, Sequence[Usage]]:
    """Let the program run; gives how many containers it made, and what the agent used meanwhile."""
    seconds = round(minutes * 60)
    process = subprocess.Popen(
        [program, top.directory, folder, str(PER_SECOND), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    try:
        moments = watch(watcher, minutes=minutes)
        said, _ = process.communicate(timeout=seconds + 60)
        watcher.await_windows(3)
        moments.append(watcher.usage())
    finally:
        process.kill()
        process.communicate()
    return int(said), moments


def _report(
    churned: Churned,
    moments: Sequence[Usage],
    counts: Sequence[Mapping[str, int]],
    snapshots: Sequence[Snapshot],
    described: dict[str, str],
) -> Report:
    lost, truncated = shortfall(snapshots)
    start, end = moments[0], moments[-1]
    leaked = MAX_REPLICAS - 1 - 1 - counts[-1]["free_slots"]  # slot 0 is nobody's, and one cgroup is steady
    return Report(
        name="churn",
        columns=("containers", "missed", "misattributed", "other calls than its own", "CPU, %", "peak RSS, MB"),
        rows=[
            [
                churned.made,
                churned.missed,
                churned.misattributed,
                churned.strayed,
                end.cpu_percent_since(start),
                end.peak_mb,
            ]
        ],
        bars=[
            Bar(what="containers of which nothing was seen", measured=churned.missed, at_most=0),
            Bar(what="containers with another one's file", measured=churned.misattributed, at_most=0),
            Bar(what="containers with calls that are not their own", measured=churned.strayed, at_most=0),
            Bar(what="cgroups with a slot after the last has gone", measured=counts[-1]["cgroups"], at_most=1),
            Bar(what="slots that were not given back", measured=leaked, at_most=0),
            Bar(what="growth after the first minute, MB", measured=growth_mb(moments), at_most=GROWTH_MB),
            Bar(what="records lost or truncated", measured=lost + truncated, at_most=0),
        ],
        machine=described,
        notes=[
            f"{PER_SECOND} a second, windows of {WINDOW_S:g} s; cgroups with a slot at their ends: {_ends(counts)}."
        ],
        raw={"counts": list(counts), "rss_mb": [one.rss_mb for one in moments]},
    )


def _ends(counts: Sequence[Mapping[str, int]]) -> str:
    """The cgroups with a slot, window by window: how often each number came."""
    often = Counter(one["cgroups"] for one in counts)
    return ", ".join(f"{number} ({times} times)" for number, times in sorted(often.items()))


def main() -> int:
    """The exit code."""
    parser = options.parser("churn", __doc__ or "")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"default: {MINUTES}")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())
