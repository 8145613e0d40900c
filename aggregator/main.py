"""
The command `aggregator`: wires the steps and knows the files, the terminal and the exit code.

Flow: **main**: sources -> read -> cohort -> score -> judge -> show.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import cast

import click
from rich.console import Console

from aggregator import cohort, pipeline, show, sources, table
from aggregator.printable import printable
from aggregator.read import Item, read
from aggregator.verdict import Capture, Gathering, Line, Problem, Sweep
from kinwatch.aspects import Aspect
from kinwatch.command_line import exit_code_of
from kinwatch.errors import InputError
from kinwatch.normalise import Profile

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


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.pass_context
def aggregator(context: click.Context) -> None:
    """Judge what replicas did: which of them stops behaving like its kin."""
    if context.invoked_subcommand is None:
        problem = "no command was given"
        raise InputError(problem, remedy="try `aggregator score PATH`, or `aggregator --help`")


@aggregator.command(name="score")
@click.argument("paths", nargs=-1, metavar="PATH...|-")
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    default=Profile.KINWATCH.value,
    show_default=True,
    help="How values are cleaned and cohorts judged: ReplicaWatcher's published method exactly, or Kinwatch's.",
)
@click.option(
    "--threshold",
    type=float,
    default=0.3,
    show_default=True,
    help="The distance beyond which a replica is anomalous. --sweep has thresholds of its own.",
)
@click.option("--aspects", metavar="A,B,...", help="Compare these aspects only; all of the profile's if not given.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    help="A table for people, or one JSON object a line; by default a table on a terminal and JSON elsewhere.",
)
@click.option("--sweep", is_flag=True, help="How many snapshots are anomalous at thresholds 0.1, 0.2 ... 1.0.")
def score_command(
    paths: tuple[str, ...], *, profile: str, threshold: float, aspects: str | None, form: str | None, sweep: bool
) -> int:
    """
    Judge captures: the agent's JSON lines and sysdig chisel captures, files or folders, or - for standard input.

    Exit code 0 when everything was read, whatever the verdicts say; 2 when something could not be.
    """
    if not paths:
        problem = "no capture was named"
        raise InputError(problem, remedy="name files or folders, or - for standard input")
    chosen = Profile(profile)
    options = Options(
        profile=chosen,
        threshold=checked_threshold(threshold),
        aspects=chosen_aspects(aspects, pipeline.ASPECTS[chosen]),
        as_table=form == "table" or (form is None and sys.stdout.isatty()),
        sweep=sweep,
    )
    return score(paths, options)


def checked_threshold(threshold: float) -> float:
    """The threshold, if it is a finite number of at least 0; raises InputError."""
    if not math.isfinite(threshold) or threshold < 0:
        problem = f"--threshold {threshold:g} is not a finite number of at least 0"
        raise InputError(problem, remedy="give one such as 0.3, the published threshold")
    return threshold


def chosen_aspects(names: str | None, known: tuple[Aspect, ...]) -> tuple[Aspect, ...]:
    """The aspects of a comma-separated list, in their own order; raises InputError if one is unknown."""
    if names is None:
        return known
    asked = {name.strip() for name in names.split(",") if name.strip()}
    unknown = sorted(asked - set(known))
    if unknown or not asked:
        problem = f"--aspects: {printable(', '.join(unknown))} is unknown" if unknown else "--aspects names none"
        raise InputError(problem, remedy=f"choose from {','.join(known)}")
    return tuple(aspect for aspect in known if aspect in asked)


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
    return Console(file=sys.stdout)


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


# --- the console script ---------------------------------------------------------------------------------------------


def run(arguments: list[str] | None = None) -> int:
    """The exit code of `aggregator`; an option that can't be used is an InputError like any other."""
    return exit_code_of(lambda: _command(arguments))


def _command(arguments: list[str] | None) -> int:
    try:
        return int(aggregator.main(args=arguments, prog_name="aggregator", standalone_mode=False) or 0)
    except click.ClickException as error:
        raise InputError(
            printable(error.format_message()), remedy="see `aggregator --help` and `aggregator score --help`"
        ) from error
    except click.Abort:
        return 130
