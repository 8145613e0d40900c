"""
Check the capabilities of this process one by one, each with what the agent wants it for.

Flow: files -> **capabilities** -> report.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding
from agent.doctor.kernel import version_of

DAC_READ_SEARCH: Final = 2  # bit numbers, include/uapi/linux/capability.h
SYS_PTRACE: Final = 19
SYS_ADMIN: Final = 21
SYS_RESOURCE: Final = 24
PERFMON: Final = 38
BPF: Final = 39

MEMORY_CGROUP_KERNEL: Final = (5, 11)
"""From here on BPF memory counts to the cgroup, not against RLIMIT_MEMLOCK."""

CAP_BPF: Final = Check(name="capability-bpf", why="without it the kernel makes no BPF map", fatal=True)
CAP_PERFMON: Final = Check(
    name="capability-perfmon", why="without it no BPF program may read the kernel's memory", fatal=True
)
CAP_DAC_READ_SEARCH: Final = Check(
    name="capability-dac-read-search", why="lets an agent that isn't root read tokens and folders closed to others"
)
CAP_SYS_PTRACE: Final = Check(
    name="capability-sys-ptrace", why="lets the agent read the command lines of others where /proc hides them"
)
CAP_SYS_RESOURCE: Final = Check(
    name="capability-sys-resource",
    why="before kernel 5.11 BPF maps count against the limit of locked memory, which it lifts",
    fatal=True,
)
CHECKS: Final = (CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_RESOURCE)

_GRANT: Final = (
    "run the agent as root (sudo), or grant it CAP_{name}: `setpriv --ambient-caps +bpf,+perfmon` in a shell, "
    "AmbientCapabilities= in a unit; in the chart agent.securityMode sets securityContext.capabilities.add"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileges:
    """What this process may do."""

    release: str
    """`uname -r`."""
    status: str | Unreadable
    """/proc/self/status."""
    mountinfo: str | Unreadable
    """/proc/self/mountinfo."""
    locked_memory: int
    """Hard limit of locked memory in bytes; -1: none."""


def these_privileges(files: Files, release: str) -> Privileges:
    """What this process may do on this node."""
    return Privileges(
        release=release,
        status=files.text("/proc/self/status"),
        mountinfo=files.text("/proc/self/mountinfo"),
        locked_memory=resource.getrlimit(resource.RLIMIT_MEMLOCK)[1],
    )


def judge(privileges: Privileges) -> Sequence[Finding]:
    """What is to be said of a process's capabilities."""
    if isinstance(privileges.status, Unreadable):
        return [check.skipped(str(privileges.status)) for check in CHECKS]
    held = capabilities_of(privileges.status)
    return (
        _needed(CAP_BPF, "BPF", held, BPF),
        _needed(CAP_PERFMON, "PERFMON", held, PERFMON),
        _dac_read_search(held, uid=_effective_uid(privileges.status)),
        _sys_ptrace(held, privileges.mountinfo),
        _sys_resource(held, privileges),
    )


def capabilities_of(status: str) -> int:
    """CapEff of /proc/PID/status, a bit for each."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, flags=re.MULTILINE)
    return int(found[1], 16) if found else 0


def holds(held: int, bit: int) -> bool:
    """Whether a capability is among those held."""
    return bool(held >> bit & 1)


def _effective_uid(status: str) -> int:
    found = re.search(r"^Uid:\s*\d+\s+(\d+)", status, flags=re.MULTILINE)
    return int(found[1]) if found else -1


def _needed(check: Check, name: str, held: int, bit: int) -> Finding:
    if holds(held, bit):
        return check.ok(f"CAP_{name} is in the effective set")
    if holds(held, SYS_ADMIN):
        return check.ok(f"CAP_SYS_ADMIN is in the effective set, and holds CAP_{name} in it")
    return check.failed(f"this process lacks CAP_{name}", remedy=_GRANT.format(name=name))


def _dac_read_search(held: int, *, uid: int) -> Finding:
    if holds(held, DAC_READ_SEARCH):
        return CAP_DAC_READ_SEARCH.ok("CAP_DAC_READ_SEARCH is in the effective set")
    if uid == 0:
        return CAP_DAC_READ_SEARCH.ok("this process lacks CAP_DAC_READ_SEARCH; it is root, whose the files are anyway")
    return CAP_DAC_READ_SEARCH.warning(
        f"this process lacks CAP_DAC_READ_SEARCH, and is user {uid}, not root",
        remedy="grant it CAP_DAC_READ_SEARCH, or see that its user may read what it is given: the key, the tokens, "
        "the runtime's folder",
    )


def _sys_ptrace(held: int, mountinfo: str | Unreadable) -> Finding:
    if holds(held, SYS_PTRACE):
        return CAP_SYS_PTRACE.ok("CAP_SYS_PTRACE is in the effective set")
    hidden = re.search(r" - proc .*\bhidepid=(?!0\b|off\b)\w+", mountinfo) if isinstance(mountinfo, str) else None
    if hidden:
        return CAP_SYS_PTRACE.warning(
            "this process lacks CAP_SYS_PTRACE, and /proc is mounted with hidepid: it can't read the command lines of "
            "other users' processes",
            remedy="grant it CAP_SYS_PTRACE (in the chart agent.securityMode), or mount /proc without hidepid",
        )
    return CAP_SYS_PTRACE.ok("this process lacks CAP_SYS_PTRACE; /proc hides no command lines, so it needs none")


def _sys_resource(held: int, privileges: Privileges) -> Finding:
    version = version_of(privileges.release)
    if version is None or version >= MEMORY_CGROUP_KERNEL:
        return CAP_SYS_RESOURCE.skipped(
            f"not needed on kernel {privileges.release}: from 5.11 on BPF memory counts to the cgroup"
        )
    if holds(held, SYS_RESOURCE):
        return CAP_SYS_RESOURCE.ok("CAP_SYS_RESOURCE is in the effective set")
    if privileges.locked_memory == resource.RLIM_INFINITY:
        return CAP_SYS_RESOURCE.ok("this process lacks CAP_SYS_RESOURCE; its locked memory is unlimited already")
    return CAP_SYS_RESOURCE.failed(
        f"this process lacks CAP_SYS_RESOURCE on kernel {privileges.release}, and may lock "
        f"{privileges.locked_memory >> 10} KiB of memory",
        remedy="grant it CAP_SYS_RESOURCE (in the chart agent.securityMode), or start it with an unlimited "
        "RLIMIT_MEMLOCK (LimitMEMLOCK=infinity in a unit), or run kernel 5.11 or newer",
    )
