"""
Whether anything is missing: a program that does a known number of distinct things, watched under load.

Flow: truth, crowd -> **complete** -> report. Each run has a cgroup of its own and lasts for several windows of a
second; its features are those of all its windows together, compared exactly. Then again with a ring a hundred times
too small.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.syscalls import SyscallTable
from bench import machine, options
from bench.bars import Bar
from bench.cgroups import Cgroup, tree
from bench.compiler import compiled
from bench.crowd import crowd
from bench.report import Report
from bench.truth import CHILDREN, FILES, FORKS, HARMLESS, OWN, PORTS, Run, differences
from bench.watcher import AGENT, INSPECTED, Watcher
from kinwatch.aspects import Aspect
from kinwatch.errors import NodeError
from kinwatch.snapshot import Features, Snapshot

RUNS: Final = 20
SMALL_RING_RUNS: Final = 5
PACE_US: Final = 2000
"""Between two things: a run then takes 3 s or more, so that its features come in several windows."""
WINDOW_S: Final = 1.0
TIMEOUT_S: Final = 120.0
LOAD_PREFIX: Final = "/kinwatch-bench-complete-load"
SMALL_RING_BYTES: Final = 32 << 10
"""A hundredth of the ring, down to what is a power of two of pages."""
_LOST_BY: Final[Mapping[Aspect, str]] = {
    **dict.fromkeys((Aspect.DIRECTORIES, Aspect.FILENAMES, Aspect.FILE_OPERATIONS), "files"),
    **dict.fromkeys((Aspect.PROCESSES, Aspect.COMMANDS, Aspect.ARGUMENTS, Aspect.EXECUTABLES), "processes"),
    Aspect.CWDS: "cwds",
    Aspect.ENDPOINTS: "endpoints",
}
"""Under which word the coverage counts what an aspect lacks; system calls need no record and can't be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one run."""

    windows: int
    missing: int
    surplus: int
    silent: int
    """Missing features of aspects of which no loss was counted."""
    lost: int
    detail: str


def judged(run: Run, snapshots: Sequence[Snapshot]) -> Outcome:
    """Hold what was captured of a run, in all its windows, against the truth."""
    seen: dict[Aspect, Features] = {
        aspect: frozenset[str]().union(*(one.features(aspect) for one in snapshots)) for aspect in run.truth
    }
    lost: Counter[str] = Counter()
    for one in snapshots:
        lost.update(one.coverage.lost)
    found = list(differences(run.truth, seen))
    return Outcome(
        windows=sum(one.coverage.events > 0 for one in snapshots),
        missing=sum(missing for _, missing, _ in found),
        surplus=sum(surplus for _, _, surplus in found),
        silent=sum(missing for aspect, missing, _ in found if not lost[_LOST_BY.get(aspect, "")]),
        lost=lost.total(),
        detail="; ".join(f"{aspect} -{missing} +{surplus}" for aspect, missing, surplus in found),
    )


def play(run: Run, cgroup: Cgroup) -> None:
    """Run the program in a cgroup: it is moved there while it waits, so that each call it makes in there is its own."""
    run.folder.mkdir()
    process = subprocess.Popen(
        [run.program, *run.arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/", env={}
    )
    try:
        _await_reading(process.pid)
        cgroup.take(process.pid)
        process.communicate(b".", timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise NodeError(f"the program that is watched ended with {process.returncode}", remedy="see programs/prime.c")


def _await_reading(pid: int) -> None:
    """Wait until a process sleeps in its read; its program makes no call before."""
    call = Path(f"/proc/{pid}/syscall")
    reading = f"{SyscallTable.of(platform.machine()).numbers['read']} 0x0 "
    while not call.read_text().startswith(reading):
        pass


def _series(top: Cgroup, runs: Sequence[Run], *, ring_bytes: int | None) -> list[Outcome]:
    """Play all runs one after the other under one agent."""
    cgroups = [top.child(run.folder.name) for run in runs]
    command = [*INSPECTED, "--ring-bytes", str(ring_bytes)] if ring_bytes else AGENT
    with Watcher(f"{top.path}/*", window_s=WINDOW_S, command=command) as watcher:
        for run, cgroup in zip(runs, cgroups, strict=True):
            play(run, cgroup)
    return [
        judged(run, [one for one in watcher.snapshots if one.replica.cgroup == cgroup.path])
        for run, cgroup in zip(runs, cgroups, strict=True)
    ]


def bench(given: argparse.Namespace) -> Report:
    """Measure as the options say."""
    described = machine.described()
    with (
        tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as temporary,
        crowd(LOAD_PREFIX),
        tree("complete") as top,
    ):
        folder = Path(temporary).resolve()
        program = compiled("prime", folder)
        runs = [Run(program=program, folder=folder / f"run-{i}", pace_us=PACE_US) for i in range(given.runs)]
        # A burst, not a pace: a small ring is to overflow.
        small = [Run(program=program, folder=folder / f"small-{i}", pace_us=0) for i in range(SMALL_RING_RUNS)]
        outcomes = _series(top.child("whole"), runs, ring_bytes=None)
        starved = _series(top.child("small"), small, ring_bytes=SMALL_RING_BYTES)
    return _report(outcomes, starved, described)


def _report(outcomes: Sequence[Outcome], starved: Sequence[Outcome], described: dict[str, str]) -> Report:
    return Report(
        name="complete",
        columns=("ring", "runs", "windows of a run", "missing", "not of the program", "lost, counted"),
        rows=[_row("as it is", outcomes), _row(f"{SMALL_RING_BYTES >> 10} KiB", starved)],
        bars=[
            Bar(what="features missing, in any run", measured=max(one.missing for one in outcomes), at_most=0),
            Bar(what="features that are not the program's", measured=max(one.surplus for one in outcomes), at_most=0),
            Bar(what="windows of a run, at least", measured=min(one.windows for one in outcomes), at_least=2),
            Bar(
                what="small ring: features missing and not counted",
                measured=max(one.silent for one in starved),
                at_most=0,
            ),
        ],
        machine=described,
        notes=[
            (
                f"Each run: {FILES} files, {CHILDREN} executions, {FORKS} forks, {PORTS} endpoints, "
                f"{len(HARMLESS) + len(OWN)} system calls."
            ),
            *(f"Run {i}: {one.detail}" for i, one in enumerate(outcomes) if one.detail),
            *(f"Small ring, run {i}: {one.detail}" for i, one in enumerate(starved) if one.detail),
        ],
    )


def _row(ring: str, outcomes: Sequence[Outcome]) -> list[str | float | None]:
    windows = sorted(one.windows for one in outcomes)
    return [
        ring,
        len(outcomes),
        f"{windows[0]} to {windows[-1]}",
        sum(one.missing for one in outcomes),
        sum(one.surplus for one in outcomes),
        sum(one.lost for one in outcomes),
    ]


def main() -> int:
    """The exit code."""
    parser = options.parser("complete", __doc__ or "")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default: {RUNS}")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())
