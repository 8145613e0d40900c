"""
What the agent uses on a busy node, and whether it grows: 30 containers, a million system calls a second.

Flow: crowd -> **load** -> report.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bench import machine, options
from bench.bars import Bar
from bench.crowd import CONTAINERS, crowd
from bench.processes import Usage
from bench.report import Report
from bench.watcher import Watcher
from kinwatch.snapshot import Snapshot

PREFIX: Final = "/kinwatch-bench-load"
MINUTES: Final = 10
SETTLING_S: Final = 60.0
"""Growth counts from here: by then the agent has closed two windows, and so has had everything in memory once."""
GROWTH_MB: Final = 1.0
"""What counts as no growth: a tenth of a megabyte a minute is what malloc moves about."""


def watch(watcher: Watcher, *, minutes: float) -> list[Usage]:
    """What the agent had used at the start, after each minute, and at the end."""
    moments = [watcher.usage()]
    end_s = moments[0].at_s + minutes * 60
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(SETTLING_S, left_s))
        moments.append(watcher.usage())
    return moments


def growth_mb(moments: Sequence[Usage]) -> float:
    """From the end of the first minute to the end; 0 where it was not watched for longer."""
    settled = [one for one in moments if one.at_s - moments[0].at_s >= SETTLING_S - 1]
    return settled[-1].rss_mb - settled[0].rss_mb if settled else 0.0


def shortfall(snapshots: Sequence[Snapshot]) -> tuple[int, int]:
    """How often something was lost, and how often truncated."""
    lost: Counter[str] = Counter()
    truncated: Counter[str] = Counter()
    for one in snapshots:
        lost.update(one.coverage.lost)
        truncated.update(one.coverage.truncated)
    return lost.total(), truncated.total()


def bench(given: argparse.Namespace) -> Report:
    """Measure as the options say."""
    described = machine.described()
    with crowd(PREFIX), Watcher(f"{PREFIX}/*") as watcher:
        moments = watch(watcher, minutes=given.minutes)
    return _report(moments, watcher.snapshots, described)


def _report(moments: Sequence[Usage], snapshots: Sequence[Snapshot], described: dict[str, str]) -> Report:
    whole = [one for one in snapshots if one.coverage.observed_s > 0.9 * one.window.seconds]
    calls = sum(one.coverage.events for one in snapshots)
    observed_s = sum(one.coverage.observed_s for one in snapshots) / CONTAINERS
    lost, truncated = shortfall(snapshots)
    start, end = moments[0], moments[-1]
    return Report(
        name="load",
        columns=("minute", "RSS, MB", "CPU since the one before, % of a core"),
        rows=[
            [(now.at_s - start.at_s) / 60, now.rss_mb, now.cpu_percent_since(before)]
            for before, now in pairwise(moments)
        ],
        bars=[
            Bar(what="system calls a second, all containers", measured=calls / observed_s, at_least=1e6),
            Bar(what="CPU of user space, % of one core", measured=end.cpu_percent_since(start), at_most=2),
            Bar(what="RSS at the end, MB", measured=end.rss_mb, at_most=150),
            Bar(what="growth after the first minute, MB", measured=growth_mb(moments), at_most=GROWTH_MB),
            Bar(what="records lost", measured=lost, at_most=0),
            Bar(what="features truncated", measured=truncated, at_most=0),
        ],
        machine=described,
        notes=[f"{CONTAINERS} containers, windows of {snapshots[0].window.seconds:g} s, {len(whole)} whole snapshots."],
    )


def main() -> int:
    """The exit code."""
    parser = options.parser("load", __doc__ or "")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"default: {MINUTES}")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())
