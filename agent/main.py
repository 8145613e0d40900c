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
from agent.doctor.examined import Examined, address_of
from agent.networks import named_network
from agent.settings import (
    SERVICE_ACCOUNT,
    SPOOL_BYTES,
    WINDOW_MAX_S,
    WINDOW_MIN_S,
    DeliverySettings,
    IdentitySettings,
    NamesFrom,
    Settings,
    listen_on,
)
from agent.start import watch
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
    **others: Any,
) -> Job | None:
    if context.invoked_subcommand:
        return None
    delivery, identity = delivery_settings(**others), identity_settings(**others)
    if not dry and not delivery:
        raise InputError(
            "the agent was not told where to ship to",
            remedy="give --aggregator https://HOST:PORT, or watch and show only, by --dry-run",
        )
    if math.isnan(window_s):  # which no range excludes
        raise InputError(
            "--window nan is not a length", remedy=f"give {WINDOW_MIN_S:g} to {WINDOW_MAX_S:g} seconds, such as 30"
        )
    if round(window_s * 1000) != window_s * 1000:
        raise InputError(
            f"--window {window_s} has more than milliseconds", remedy="give whole milliseconds, such as 2.5"
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
        delivery=None if dry else delivery,
        as_json=form == "json" or (form is None and not sys.stdout.isatty()),
        networks=tuple(map(named_network, networks)),
        identity=identity,
        node=node,
        secrets_key=secrets_key,
        show_secrets=show_secrets,
        listen=listen_on(listen) if listen else None,
        btf=btf,
        run_dir=run_dir,
    )
    return partial(watch, settings)


agent.help = "Watch what the containers of this node do, and ship it to the aggregator window by window, or show it."


@agent.command()
@options.of_the_node
@click.option("--format", "form", type=click.Choice(["table", "json"]), help="A table, or one JSON object.")
def doctor(*, node: str, btf: Path, run_dir: Path, form: str | None, **others: Any) -> Job:
    """Say what this node can and can't do, and the remedy for each; end with 3 if something fails."""
    delivery = delivery_settings(**others)
    examined = Examined(
        btf=btf,
        run_dir=run_dir,
        node=node,
        identity=identity_settings(**others),
        aggregator=address_of(delivery) if delivery else None,
        spool=delivery.spool if delivery else None,
        spool_bytes=delivery.spool_bytes if delivery else SPOOL_BYTES,
    )
    return partial(run_doctor, examined, as_json=form == "json" or (form is None and not sys.stdout.isatty()))


def delivery_settings(
    *,
    aggregator: str | None,
    aggregator_token: Path | None,
    aggregator_ca: Path | None,
    aggregator_cert: Path | None,
    aggregator_key: Path | None,
    spool: Path,
    spool_bytes: int,
    **_: Any,
) -> DeliverySettings | None:
    """The settings of the options that say where batches go; None where they don't."""
    if not aggregator:
        return None
    return DeliverySettings(
        aggregator=aggregator,
        token_file=aggregator_token,
        ca_file=aggregator_ca,
        certificate=aggregator_cert,
        key=aggregator_key,
        spool=spool,
        spool_bytes=spool_bytes,
    )


def identity_settings(
    *,
    names: str,
    kubelet: str,
    kubelet_ca: Path | None,
    kubelet_insecure: bool,
    service_account: Path | None,
    kubeconfig: Path | None,
    host_root: Path,
    **_: Any,
) -> IdentitySettings:
    """The settings of the options that say where names are asked for."""
    return IdentitySettings(
        names=NamesFrom(names),
        kubelet=kubelet,
        kubelet_ca=kubelet_ca,
        kubelet_insecure=kubelet_insecure,
        service_account=service_account or SERVICE_ACCOUNT,
        kubeconfig=kubeconfig,
        host_root=host_root,
    )


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of `agent`."""
    logs.configure()
    return run_command(agent, arguments, name="agent")
