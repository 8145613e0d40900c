"""
What can be said on the command line of `agent`, or in its environment.

Flow: **options** -> settings -> main. Each option can be set as KINWATCH_<NAME> too, as the chart does.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from agent.settings import BTF, RUN_DIR, SPOOL, SPOOL_BYTES, WINDOW_MAX_S, WINDOW_MIN_S

PREFIX: Final = "KINWATCH_"
"""Of the environment variables."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Decorator = Callable[[Any], Any]
_FILE: Final = click.Path(path_type=Path)


def _option(long: str, name: str | None = None, *, also: str | None = None, **attributes: Any) -> _Decorator:
    """An option that has an environment variable of its name, and perhaps another one."""
    variables = [PREFIX + long.removeprefix("--").replace("-", "_").upper(), *([also] if also else [])]
    return click.option(long, *([name] if name else []), envvar=variables, **attributes)


_NODE: Final = _option(
    "--node", also="NODE_NAME", default=platform.node, metavar="NAME", help="Name of this node [default: its host name]"
)
_BTF: Final = _option(
    "--btf",
    type=_FILE,
    default=BTF,
    metavar="FILE",
    help="The kernel's type information, if it is not in /sys/kernel/btf/vmlinux.",
)
_RUN_DIR: Final = _option(
    "--run-dir",
    type=_FILE,
    default=RUN_DIR,
    metavar="DIR",
    help="Folder of the lock by which one agent runs on a node [default: /run/kinwatch]",
)

_IDENTITY: Final = (
    _option(
        "--names",
        type=click.Choice(["auto", "kubernetes", "runtime"]),
        default="auto",
        show_default=True,
        help="Who tells the containers' names: the cluster, or the state of this node's container runtimes. By default "
        "the cluster where there is a token or a kubeconfig.",
    ),
    _option(
        "--kubelet",
        also="HOST_IP",
        default="localhost",
        show_default=True,
        metavar="HOST[:PORT]",
        help="Where this node's kubelet listens.",
    ),
    _option(
        "--kubelet-ca",
        type=_FILE,
        metavar="FILE",
        help="What the kubelet's certificate is checked against [default: the cluster's CA]",
    ),
    _option(
        "--kubelet-insecure",
        is_flag=True,
        help="Do not check the kubelet's certificate. Who answers in its place gets the token, and tells the names.",
    ),
    _option(
        "--service-account",
        type=_FILE,
        metavar="DIR",
        help="Folder with `token` and `ca.crt` [default: /var/run/secrets/kubernetes.io/serviceaccount]",
    ),
    _option(
        "--kubeconfig",
        also="KUBECONFIG",
        type=_FILE,
        metavar="FILE",
        help="Ask the API server with the credentials of this file, as on a node without a ServiceAccount.",
    ),
    _option(
        "--host-root",
        type=_FILE,
        default=Path("/"),
        metavar="DIR",
        help="Where the node's files are seen, such as /proc/1/root in a container; the runtimes' state is read there.",
    ),
)

_AGENT: Final = (
    _option("--dry-run", "dry", is_flag=True, help="Watch and show; ship nothing."),
    _option(
        "--window",
        "window_s",
        type=click.FloatRange(WINDOW_MIN_S, WINDOW_MAX_S),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Length of a window. Windows begin at multiples of it, on all nodes alike.",
    ),
    _option(
        "--windows",
        type=click.IntRange(min=1),
        metavar="N",
        help="End after N whole windows. The first, begun in the middle, is shown too and not counted.",
    ),
    _option(
        "--cgroup",
        "cgroups",
        multiple=True,
        metavar="GLOB",
        help="Watch the cgroups whose path matches, as in /proc/PID/cgroup, with all below them; each is a replica. "
        "May be given more than once. Without it the node's containers are watched.",
    ),
    _option("--cohort", metavar="NAME", help="Name of the cohort that these replicas form."),
    _option(
        "--selection",
        type=_FILE,
        metavar="FILE",
        help="Which namespaces, workloads, containers and labels to watch or to leave; read again when it changes.",
    ),
    _option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        help="Tables, or one JSON object a line; tables by default where the output is a terminal.",
    ),
    _option(
        "--network",
        "networks",
        multiple=True,
        metavar="NAME=CIDR",
        help="Call the addresses of a network by this name in endpoints, such as pod=10.42.0.0/16; the smallest "
        "network wins. May be given more than once.",
    ),
    _option(
        "--secrets-key",
        type=_FILE,
        metavar="FILE",
        help="The installation's key, by which equal secrets are replaced by equal marks on all nodes; made up for "
        "this run if not given.",
    ),
    _option("--show-secrets", is_flag=True, help="Leave secrets in command lines and names as they are."),
    _option(
        "--listen",
        metavar="ADDRESS:PORT",
        help="Answer probes and Prometheus there, on /healthz, /readyz and /metrics; :PORT is on all addresses.",
    ),
)


_DELIVERY: Final = (
    _option("--aggregator", metavar="URL", help="Where batches go, such as https://aggregator.kinwatch.svc:8443."),
    _option(
        "--aggregator-token",
        type=_FILE,
        metavar="FILE",
        help="The agent's token for it, which is renewed; a projected one with the audience kinwatch-aggregator.",
    ),
    _option(
        "--aggregator-ca",
        type=_FILE,
        metavar="FILE",
        help="What the aggregator's certificate is checked against [default: the system's CAs]",
    ),
    _option(
        "--aggregator-cert", type=_FILE, metavar="FILE", help="The agent's own certificate, in place of a token (mTLS)."
    ),
    _option("--aggregator-key", type=_FILE, metavar="FILE", help="Its key."),
    _option(
        "--spool",
        type=_FILE,
        default=SPOOL,
        metavar="DIR",
        help="Folder in which batches wait for the aggregator [default: /var/lib/kinwatch/spool]",
    ),
    _option(
        "--spool-bytes",
        type=click.IntRange(min=1 << 20),
        default=SPOOL_BYTES,
        show_default=True,
        metavar="BYTES",
        help="How much the spool may grow to; then the oldest batches go first, and are counted.",
    ),
)


def of_the_agent(command: _Command) -> _Command:
    """The options of `agent`."""
    return _decorated(command, (*_AGENT, *_DELIVERY, *_IDENTITY, _NODE, _BTF, _RUN_DIR))


def of_the_node(command: _Command) -> _Command:
    """The options that say where the node's own things are found; those that `agent doctor` has in common."""
    return _decorated(command, (*_DELIVERY, *_IDENTITY, _NODE, _BTF, _RUN_DIR))


def _decorated(command: _Command, options: tuple[_Decorator, ...]) -> _Command:
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)
