"""
Put an agent together from its settings, and run it.

Flow: main -> **start** -> all steps. The one place of the agent that knows the clock, the signals and the node's files.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import structlog
from rich.console import Console

from agent import preflight
from agent.btf import Btf
from agent.capture import Capture
from agent.cgroups import Hierarchy, choose, hierarchies
from agent.cluster import kubernetes_of
from agent.drain import Reading, ShowAll
from agent.dry_run import DryRun
from agent.endpoints import Surroundings
from agent.health import Health, answering, lesser_source, no_source
from agent.host import local_of
from agent.identify import Globs, Pods, own_root
from agent.identity import Given, Identity, Kubernetes, Local
from agent.lock import only_agent
from agent.memory import give_back
from agent.metrics import Metrics
from agent.naming import Naming
from agent.networks import Networks
from agent.pods.sources import Status
from agent.probe import Probe
from agent.program import Build
from agent.redact import Redactor, key_from
from agent.roster import Roster, Selection
from agent.settings import Settings
from agent.show import Lines, Show, Tables
from agent.syscalls import SyscallTable
from agent.uring import names as uring_names
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


def hierarchy_of(settings: Settings) -> Hierarchy:
    """The hierarchy to watch; InputError if a glob was given and nothing matches it."""
    selection = given_cgroups(settings) or Pods()
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
    preflight.check(preflight.this_node(release=platform.release(), btf=settings.btf))
    clock = SystemClock()
    hierarchy = hierarchy_of(settings)
    with (
        only_agent(settings.run_dir),
        identity_of(settings, hierarchy, clock) as identity,
        health_of(settings, hierarchy, identity, clock) as health,
    ):
        table = SyscallTable.of(platform.machine())
        build, reading = fitted(settings, hierarchy, table)
        with Probe.load(build, table=table) as probe:
            roster = Roster(identity.selection, probe)
            naming = Naming(identity.names)

            def rescan() -> None:
                for cgroup_id, path in hierarchy.cgroups():
                    roster.found(cgroup_id, path, clock.monotonic_s())
                # Anew: one that went between being listed and being assigned went without a word.
                roster.only(dict(hierarchy.cgroups()), at_s=clock.monotonic_s())

            rescan()
            give_back()
            loop = DryRun(
                Capture(probe, roster, naming, reading=reading, node=settings.node),
                show_of(settings),
                poll=probe.poll,
                rescan=rescan,
                look_up=lambda: identity.look_up(urgent=naming.is_urgent(now_s=clock.monotonic_s())),
                clock=clock,
                window_s=settings.window_s,
                progress=health,
            )
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: loop.stop())
            log.info("watching", replicas=len(roster), hierarchy=hierarchy.name, window_s=settings.window_s)
            loop.run(windows=settings.windows)
    return 0


def given_cgroups(settings: Settings) -> Globs | None:
    """The cgroups that were named; None if none were."""
    if not settings.cgroups:
        return None
    return Globs(settings.cgroups, cohort=settings.cohort or " ".join(settings.cgroups))


@contextlib.contextmanager
def identity_of(settings: Settings, hierarchy: Hierarchy, clock: SystemClock) -> Iterator[Identity]:
    """What tells the names of containers, by the settings."""
    if globs := given_cgroups(settings):
        yield Given(globs)
        return

    def own(selection: Selection) -> str | None:
        return own_root(hierarchy, selection, _text("/proc/self/cgroup"), os.getpid())

    if settings.identity.from_cluster:
        with kubernetes_of(
            settings, own_root=own(Pods()), environ=os.environ, monotonic_s=clock.monotonic_s
        ) as kubernetes:
            yield kubernetes
    else:
        with local_of(settings, hierarchy, own) as local:
            yield local


@contextlib.contextmanager
def health_of(settings: Settings, hierarchy: Hierarchy, identity: Identity, clock: SystemClock) -> Iterator[Health]:
    """What the agent says of itself, and to whom."""
    names = names_of(identity)
    about = {
        "version": metadata.version("kinwatch"),
        "node": settings.node,
        "kernel": platform.release(),
        "hierarchy": hierarchy.name,
    }
    health = Health(
        Metrics(about, window_s=settings.window_s, names=names),
        monotonic_s=clock.monotonic_s,
        window_s=settings.window_s,
        conditions=[no_source(names)],
        notes=[lesser_source(names)],
    )
    with answering(settings.listen, health):
        yield health


def names_of(identity: Identity) -> Callable[[], Status]:
    """Where the names come from, whenever it is asked; a runtime's state and a command line do not fall silent."""
    match identity:
        case Kubernetes():
            return lambda: identity.status
        case Local():
            return lambda: Status(source="runtime", problem="")
        case _:
            return lambda: Status(source="given", problem="")


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
