"""
Say whose container a cgroup is.

Flow: drain -> **identify** -> window. Takes the path of a cgroup, gives the replica that its tasks belong to, or None.
A cgroup below a container's belongs to that container.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Protocol

from agent.cgroups import Hierarchy
from agent.values import Subject
from kinwatch.errors import InputError
from kinwatch.snapshot import Replica, Workload

_UID: Final = r"(?:[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_POD: Final = re.compile(rf"pod(?P<uid>{_UID})(?:\.slice|$|:)")
"""The pod uid in a component; the systemd driver writes _ for -, static pods have 32 digits and no dashes."""
_CONTAINER: Final = re.compile(r"(?:^|[-:])(?P<id>[0-9a-f]{64})(?:\.scope)?$")
"""The container id in a component: bare, `cri-containerd-<id>.scope`, `crio-<id>.scope`, `…:cri-containerd:<id>`."""
_MONITOR: Final = "crio-conmon-"
"""CRI-O puts a container's monitor into a cgroup of its own; it is no container."""


def pod_container(path: str) -> tuple[str, str, str] | None:
    """
    Root, pod uid and container id of the pod's container that a cgroup belongs to; None if it belongs to none.

    The uid has dashes as the API writes it, however the cgroup driver wrote it.
    """
    uid = None
    components = path.split("/")
    for index, component in enumerate(components):
        if pod := _POD.search(component):
            uid = pod["uid"].replace("_", "-")
        container = _CONTAINER.search(component)
        if uid and container and not component.startswith(_MONITOR):
            return "/".join(components[: index + 1]), uid, container["id"]
    return None


class Containers(Protocol):
    """Which cgroups are containers."""

    def subject(self, path: str) -> Subject | None:
        """The container to which the cgroup at `path` belongs, or None."""


def own_root(hierarchy: Hierarchy, containers: Containers, membership: str, pid: int) -> str | None:
    """
    The cgroup of the container in which the process `pid` runs; None if it runs in none.

    `membership` is the text of its /proc/PID/cgroup. In a cgroup namespace of its own that is `/`, and the process is
    looked for in all containers, where the pids of the node are seen (hostPID).
    """
    for path in (hierarchy.path_of(membership) or "", *(path for _, path in hierarchy.cgroups())):
        found = containers.subject(path)
        if found and pid in hierarchy.members(path):
            return found.root
    return None


class Pods:
    """Watch the containers of pods; who owns a pod is not in its cgroup, so their workload is not known."""

    def subject(self, path: str) -> Subject | None:
        """The pod's container to which a cgroup belongs."""
        found = pod_container(path)
        if found is None:
            return None
        root, uid, container_id = found
        return Subject(
            root=root,
            replica=Replica(pod_uid=uid, container_id=container_id, cgroup=root),
            workload=Workload(),
            resolved=False,
        )


class Globs:
    """Watch cgroups by their path, each match a replica of one cohort."""

    def __init__(self, globs: Sequence[str], *, cohort: str) -> None:
        self._patterns = [_components(glob) for glob in globs]
        self._workload = Workload(kind="Cgroup", name=cohort)

    def subject(self, path: str) -> Subject | None:
        """The topmost cgroup above or at `path` that one of the globs matches."""
        components = path.strip("/").split("/")
        for depth in range(1, len(components) + 1):
            if any(_matches(components[:depth], pattern) for pattern in self._patterns):
                return self._matched("/" + "/".join(components[:depth]))
        return None

    def _matched(self, root: str) -> Subject:
        _, uid, container_id = pod_container(root) or (None, None, None)
        return Subject(
            root=root,
            replica=Replica(pod_uid=uid, container_id=container_id, cgroup=root),
            workload=self._workload,
            resolved=True,
        )


def _components(glob: str) -> list[str]:
    if not glob.startswith("/") or glob.strip("/") == "":
        raise InputError(
            f"--cgroup {glob!r} is not the path of a cgroup",
            remedy="give it as in /proc/PID/cgroup, from the root on, such as '/demo/*' (in quotes); "
            "* and ? match within one component",
        )
    return glob.strip("/").split("/")


def _matches(components: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(components) == len(pattern) and all(map(fnmatchcase, components, pattern))
