"""
A container that makes up a million file names: what it costs the agent, and whether it costs its neighbours anything.

Flow: crowd -> **flood** -> report. The neighbours are busy containers, each with a known set of files in every window.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import machine, options
from bench.bars import Bar
from bench.compiler import compiled
from bench.crowd import FILENAMES, crowd, install
from bench.load import shortfall
from bench.processes import Usage
from bench.report import Report
from bench.watcher import Watcher
from demo.containers import Container, Containers
from kinwatch.aspects import Aspect
from kinwatch.errors import NodeError
from kinwatch.snapshot import Snapshot

PREFIX: Final = "/kinwatch-bench-flood"
NAMES: Final = 1_000_000
NEIGHBOURS: Final = 5
NEIGHBOURS_CALLS_PER_S: Final = 100_000
WINDOW_S: Final = 5.0
MAX_FILES: Final = 16384
"""Distinct files of a replica in a window, docs/limits.md."""
TIMEOUT_S: Final = 300.0
FLOOD: Final = f"{PREFIX}/flood"


def bench(given: argparse.Namespace) -> Report:
    """Measure as the options say."""
    described = machine.described()
    with (
        tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder,
        crowd(PREFIX, containers=NEIGHBOURS, calls_per_s=NEIGHBOURS_CALLS_PER_S) as node,
    ):
        install(node, compiled("flood", Path(folder)))
        with Watcher(f"{PREFIX}/*", window_s=WINDOW_S) as watcher:
            watcher.await_windows(2)
            before = watcher.usage()
            seconds = _flood(node, given.names)
            watcher.await_windows(2)
            after = watcher.usage()
    return _report(watcher.snapshots, before, after, seconds=seconds, names=given.names, described=described)


def _flood(node: Containers, names: int) -> float:
    """Let a container make up names; gives how many seconds it took."""
    began = time.monotonic()
    container = node.start("flood", ["/bin/flood", str(names)])
    while not _is_done(container):
        if time.monotonic() > began + TIMEOUT_S:
            raise NodeError("the flood did not end in time", remedy="ask for fewer by --names")
        time.sleep(0.05)
    return time.monotonic() - began


def _is_done(container: Container) -> bool:
    if not container.running():
        raise NodeError(f"the flood ended: {container.log.read_text()}", remedy="see programs/flood.c")
    return "done" in container.log.read_text()


def _report(
    snapshots: Sequence[Snapshot], before: Usage, after: Usage, *, seconds: float, names: int, described: dict[str, str]
) -> Report:
    floods = [one for one in snapshots if one.replica.cgroup == FLOOD]
    neighbours = [one for one in snapshots if one.replica.cgroup != FLOOD]
    whole = [one for one in neighbours if one.coverage.observed_s > 0.9 * one.window.seconds]
    spoilt = sum(one.features(Aspect.FILENAMES) != FILENAMES for one in whole)
    flooded = [one for one in floods if one.coverage.truncated.get(Aspect.FILENAMES)]
    largest = max(len(one.features(Aspect.FILENAMES)) for one in floods)
    full = [one for one in floods if len(one.features(Aspect.FILENAMES)) >= MAX_FILES]
    unsaid = sum(one not in flooded for one in full)
    lost, truncated = shortfall(neighbours)
    return Report(
        name="flood",
        columns=(
            "names",
            "seconds",
            "names kept in a window",
            "windows truncated",
            "RSS before",
            "RSS after",
            "peak, MB",
        ),
        rows=[[names, seconds, largest, len(flooded), before.rss_mb, after.rss_mb, after.peak_mb]],
        bars=[
            Bar(what="peak RSS of the agent, MB", measured=after.peak_mb, at_most=150),
            Bar(what="names kept of the flood in a window", measured=largest, at_most=MAX_FILES),
            Bar(what="windows of the flood that say truncated", measured=len(flooded), at_least=1),
            Bar(what="full windows that do not say truncated", measured=unsaid, at_most=0),
            Bar(what="neighbours' windows, whole, with another set than theirs", measured=spoilt, at_most=0),
            Bar(what="neighbours' windows compared", measured=len(whole), at_least=NEIGHBOURS),
            Bar(what="neighbours' records lost or truncated", measured=lost + truncated, at_most=0),
        ],
        machine=described,
        notes=[f"{NEIGHBOURS} neighbours, windows of {WINDOW_S:g} s."],
    )


def main() -> int:
    """The exit code."""
    parser = options.parser("flood", __doc__ or "")
    parser.add_argument("--names", type=int, default=NAMES, help=f"default: {NAMES:,}")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())
