"""
What it costs to know whose container is whose, and how soon it is known: 110 pods that stay, 50 that start a second.

Flow: beside_agent, starts -> **identity** -> report. Real cgroups with the kubelet's paths and a process in each; a
kubelet, or an API server, on loopback; the agent as it is. An agent to which the same cgroups are given by --cgroup
asks nobody: what the other one uses beyond it is the cost of identity.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import machine, options
from bench.bars import Bar
from bench.beside_agent import API, GIVEN, KUBELET, Measured, starting, staying
from bench.pods import Place, place, steady
from bench.report import Cell, Report
from bench.starts import Course

MINUTES: Final = 2.0
ROUNDS: Final = 1
PODS: Final = 110
"""As many as a node has at most by default (kubelet, --max-pods)."""
PER_S: Final = 50.0
SECONDS: Final = 30.0
WINDOW_S: Final = 5.0
LISTED_AFTER_S: Final = 1.0
LIVES_S: Final = 4.0
WINDOWS_MAX: Final = 2.0
"""Within how many windows a container has to be told with its name."""
APART_S: Final = 5.0
"""Between two requests to the kubelet in steady state, at least."""
COST_PERCENT: Final = 1.0
"""Of a core, for the identity of `PODS` pods."""
COLUMNS: Final = (
    "pods, names from",
    "CPU, %",
    "of it to ask, %",
    "RSS, MB",
    "requests",
    "listing, kB",
    "named right",
    "delay, windows",
)


def bench(given: argparse.Namespace) -> Report:
    """Measure as the options say."""
    described = machine.described()
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder, place(Path(folder)) as where:
        stay = _staying(where, given)
        start = [starting(names, where, _course(given), window_s=given.window) for names in (KUBELET, GIVEN, API)]
    return _report(stay, start, given, described)


def _staying(where: Place, given: argparse.Namespace) -> list[Measured]:
    """The agents in turn beside the same pods, so that whatever drifts on the machine is shared out."""
    turns = [KUBELET, GIVEN, GIVEN, KUBELET] * given.rounds
    with steady(where, PODS) as pods:
        return [staying(names, where, pods, minutes=given.minutes, window_s=given.window) for names in (*turns, API)]


def _course(given: argparse.Namespace) -> Course:
    return Course(per_s=given.per_second, seconds=given.seconds, listed_after_s=given.listed_after, lives_s=given.lives)


def _report(
    stay: Sequence[Measured], start: Sequence[Measured], given: argparse.Namespace, described: dict[str, str]
) -> Report:
    return Report(
        name="identity",
        columns=COLUMNS,
        rows=[
            *(_row(f"{PODS} stay, {one.names}", one) for one in stay),
            *(_row(f"{given.per_second:g} a second, {one.names}", one) for one in start),
        ],
        bars=[*_bars_of_starts(start[0], given), *_bars_of_requests(stay, given), _bar_of_cost(stay)],
        machine=described,
        notes=_notes(start, given),
        raw={"staying": [one.raw() for one in stay], "starting": [one.raw() for one in start]},
    )


def _row(what: str, one: Measured) -> list[Cell]:
    if one.names == GIVEN:
        return [what, one.cost.cpu_percent, None, one.cost.rss_mb, None, None, None, None]
    judged = one.judged
    return [
        what,
        one.cost.cpu_percent,
        one.cost.beside_percent,
        one.cost.rss_mb,
        one.requests,
        one.listing_kb,
        f"{judged.right:,} of {judged.started:,}" if judged else None,
        f"{judged.median_delay:.2f} to {judged.largest_delay:.2f}" if judged else None,
    ]


def _bars_of_starts(one: Measured, given: argparse.Namespace) -> list[Bar]:
    judged = one.judged
    if judged is None:
        return []
    return [
        Bar(what="containers started a second", measured=one.per_s, at_least=0.98 * given.per_second),
        Bar(what="of them with another one's name or file", measured=judged.wrong, at_most=0),
        Bar(what="of them told without a name", measured=judged.unresolved, at_most=0),
        Bar(what="of them of which nothing was seen", measured=judged.missed, at_most=0),
        Bar(what="sandboxes told as containers", measured=judged.strangers, at_most=0),
        Bar(what="largest delay to the name, windows", measured=judged.largest_delay, at_most=WINDOWS_MAX),
    ]


def _bars_of_requests(stay: Sequence[Measured], given: argparse.Namespace) -> list[Bar]:
    times = [one.requests_s for one in stay if one.names == KUBELET]
    apart_s = min((later - sooner for one in times for sooner, later in pairwise(one)), default=0.0)
    most = max(map(len, times))
    return [
        Bar(what="requests to the kubelet in steady state, s apart at least", measured=apart_s, at_least=APART_S),
        Bar(what=f"the same in {given.minutes:g} min", measured=most, at_most=given.minutes * 60 / APART_S),
    ]


def _bar_of_cost(stay: Sequence[Measured]) -> Bar:
    asked, told = (median(one.cost.cpu_percent for one in stay if one.names == names) for names in (KUBELET, GIVEN))
    return Bar(what=f"CPU of identity, {PODS} pods, % of one core", measured=asked - told, at_most=COST_PERCENT)


def _notes(start: Sequence[Measured], given: argparse.Namespace) -> list[str]:
    since_start = [one.judged.largest_since_start for one in start if one.judged and one.names == KUBELET]
    pods = (
        f"Windows of {given.window:g} s. A pod is a sandbox and one container. One that starts lives {given.lives:g} "
        f"s, its container is listed {given.listed_after:g} s after its start, and it leaves the list as it ends."
    )
    delay = (
        "Delay, median to largest: from the end of the window in which a container started until its first snapshot "
        f"with a name is out; the largest from the start itself: {max(since_start):.2f} windows."
    )
    cost = (
        "CPU of identity: what the agent that asks the kubelet uses beyond the one with --cgroup. To ask: all its "
        "threads but the one that captures."
    )
    return [pods, delay, cost]


def main() -> int:
    """The exit code."""
    parser = options.parser("identity", __doc__ or "")
    defaults: dict[str, tuple[Any, str]] = {
        "--minutes": (MINUTES, "of each agent beside pods that stay"),
        "--rounds": (ROUNDS, "of four agents beside these: kubelet, --cgroup, --cgroup, kubelet"),
        "--per-second": (PER_S, "pods that start"),
        "--seconds": (SECONDS, "for which they do"),
        "--lives": (LIVES_S, "seconds that each of them lives"),
        "--listed-after": (LISTED_AFTER_S, "seconds from a container's start until it is listed"),
        "--window": (WINDOW_S, "length of a window in seconds"),
    }
    for name, (default, what) in defaults.items():
        parser.add_argument(name, type=type(default), default=default, help=f"{what}; default: {default:g}")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())
