"""
The command `agent`: read the settings, wire the steps, run.

Flow: around it. The one place of the agent that knows the clock, the signals and the files of the node.
"""

from __future__ import annotations

import math
import platform
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import structlog
from rich.console import Console

from agent import preflight
from agent.btf import Btf
from agent.capture import Capture
from agent.cgroups import Hierarchy, choose, hierarchies
from agent.drain import Reading, ShowAll
from agent.dry_run import DryRun
from agent.endpoints import Surroundings
from agent.identify import Globs, Pods
from agent.lock import only_agent
from agent.memory import give_back
from agent.networks import Networks, named_network
from agent.probe import Probe
from agent.program import Build
from agent.redact import Redactor, key_from
from agent.roster import Roster, Selection
from agent.settings import BTF, RUN_DIR, WINDOW_MAX_S, WINDOW_MIN_S, Settings
from agent.show import Lines, Show, Tables
from agent.syscalls import SyscallTable
from agent.uring import names as uring_names
from kinwatch import logs
from kinwatch.command_line import Job, run_command
from kinwatch.errors import InputError

log = structlog.get_logger()


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Wall-clock time, in UTC."""
        return datetime.now(tz=UTC)

    def monotonic_s(self) -> float:
        """CLOCK_MONOTONIC, in seconds; the kernel's records bear the same."""
        return time.monotonic()


def selection_of(settings: Settings) -> Selection:
    """What the settings say is to be watched."""
    if not settings.cgroups:
        return Pods()
    return Globs(settings.cgroups, cohort=settings.cohort or " ".join(settings.cgroups))


def hierarchy_of(settings: Settings, selection: Selection) -> Hierarchy:
    """The hierarchy to watch; InputError if a glob was given and nothing matches it."""
    found = hierarchies(_text("/proc/self/mountinfo"), _text("/proc/self/cgroup"))
    hierarchy = choose(found, lambda path: selection.subject(path) is not None)
    matched = [path for _, path in hierarchy.cgroups() if selection.subject(path)]
    for glob in settings.cgroups:
        alone = Globs([glob], cohort="")
        if any(alone.subject(path) for path in matched):
            continue
        raise InputError(
            f"no cgroup matches --cgroup {glob!r} (looked in {', '.join(str(one.mount) for one in found)})",
            remedy="start the container first; `cat /proc/PID/cgroup` shows the path of a process's cgroup, and * "
            "matches within one component; quote the glob, so that the shell leaves it alone",
        )
    return hierarchy


def dry_run(settings: Settings) -> int:
    """Watch, show, ship nothing."""
    selection = selection_of(settings)
    preflight.check(preflight.this_node(release=platform.release(), btf=settings.btf))
    hierarchy = hierarchy_of(settings, selection)
    table = SyscallTable.of(platform.machine())
    build, reading = fitted(settings, hierarchy, table)
    with only_agent(settings.run_dir), Probe.load(build, table=table) as probe:
        clock = SystemClock()
        roster = Roster(selection, probe)

        def rescan() -> None:
            for cgroup_id, path in hierarchy.cgroups():
                roster.found(cgroup_id, path, clock.monotonic_s())
            # Anew: one that went between being listed and being assigned went without a word.
            roster.only(dict(hierarchy.cgroups()), at_s=clock.monotonic_s())

        rescan()
        give_back()
        capture = Capture(probe, roster, reading=reading, node=settings.node)
        loop = DryRun(
            capture, show_of(settings), poll=probe.poll, rescan=rescan, clock=clock, window_s=settings.window_s
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.stop())
        log.info("watching", replicas=len(roster), hierarchy=hierarchy.name, window_s=settings.window_s)
        loop.run(windows=settings.windows)
    return 0


def fitted(settings: Settings, hierarchy: Hierarchy, table: SyscallTable) -> tuple[Build, Reading]:
    """
    What the probe is compiled with on this node, and what its records are read with.

    Both are made of the kernel's types, which take 10 MB and are let go of here.
    """
    btf = Btf.read(settings.btf)
    build = Build.of(btf, hierarchy, table, pid_max=int(_text("/proc/sys/kernel/pid_max")))
    return build, reading_of(settings, table, uring=btf.enumerators("io_uring_op"))


def reading_of(settings: Settings, table: SyscallTable, *, uring: Mapping[str, int]) -> Reading:
    """What records are read with on this node, whose kernel has these io_uring operations."""
    first_ephemeral_port = int(_text("/proc/sys/net/ipv4/ip_local_port_range").split()[0])
    return Reading(
        table=table,
        command_line=command_line_of,
        around=Surroundings(networks=Networks(settings.networks), first_ephemeral_port=first_ephemeral_port),
        redact=ShowAll() if settings.show_secrets else Redactor(key_from(settings.secrets_key)),
        uring_names=uring_names(uring),
    )


def show_of(settings: Settings) -> Show:
    """Where the snapshots go."""
    return Lines(sys.stdout) if settings.as_json else Tables(Console())


def command_line_of(pid: int) -> bytes | None:
    """The argument list of a process as the kernel gives it now; None if the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--dry-run", "dry", is_flag=True, help="Watch and show; ship nothing.")
@click.option(
    "--window",
    "window_s",
    type=click.FloatRange(WINDOW_MIN_S, WINDOW_MAX_S),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Length of a window. Windows begin at multiples of it, on all nodes alike.",
)
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    metavar="N",
    help="End after N whole windows. The first, begun in the middle, is shown too and not counted.",
)
@click.option(
    "--cgroup",
    "cgroups",
    multiple=True,
    metavar="GLOB",
    help="Watch the cgroups whose path matches, as in /proc/PID/cgroup, with all below them; each is a replica. "
    "May be given more than once. Without it the containers of pods are watched.",
)
@click.option("--cohort", metavar="NAME", help="Name of the cohort that these replicas form.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    help="Tables, or one JSON object a line; tables by default where the output is a terminal.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="NAME=CIDR",
    help="Call the addresses of a network by this name in endpoints, such as pod=10.42.0.0/16; the smallest network "
    "wins. May be given more than once.",
)
@click.option("--node", default=platform.node, metavar="NAME", help="Name of this node [default: its host name]")
@click.option(
    "--secrets-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The installation's key, by which equal secrets are replaced by equal marks on all nodes; made up for this "
    "run if not given.",
)
@click.option("--show-secrets", is_flag=True, help="Leave secrets in command lines and names as they are.")
@click.option(
    "--btf",
    type=click.Path(path_type=Path),
    default=BTF,
    metavar="FILE",
    help="The kernel's type information, if it is not in /sys/kernel/btf/vmlinux.",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=RUN_DIR,
    metavar="DIR",
    help="Folder of the lock by which one agent runs on a node [default: /run/kinwatch]",
)
def agent(  # noqa: D103 - the text is in help=
    *,
    dry: bool,
    window_s: float,
    windows: int | None,
    cgroups: Sequence[str],
    cohort: str | None,
    form: str | None,
    networks: Sequence[str],
    node: str,
    secrets_key: Path | None,
    show_secrets: bool,
    btf: Path,
    run_dir: Path,
) -> Job:
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
    settings = Settings(
        window_s=window_s,
        windows=windows,
        cgroups=tuple(cgroups),
        cohort=cohort,
        as_json=form == "json" or (form is None and not sys.stdout.isatty()),
        networks=tuple(map(named_network, networks)),
        node=node,
        secrets_key=secrets_key,
        show_secrets=show_secrets,
        btf=btf,
        run_dir=run_dir,
    )
    return partial(dry_run, settings)


agent.help = "Watch what the containers of this node do, and tell it window by window."


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of `agent`."""
    logs.configure()
    return run_command(agent, arguments, name="agent")
