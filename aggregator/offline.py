"""
Judge captures that are files: wires the steps, and knows the files, the terminal and what the exit code says.

Flow: main -> **offline**: sources -> read -> cohort -> score -> judge -> show.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import cast

from rich.console import Console

from aggregator import cohort, pipeline, show, sources, table
from aggregator.read import Item, read
from aggregator.verdict import Capture, Gathering, Line, Problem, Sweep
from kinwatch.aspects import Aspect
from kinwatch.normalise import Profile
from kinwatch.printable import printable

PROBLEM_EXIT_CODE = 2
"""Something that was named could not be read; what could be was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    profile: Profile
    threshold: float
    aspects: tuple[Aspect, ...]
    as_table: bool
    sweep: bool


# --- reading --------------------------------------------------------------------------------------------------------


def score(paths: Iterable[str], options: Options) -> int:
    """Read, judge and show; gives the exit code."""
    lines: list[Line] = []
    captures: list[Capture] = []
    problems = 0
    for item in read_all(paths):
        match item:
            case Line():
                lines.append(item)
            case Capture():
                captures.append(item)
            case Problem():
                tell_problem(item)
                problems += 1
    tell_doubts(captures)
    show_all(cohort.gather(lines, captures), options)
    failed = any(not capture.observations for capture in captures)
    return PROBLEM_EXIT_CODE if problems or failed else 0


def read_all(paths: Iterable[str]) -> Iterator[Item]:
    """Everything that the named sources hold; a bad one doesn't stop the others."""
    for found in sources.find(paths):
        match found:
            case Problem():
                yield found
            case sources.Repeated():
                tell(f"note: {found.source} was named more than once; it is read once")
            case str():
                yield from read_source(found)


def read_source(source: str) -> Iterator[Item]:
    """Everything that one source holds."""
    name = "stdin" if source == sources.STANDARD_INPUT else Path(source).stem
    try:
        with opened(source) as stream:
            yield from read(source, name, stream)
    except OSError as error:
        yield Problem(
            source=source,
            problem=f"reading it: {error.strerror or error}",
            remedy="check that the path is right and may be read",
        )


def opened(source: str) -> AbstractContextManager[BufferedReader]:
    """A source's bytes; standard input is left open."""
    if source == sources.STANDARD_INPUT:
        return nullcontext(cast("BufferedReader", sys.stdin.buffer))
    return Path(source).open("rb")


# --- telling --------------------------------------------------------------------------------------------------------


def tell(message: str) -> None:
    """Say something on standard error, with nothing in it that a terminal would obey."""
    sys.stderr.write("\n".join(map(printable, message.split("\n"))) + "\n")


def tell_problem(problem: Problem) -> None:
    """Say what is wrong with a source, and what to do about it."""
    place = printable(problem.source) + (f":{problem.line}" if problem.line is not None else "")
    tell(f"error: {place}: {printable(problem.problem)}\nremedy: {printable(problem.remedy)}")


def tell_doubts(captures: Iterable[Capture]) -> None:
    """Say which captures failed, and which are not whole."""
    for capture in captures:
        if not capture.observations:
            tell_problem(Problem(source=capture.source, problem=cohort.FAILED_CAPTURE, remedy=cohort.CAPTURE_REMEDY))
        for note in capture.notes:
            tell(f"note: {printable(capture.source)}: {printable(note)}")


def show_all(gatherings: Iterable[Gathering], options: Options) -> None:
    """Judge what was gathered and write it to standard output."""
    measured = (pipeline.measure(gathering, options.profile, options.aspects) for gathering in gatherings)
    if options.sweep:
        _show_sweep(pipeline.sweep(measured, options.profile), as_table=options.as_table)
        return
    verdicts = (pipeline.verdict_on(one, options.threshold) for one in measured)
    if options.as_table:
        table.print_verdicts(verdicts, console())
    else:
        _write(map(show.verdict_line, verdicts))


def _show_sweep(swept: Sweep, *, as_table: bool) -> None:
    if as_table:
        table.print_sweep(swept, console())
    else:
        _write([show.sweep_line(swept)])


def console() -> Console:
    """Standard output for people; a character that its encoding lacks is spelled out."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return PipedConsole(file=sys.stdout)


class PipedConsole(Console):
    """A console that leaves it to `run` what is done about a reader that goes away; rich's own exits with 1."""

    def on_broken_pipe(self) -> None:
        """Let the BrokenPipeError through."""
        raise BrokenPipeError


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
