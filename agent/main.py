"""
The commands `agent` and `agent doctor`: read the settings, and start what was asked for.

Flow: options -> **main** -> start, doctor.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from agent import options
from agent.doctor.command import run as run_doctor
from agent.doctor.examined import AggregatorAddress, Examined
from agent.networks import named_network
from agent.settings import SERVICE_ACCOUNT, WINDOW_MAX_S, WINDOW_MIN_S, IdentitySettings, NamesFrom, Settings, listen_on
from agent.start import dry_run
from kinwatch import logs
from kinwatch.command_line import Job, run_command
from kinwatch.errors import InputError


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@options.of_the_agent
@click.pass_context
def agent(  # noqa: D103 - the text is in help=
    context: click.Context,
    /,
    *,
    dry: bool,
    window_s: float,
    windows: int | None,
    cgroups: Sequence[str],
    cohort: str | None,
    selection: Path | None,
    form: str | None,
    networks: Sequence[str],
    secrets_key: Path | None,
    show_secrets: bool,
    listen: str | None,
    node: str,
    btf: Path,
    run_dir: Path,
    **identity: Any,
) -> Job | None:
    if context.invoked_subcommand:
        return None
    if not dry:
        raise InputError(
            "shipping to an aggregator is not there yet",
            remedy="run `agent --dry-run --format json` and give its output to `aggregator score -`",
        )
    if math.isnan(window_s):  # which no range excludes
        raise InputError(
            "--window nan is not a length", remedy=f"give {WINDOW_MIN_S:g} to {WINDOW_MAX_S:g} seconds, such as 30"
        )
    if cohort and not cgroups:
        raise InputError("--cohort names the matches of --cgroup", remedy="add --cgroup GLOB, or leave --cohort out")
    if selection and cgroups:
        raise InputError(
            "--selection is for the containers of pods, and --cgroup names cgroups", remedy="leave one of them out"
        )
    settings = Settings(
        window_s=window_s,
        windows=windows,
        cgroups=tuple(cgroups),
        cohort=cohort,
        selection=selection,
        as_json=form == "json" or (form is None and not sys.stdout.isatty()),
        networks=tuple(map(named_network, networks)),
        identity=identity_settings(**identity),
        node=node,
        secrets_key=secrets_key,
        show_secrets=show_secrets,
        listen=listen_on(listen) if listen else None,
        btf=btf,
        run_dir=run_dir,
    )
    return partial(dry_run, settings)


agent.help = "Watch what the containers of this node do, and tell it window by window."


@agent.command()
@options.of_the_node
@options.of_delivery
@click.option("--format", "form", type=click.Choice(["table", "json"]), help="A table, or one JSON object.")
def doctor(
    *,
    node: str,
    btf: Path,
    run_dir: Path,
    aggregator: str | None,
    aggregator_token: Path | None,
    aggregator_ca: Path | None,
    spool: Path | None,
    spool_bytes: int,
    form: str | None,
    **identity: Any,
) -> Job:
    """Say what this node can and can't do, and the remedy for each; end with 3 if something fails."""
    examined = Examined(
        btf=btf,
        run_dir=run_dir,
        node=node,
        identity=identity_settings(**identity),
        aggregator=AggregatorAddress(url=aggregator, token_file=aggregator_token, ca_file=aggregator_ca)
        if aggregator
        else None,
        spool=spool,
        spool_bytes=spool_bytes,
    )
    return partial(run_doctor, examined, as_json=form == "json" or (form is None and not sys.stdout.isatty()))


def identity_settings(*, names: str, service_account: Path | None, **others: Any) -> IdentitySettings:
    """The settings of the options that say where names are asked for."""
    return IdentitySettings(names=NamesFrom(names), service_account=service_account or SERVICE_ACCOUNT, **others)


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of `agent`."""
    logs.configure()
    return run_command(agent, arguments, name="agent")
