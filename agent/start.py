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

from agent.capture import Capture
from agent.cgroups import Hierarchy
from agent.cluster import kubernetes_of
from agent.doctor.command import node_findings, require
from agent.doctor.examined import examined_of
from agent.doctor.files import Files
from agent.fitting import fitted, given_cgroups, hierarchy_of
from agent.health import Health, lesser_source, no_source
from agent.host import local_of
from agent.identify import Pods, own_root
from agent.identity import Given, Identity, Kubernetes, Local
from agent.listen import answering
from agent.lock import only_agent
from agent.loop import Loop
from agent.memory import give_back
from agent.metrics import Metrics
from agent.naming import Naming
from agent.pods.sources import Status
from agent.probe import Probe
from agent.roster import Roster, Selection
from agent.settings import Settings
from agent.ship.shipping import Shipping, shipping
from agent.show import Lines, Show, Shown, Tables
from agent.syscalls import SyscallTable

log = structlog.get_logger()


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Wall-clock time, in UTC."""
        return datetime.now(tz=UTC)

    def monotonic_s(self) -> float:
        """CLOCK_MONOTONIC, in seconds; the kernel's records bear the same."""
        return time.monotonic()


def watch(settings: Settings) -> int:
    """Watch, and ship what is seen, or show it."""
    given_cgroups(settings)  # so that what can't be used is refused before the node is looked at
    require(node_findings(examined_of(settings), Files()), log)
    clock = SystemClock()
    hierarchy = hierarchy_of(settings)
    with (
        only_agent(settings.run_dir),
        identity_of(settings, hierarchy, clock) as identity,
        delivery_of(settings, identity) as delivery,
        health_of(settings, hierarchy, identity, delivery, clock) as health,
    ):
        table = SyscallTable.of(platform.machine())
        build, reading = fitted(settings, hierarchy, table)
        with Probe.load(build, table=table) as probe:
            roster = Roster(identity.selection, probe)

            def rescan() -> None:
                for cgroup_id, path in hierarchy.cgroups():
                    roster.found(cgroup_id, path, clock.monotonic_s())
                # Anew: one that went between being listed and being assigned went without a word.
                roster.only(dict(hierarchy.cgroups()), at_s=clock.monotonic_s())

            capture = Capture(probe, roster, Naming(identity.names), reading=reading, node=settings.node)

            def look_up() -> bool:
                if delivery:
                    delivery.check()
                return identity.look_up(urgent=capture.is_urgent(now_s=clock.monotonic_s()))

            rescan()
            give_back()
            loop = Loop(
                capture,
                delivery or Shown(show_of(settings)),
                poll=probe.poll,
                rescan=rescan,
                look_up=look_up,
                clock=clock,
                window_s=settings.window_s,
                progress=health,
            )
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: loop.stop())
            log.info("watching", replicas=len(roster), hierarchy=hierarchy.name, window_s=settings.window_s)
            loop.run(windows=settings.windows)
    return 0


@contextlib.contextmanager
def delivery_of(settings: Settings, identity: Identity) -> Iterator[Shipping | None]:
    """What ships, by the settings; None in a dry run."""
    if settings.delivery is None:
        yield None
        return
    with shipping(
        settings.delivery,
        node=settings.node,
        window_s=settings.window_s,
        agent_version=metadata.version("kinwatch"),
        names=names_of(identity),
    ) as delivery:
        yield delivery


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
def health_of(
    settings: Settings, hierarchy: Hierarchy, identity: Identity, delivery: Shipping | None, clock: SystemClock
) -> Iterator[Health]:
    """What the agent says of itself, and to whom."""
    names = names_of(identity)
    about = {
        "version": metadata.version("kinwatch"),
        "node": settings.node,
        "kernel": platform.release(),
        "hierarchy": hierarchy.name,
    }
    health = Health(
        Metrics(about, window_s=settings.window_s, names=names, owner_questions=owner_questions_of(identity)),
        monotonic_s=clock.monotonic_s,
        window_s=settings.window_s,
        conditions=[no_source(names), *([delivery.refused] if delivery else [])],
        notes=[lesser_source(names), *([delivery.notes] if delivery else [])],
    )
    if delivery:
        health.metrics.registry.register(delivery)
    with answering(settings.listen, health):
        yield health


def owner_questions_of(identity: Identity) -> Mapping[str, int] | None:
    """What became of the questions for owners; None if nobody is asked."""
    return identity.owner_questions if isinstance(identity, Kubernetes) else None


def names_of(identity: Identity) -> Callable[[], Status]:
    """Where the names come from, whenever it is asked; a runtime's state and a command line do not fall silent."""
    match identity:
        case Kubernetes():
            return lambda: identity.status
        case Local():
            return lambda: Status(source="runtime", problem="")
        case _:
            return lambda: Status(source="given", problem="")


def show_of(settings: Settings) -> Show:
    """Where the snapshots go."""
    return Lines(sys.stdout) if settings.as_json else Tables(Console())


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
