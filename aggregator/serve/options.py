"""
What can be said on the command line of `aggregator serve`, or in its environment.

Flow: **options** -> settings -> start. Each option can be set as KINWATCH_<NAME> too, as the chart does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from aggregator.serve.settings import DATA_DIR, KEEP_BYTES, KEEP_DAYS, LISTEN, QUEUE, QUEUE_MAX

PREFIX: Final = "KINWATCH_"
"""Of the environment variables."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Decorator = Callable[[Any], Any]
_FILE: Final = click.Path(path_type=Path)


def _option(long: str, name: str | None = None, **attributes: Any) -> _Decorator:
    """An option that has an environment variable of its name."""
    variable = PREFIX + long.removeprefix("--").replace("-", "_").upper()
    return click.option(long, *([name] if name else []), envvar=variable, **attributes)


_SERVE: Final = (
    _option(
        "--listen",
        default=LISTEN,
        show_default=True,
        metavar="HOST:PORT",
        help="Where agents, readers, probes and Prometheus are answered; IPv6 in brackets, :PORT is all addresses.",
    ),
    _option(
        "--data-dir",
        type=_FILE,
        default=DATA_DIR,
        show_default=True,
        metavar="DIR",
        help="Folder of the database, on a local disk.",
    ),
    _option(
        "--database-url",
        metavar="URL",
        help="A PostgreSQL in place of the data directory: postgresql://USER:PASSWORD@HOST/NAME. Others see a command "
        "line: set it in the environment.",
    ),
    _option(
        "--tls-cert",
        type=_FILE,
        metavar="FILE",
        help="The certificate and its chain, in PEM; read again when it changes.",
    ),
    _option("--tls-key", type=_FILE, metavar="FILE", help="Its key, in PEM, without a password."),
    _option(
        "--client-ca",
        type=_FILE,
        metavar="FILE",
        help="Know agents by certificates of this CA too, in PEM; each names its node.",
    ),
    _option(
        "--insecure-http",
        is_flag=True,
        help="Answer without TLS on any address. Who listens on the way has all tokens, and what replicas do.",
    ),
    _option("--no-auth", is_flag=True, help="Take batches from anybody and let anybody read; on loopback only."),
    _option("--tokens", type=_FILE, metavar="FILE", help="Know agents and readers by the tokens of this file."),
    _option(
        "--agent-service-account",
        "agent_accounts",
        multiple=True,
        metavar="NAMESPACE/NAME",
        help="Know agents by the tokens of this ServiceAccount, and readers by what RBAC grants them; the API server "
        "is asked. May be given more than once.",
    ),
    _option(
        "--kubeconfig",
        type=_FILE,
        metavar="FILE",
        help="Ask the API server with the credentials of this file [default: those of the pod's ServiceAccount]",
    ),
    _option(
        "--keep-days",
        type=click.FloatRange(min=0, min_open=True),
        default=KEEP_DAYS,
        show_default=True,
        metavar="DAYS",
        help="Forget windows that ended longer ago.",
    ),
    _option(
        "--keep-bytes",
        type=click.IntRange(min=1 << 20),
        default=KEEP_BYTES,
        show_default=True,
        metavar="BYTES",
        help="Forget the oldest windows while all batches take more.",
    ),
    _option(
        "--queue",
        type=click.IntRange(1, QUEUE_MAX),
        default=QUEUE,
        show_default=True,
        metavar="N",
        help="How many batches may wait to be stored; one more is answered 429.",
    ),
    _option("--metrics-token", is_flag=True, help="Ask for a reader's token for /metrics too."),
    _option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="The least that is logged, on standard error; debug has a line for each batch.",
    ),
)


def of_serve(command: _Command) -> _Command:
    """The options of `aggregator serve`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_SERVE), command)
