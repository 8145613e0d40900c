"""
A container as its runtime tells of it.

Flow: containerd, docker, storage, runc -> **container** -> inventory, identity. Values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPod:
    """The pod that a container belongs to, as far as the runtime knows it."""

    uid: str | None
    """As the kubelet gave it; None where the runtime is too old to say; the cgroup's path has it as well."""
    namespace: str
    name: str
    container: str | None
    """Name of the container in its pod; None for the sandbox, which has none."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the pod, where the runtime writes them down (CRI-O, cri-dockerd); else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a container is called, and what it runs; None for what the state doesn't tell."""

    name: str | None = None
    """The name a person gave it, or compose."""
    image: str | None = None
    image_id: str | None = None
    project: str | None = None
    service: str | None = None
    pod: LocalPod | None = None
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a runtime's state tells of one container, before its process is looked at."""

    id: str
    pid: int
    """Its first process, in the numbering of the node; 0 while it has none."""
    traits: Traits
    started: int | None = None
    """When that process began, in clock ticks since the boot, as field 22 of /proc/PID/stat; None where not told."""
    cgroups_path: str | None = None
    """`linux.cgroupsPath` of the OCI configuration: an absolute path, or `slice:prefix:name`; None where not told."""
    cgroup_mark: str | None = None
    """What a component of its cgroup's path is or has in it, where cgroups_path is not told and it is certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContainer:
    """A running container of this node."""

    runtime: str
    """`containerd`, `cri-o`, `docker`, `podman` or `runc`."""
    id: str
    name: str
    """The name a person gave it, or compose; else the id."""
    cgroup: str
    """Path of its topmost cgroup, as in /proc/PID/cgroup, in the hierarchy that the agent watches."""
    image: str | None
    image_id: str | None
    """Digest or id of the image, as the runtime spells it."""
    project: str | None
    """Of compose."""
    service: str | None
    """Of compose; None also for a container of `compose run`, which does something else than its service."""
    pod: LocalPod | None
    is_sandbox: bool
    """Whether it is there to hold a pod's namespaces, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """State that was found and could not be used, with the reason."""

    runtime: str
    path: str
    """The first such place."""
    reason: str
    count: int = 1
    """In how many places it was the same."""
