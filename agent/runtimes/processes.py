"""
Tell in which cgroup a container is, by its first process, and whether that is still the process its runtime started.

Flow: beside inventory. Reads /proc/PID/cgroup and /proc/PID/stat.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.cgroups import Hierarchy
from agent.runtimes import files, oci
from agent.runtimes.container import State

CgroupOf = Callable[[int], str | None]
"""Path of the cgroup that a process is in, as in /proc/PID/cgroup; None if there is no such process."""

_SHORTEST_ID: Final = 32
"""Characters of an id that is found in a path by itself: docker's, podman's and the CRI's have 64."""


class Misplaced(Exception):  # noqa: N818 - what is found so is noted, not raised to a person
    """A container runs, but which cgroup is its own can't be told; the message says why."""


def root_cgroup(state: State, *, cgroup_of: CgroupOf, owner: int | None, proc: Path) -> str | None:
    """
    Path of a container's topmost cgroup; None if its first process is gone. Raises Misplaced.

    The process may be in a cgroup below it: crun makes one, systemd in a container does. In a person's own runtime
    (rootless) the state is theirs to write: what it says is believed of processes in their own slice only.
    """
    path = cgroup_of(state.pid)
    if path is None or (state.started is not None and started(state.pid, proc=proc) != state.started):
        return None
    if owner is not None and f"/user-{owner}.slice/" not in path:
        raise Misplaced(f"its first process is not below user-{owner}.slice")
    if path == "/":
        raise Misplaced("it has no cgroup of its own")
    declared = oci.declared_cgroup(state.cgroups_path) if state.cgroups_path else None
    mark = declared.rpartition("/")[2] if declared else state.cgroup_mark
    found = _cut(path, state.id, mark)
    if found is None and mark:
        raise Misplaced("its first process is in another cgroup than its state says")
    if not path.startswith("/.."):
        return found or path
    if declared is None or owner is not None:
        raise Misplaced("its cgroup is outside the agent's cgroup namespace")
    return declared


def _cut(path: str, container_id: str, mark: str | None) -> str | None:
    """The path down to the first component that is the mark, or has the container's id; None without such."""
    components = path.split("/")
    for index, component in enumerate(components):
        if component.lstrip("-") == mark or (len(container_id) >= _SHORTEST_ID and container_id in component):
            return "/".join(components[: index + 1])
    return None


def cgroup_reader(hierarchy: Hierarchy, *, proc: Path = Path("/proc")) -> CgroupOf:
    """A CgroupOf for one hierarchy."""
    prefix = f"{hierarchy.number}:"

    def cgroup_of(pid: int) -> str | None:
        try:
            membership = files.text(proc / str(pid) / "cgroup") or ""
        except files.Unreadable:
            return None
        return next((line.split(":", 2)[2] for line in membership.splitlines() if line.startswith(prefix)), None)

    return cgroup_of


def started(pid: int, *, proc: Path = Path("/proc")) -> int | None:
    """When a process began, in clock ticks since the boot: field 22 of /proc/PID/stat (proc(5)); None if it is gone."""
    try:
        line = files.text(proc / str(pid) / "stat") or ""
    except files.Unreadable:
        return None
    fields = line.rpartition(") ")[2].split()  # comm, in parentheses, may hold anything
    return int(fields[19]) if len(fields) > 19 else None  # noqa: PLR2004 - the first field after comm is the third
