"""
The command `aggregator`: options in, an exit code out.

Flow: **main** -> offline: sources -> read -> cohort -> score -> judge -> show; or -> serve.
"""

from __future__ import annotations

import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from aggregator import pipeline
from aggregator.offline import Options, score
from aggregator.serve.listening import listen_on
from aggregator.serve.options import of_serve
from aggregator.serve.settings import ServeSettings, tls_files
from kinwatch.aspects import Aspect
from kinwatch.command_line import Job, run_command
from kinwatch.errors import InputError
from kinwatch.normalise import Profile
from kinwatch.printable import printable


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.pass_context
def aggregator(context: click.Context) -> None:
    """Judge what replicas did: which of them stops behaving like its kin."""
    if context.invoked_subcommand is None:
        problem = "no command was given"
        raise InputError(problem, remedy="try `aggregator score PATH`, `aggregator serve`, or `aggregator --help`")


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
) -> Job:
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
    return partial(score, paths, options)


@aggregator.command(name="serve")
@of_serve
def serve_command(
    *, listen: str, tls_cert: Path | None, tls_key: Path | None, client_ca: Path | None, **others: Any
) -> Job:
    """
    Take batches from agents over HTTPS, and store each once.

    Each option can be set as KINWATCH_<NAME> in the environment. SIGTERM ends it within 10 s; what was taken is stored.
    """
    settings = ServeSettings(listen=listen_on(listen), tls=tls_files(tls_cert, tls_key, client_ca), **others)
    from aggregator.serve.start import serve  # noqa: PLC0415 - `score` need not wait for a web server to load

    return partial(serve, settings)


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


# --- the console script ---------------------------------------------------------------------------------------------


def run(arguments: list[str] | None = None) -> int:
    """The exit code of `aggregator`; an option that can't be used is an InputError like any other."""
    return run_command(aggregator, arguments, name="aggregator")
