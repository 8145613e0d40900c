"""
What watching costs a system call: ours beside an empty probe, and beside what others use.

Flow: loop, attachments -> **capture** -> report. All configurations in turn, round after round, so that what else
the machine does falls on all of them; ratios within a round, medians over the rounds. The loop has a CPU of its own,
everything else has the others.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import machine, options
from bench.attachments import Attachment, Tool, agent, bare, empty, missing_features, others
from bench.bars import Bar
from bench.cgroups import Cgroup, tree
from bench.compiler import compiled
from bench.loop import Loop, make_files, split_cpus
from bench.processes import usage
from bench.report import Report
from bench.watcher import Watcher

ROUNDS: Final = 9
GETPIDS: Final = 4_000_000
FILES: Final = 400_000
"""Calls of each kind in a round; fewer for a tool that stops the process at each."""
WARM_UP: Final = 100_000
NAMES: Final = 997
"""Distinct files opened once each, to see whether a tool misses any."""
STARTS: Final = 5
WATCHED, UNWATCHED = "agent, watching", "agent, not watching this"
EMPTY, BARE = "empty raw tracepoint", "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One configuration in one round."""

    name: str
    getpid_ns: float
    file_ns: float
    cpu_percent: float | None
    rss_mb: float | None
    missing: int | None
    """Features lost, where the tool tells features."""


class Bench:
    """What all samples share."""

    def __init__(self, program: Path, files: Path, top: Cgroup, *, cpu: int) -> None:
        self._program = program
        self._files = files
        self._target = make_files(files, NAMES)
        self._places = {True: top.child("in"), False: top.child("out")}
        self._cpu = cpu

    def round(self, attachments: Sequence[Attachment]) -> list[Sample]:
        """One sample of each configuration, by the same loop process."""
        with Loop(self._program, cpu=self._cpu) as loop:
            loop.file_ns(WARM_UP, self._target)  # warms the caches
            return [self._sample(attachment, loop) for attachment in attachments]

    def _sample(self, attachment: Attachment, loop: Loop) -> Sample:
        self._places[attachment.watched].take(loop.pid)
        with attachment.attach(loop.pid) as tool:
            sample = self._measured(attachment, loop, tool)
        if not tool.snapshots or not attachment.watched:
            return sample
        missing, _ = missing_features(tool.snapshots, names=NAMES)
        return Sample(**{**asdict(sample), "missing": missing})

    def _measured(self, attachment: Attachment, loop: Loop, tool: Tool) -> Sample:
        loop.getpid_ns(WARM_UP // attachment.fewer)  # the first calls see the process; that is not the question
        before = usage(tool.pid) if tool.pid else None
        getpid_ns = loop.getpid_ns(GETPIDS // attachment.fewer)
        file_ns = loop.file_ns(FILES // attachment.fewer, self._target)
        loop.use_names(NAMES, self._files)
        after = usage(tool.pid) if tool.pid else None
        return Sample(
            name=attachment.name,
            getpid_ns=getpid_ns,
            file_ns=file_ns,
            cpu_percent=after.cpu_percent_since(before) if before and after else None,
            rss_mb=after.rss_mb if after else None,
            missing=None,
        )


def bench(given: argparse.Namespace) -> Report:
    """Measure as the options say."""
    described = machine.described()
    loop_cpu, other_cpus = split_cpus()
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder, tree("capture") as top:
        os.sched_setaffinity(0, other_cpus)  # and what is started from here
        runner = Bench(compiled("loop", Path(folder)), Path(folder), top, cpu=loop_cpu)
        glob = f"{top.path}/in"
        ours = [agent(WATCHED, glob=glob, watched=True), agent(UNWATCHED, glob=glob, watched=False)]
        theirs, left_out = others(given.chisel)
        attachments = [bare(), empty(), *ours, *theirs]
        rounds = []
        for number in range(given.rounds):
            sys.stderr.write(f"round {number + 1} of {given.rounds}\n")
            turn = number % len(attachments)
            rounds.append({one.name: one for one in runner.round(attachments[turn:] + attachments[:turn])})
        starts = [_start_s(glob) for _ in range(STARTS)]
    pinned = f"The loop ran on CPU {loop_cpu}, everything else on {other_cpus}; {len(rounds)} rounds."
    return _report(rounds, starts, notes=[pinned, *left_out], described=described)


def _start_s(glob: str) -> float:
    with Watcher(glob) as watcher:
        return watcher.first_window_s


def _report(
    rounds: Sequence[dict[str, Sample]], starts: Sequence[float], *, notes: Sequence[str], described: dict[str, str]
) -> Report:
    return Report(
        name="capture",
        columns=(
            "attached",
            "getpid, + ns",
            "getpid, x bare",
            "open+read+close, + ns",
            "open+read+close, x bare",
            "CPU of user space, %",
            "RSS, MB",
            f"features lost of {NAMES + 5}",
        ),
        rows=[_row(name, rounds) for name in rounds[0]],
        bars=_bars(rounds, starts),
        machine=described,
        notes=notes,
        raw={"rounds": [[asdict(one) for one in one_round.values()] for one_round in rounds], "starts_s": list(starts)},
    )


def _over(rounds: Sequence[dict[str, Sample]], of: Callable[[dict[str, Sample]], float]) -> float:
    return median(of(one_round) for one_round in rounds)


def _row(name: str, rounds: Sequence[dict[str, Sample]]) -> list[str | float | None]:
    samples = [one_round[name] for one_round in rounds]
    cpu = [one.cpu_percent for one in samples if one.cpu_percent is not None]
    rss = [one.rss_mb for one in samples if one.rss_mb is not None]
    missing = [one.missing for one in samples if one.missing is not None]
    return [
        name,
        _over(rounds, lambda one: one[name].getpid_ns - one[BARE].getpid_ns),
        _over(rounds, lambda one: one[name].getpid_ns / one[BARE].getpid_ns),
        _over(rounds, lambda one: one[name].file_ns - one[BARE].file_ns),
        _over(rounds, lambda one: one[name].file_ns / one[BARE].file_ns),
        median(cpu) if cpu else None,
        median(rss) if rss else None,
        max(missing) if missing else None,
    ]


def _bars(rounds: Sequence[dict[str, Sample]], starts: Sequence[float]) -> list[Bar]:
    def times_empty(name: str) -> float:
        return _over(
            rounds,
            lambda one: (one[name].getpid_ns - one[BARE].getpid_ns) / (one[EMPTY].getpid_ns - one[BARE].getpid_ns),
        )

    file_ratio = _over(rounds, lambda one: one[WATCHED].file_ns / one[BARE].file_ns)
    lost = max(one[WATCHED].missing or 0 for one in rounds)
    return [
        Bar(what="getpid watched, times what an empty probe adds", measured=times_empty(WATCHED), at_most=1.6),
        Bar(what="getpid unwatched, times what an empty probe adds", measured=times_empty(UNWATCHED), at_most=1.4),
        Bar(what="open+read+close watched, x bare", measured=file_ratio, at_most=1.25),
        Bar(what="features lost by the agent, in any round", measured=lost, at_most=0),
        Bar(what="from exec to the first open window, s", measured=median(starts), at_most=2),
    ]


def main() -> int:
    """The exit code."""
    parser = options.parser("capture", __doc__ or "")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--chisel", nargs="+", default=[], help="a sysdig chisel and its arguments, to compare with")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())
