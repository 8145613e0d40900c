"""
Check which namespaces of the node this process shares.

Flow: files -> **namespaces** -> report.

The kernel's first namespaces have fixed inode numbers, which hold in every container; PID 1's need not be the node's,
and can often not be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding

INITIAL: Final = {"user": 0xEFFFFFFD, "pid": 0xEFFFFFFC, "cgroup": 0xEFFFFFFB, "net": 0xEFFFFFF9}
"""Inodes of the first namespaces (include/linux/proc_ns.h, since 3.8); that of `net` is fixed since 6.18."""
_LOOPBACK: Final = ("localhost", "127.", "::1", "[::1]")

USER: Final = Check(
    name="user-namespace",
    why="BPF asks for its capabilities in the node's user namespace, not in one of our own",
    fatal=True,
)
PID: Final = Check(
    name="pid-namespace", why="the kernel tells process ids of the node; elsewhere they name other processes, or none"
)
CGROUP: Final = Check(
    name="cgroup-namespace",
    why="paths in /proc/PID/cgroup are relative to it, by which a runtime's containers are found without a cluster",
)
NETWORK: Final = Check(
    name="network-namespace", why="only in the node's own does `localhost` mean the node, on which its kubelet listens"
)
CHECKS: Final = (USER, PID, CGROUP, NETWORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """In which namespaces this process is."""

    own: Mapping[str, str | Unreadable]
    """Links in /proc/self/ns, such as `pid:[4026531836]`."""
    first: Mapping[str, str | Unreadable]
    """Those in /proc/1/ns; even root may be denied them."""
    uid_map: str | Unreadable
    """/proc/self/uid_map."""
    kubelet: str | None = None
    """Address of the kubelet; None: none is asked."""
    by_runtime: bool = False
    """Whether the runtimes are asked for names."""


def these_namespaces(files: Files, *, kubelet: str | None, by_runtime: bool) -> Namespaces:
    """The namespaces of this process."""
    names = (*INITIAL, "mnt")
    return Namespaces(
        own={name: files.link(f"/proc/self/ns/{name}") for name in names},
        first={name: files.link(f"/proc/1/ns/{name}") for name in names},
        uid_map=files.text("/proc/self/uid_map"),
        kubelet=kubelet,
        by_runtime=by_runtime,
    )


def judge(namespaces: Namespaces) -> Sequence[Finding]:
    """What is to be said of them."""
    return (_user(namespaces), _pid(namespaces), _cgroup(namespaces), _network(namespaces))


def _is_initial(namespaces: Namespaces, name: str) -> bool | None:
    """Whether it is the kernel's first one; None if it can't be told."""
    own = namespaces.own[name]
    found = re.search(r"\[(\d+)\]", own) if isinstance(own, str) else None
    return int(found[1]) == INITIAL[name] if found else None


def _user(namespaces: Namespaces) -> Finding:
    initial = _is_initial(namespaces, "user")
    if initial is None:
        return USER.skipped(f"it can't be told: {namespaces.own['user']}")
    if initial:
        return USER.ok("that of the node")
    uids = namespaces.uid_map if isinstance(namespaces.uid_map, str) else ""
    return USER.failed(
        f"one of its own ({namespaces.own['user']}; uid_map: {' '.join(uids.split()) or 'empty'})",
        remedy="leave hostUsers: false out of the pod; in a shell, run the agent by sudo, not by `unshare --user` or a "
        "rootless container",
    )


def _pid(namespaces: Namespaces) -> Finding:
    initial = _is_initial(namespaces, "pid")
    if initial is None:
        return PID.skipped(f"it can't be told: {namespaces.own['pid']}")
    if initial:
        return PID.ok("that of the node")
    if _differs(namespaces, "mnt"):  # PID 1 is not ours, so we share the pid namespace of a node within a node
        return PID.warning(
            "that of PID 1, which is not the kernel's first: the node runs in a container itself, as those of kind do",
            remedy="nothing can be set for it; command lines that the probe could not read itself are missing, or "
            "those of other processes: rely on nodes of their own kernel",
        )
    return PID.failed(
        f"one of its own ({namespaces.own['pid']}), not that of the node",
        remedy="set hostPID: true in the pod (in the chart agent.hostPID: true), or start the container "
        "with --pid=host",
    )


def _differs(namespaces: Namespaces, name: str) -> bool:
    own, first = namespaces.own[name], namespaces.first[name]
    return isinstance(own, str) and isinstance(first, str) and own != first


def _cgroup(namespaces: Namespaces) -> Finding:
    initial = _is_initial(namespaces, "cgroup")
    if initial is None:
        return CGROUP.skipped(f"it can't be told: {namespaces.own['cgroup']}")
    if initial:
        return CGROUP.ok("that of the node")
    if not namespaces.by_runtime:
        return CGROUP.ok("one of its own; what is mounted decides: see cgroup-view")
    return CGROUP.warning(
        "one of its own, in which the containers that the runtimes tell of can't be found by their processes",
        remedy="start the container with --cgroupns=host; a privileged pod has the node's (in the chart "
        "agent.securityMode: privileged)",
    )


def _network(namespaces: Namespaces) -> Finding:
    if namespaces.kubelet is None:
        return NETWORK.skipped("no kubelet is asked")
    if not namespaces.kubelet.startswith(_LOOPBACK):
        return NETWORK.ok(f"the kubelet is asked at {namespaces.kubelet}, which is no loopback address")
    shared = _shares_network(namespaces)
    if shared is None:
        return NETWORK.skipped(f"it can't be told: {namespaces.first['net']}; see kubelet-address")
    if shared:
        return NETWORK.ok("that of the node")
    return NETWORK.failed(
        f"one of its own, and the kubelet is asked at {namespaces.kubelet}, which is this pod itself",
        remedy="set hostNetwork: true in the pod (in the chart agent.hostNetwork: true), or give the node's address as "
        "the kubelet's, by a fieldRef to status.hostIP",
    )


def _shares_network(namespaces: Namespaces) -> bool | None:
    """Whether it is the node's; None if it can't be told."""
    if _is_initial(namespaces, "net"):
        return True
    if isinstance(namespaces.first["net"], Unreadable):
        return None
    if not _is_initial(namespaces, "pid") and not _differs(namespaces, "mnt"):
        return None  # PID 1 is of our own pod, and tells nothing about the node
    return not _differs(namespaces, "net")
