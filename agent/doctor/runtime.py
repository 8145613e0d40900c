"""
Check what the container runtimes keep on this node's disk, by which containers are named where there is no cluster.

Flow: settings, runtimes -> **runtime** -> report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.cgroups import Hierarchy
from agent.doctor.finding import Check, Finding
from agent.runtimes.container import Failure
from agent.runtimes.inventory import Runtimes
from agent.runtimes.places import Places
from agent.runtimes.processes import cgroup_reader

RUNTIME: Final = Check(name="runtime", why="without a cluster, the runtime's state on disk tells whose a container is")
CHECKS: Final = (RUNTIME,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the runtimes' state tells."""

    root: Path
    places: Sequence[str]
    """Folders of a runtime that there are."""
    containers: Counter[str]
    """How many run, by runtime."""
    failures: Sequence[Failure]


def ask(root: Path, hierarchy: Hierarchy) -> Told:
    """Read it once, as the agent does."""
    runtimes = Runtimes(cgroup_reader(hierarchy), root=root)
    containers = Counter(one.runtime for one in runtimes.containers())
    return Told(root=root, places=_places(root), containers=containers, failures=runtimes.failures)


def _places(root: Path) -> list[str]:
    places = Places.of(root)
    stores = [folder for pair in places.storage for folder in pair]
    return [path for path in (*places.containerd, *places.docker, *stores, *places.runc) if _exists(root, path)]


def _exists(root: Path, path: str) -> bool:
    try:
        return (root / path.lstrip("/")).exists()
    except OSError:  # it may not be looked at, which is among the failures
        return True


def judge(told: Told) -> Sequence[Finding]:
    """What is to be said of it."""
    counted = ", ".join(f"{count} of {runtime}" for runtime, count in sorted(told.containers.items()))
    places = sum(one.count for one in told.failures)
    if told.failures:
        first = told.failures[0]
        return (
            RUNTIME.warning(
                f"containers: {counted or 'none'}; in {places} places something could not be used, first {first.path} "
                f"of {first.runtime}: {first.reason}",
                remedy="see that the agent may read it, as root does; the containers that it concerns keep their id "
                "for a name",
            ),
        )
    if told.containers:
        return (RUNTIME.ok(f"containers: {counted}"),)
    if told.places:
        return (RUNTIME.ok(f"no container runs; there is {', '.join(told.places)}"),)
    return (
        RUNTIME.warning(
            f"no runtime keeps its state in a folder that is known, below {told.root}",
            remedy="if containers run here, name the folder under which the node's files are seen by --host-root, and "
            "mount the runtime's there, such as /run/containerd or /var/lib/docker; or give cgroups by --cgroup",
        ),
    )
