"""
Check whether the kernel lets the probe in: by trying it, and by what is known to stand in the way.

Flow: files, trial, capabilities -> **permission** -> report.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.doctor.capabilities import BPF, SYS_ADMIN, capabilities_of, holds
from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding
from agent.doctor.trial import Trial, try_bpf

BPF_PERMISSION: Final = Check(
    name="bpf-permission",
    why="capabilities, seccomp, namespaces, security modules and lockdown all have a say; trying it is the proof",
    fatal=True,
)
SECCOMP: Final = Check(
    name="seccomp", why="a container's seccomp profile can refuse bpf(2), whatever the capabilities are"
)
PERF_EVENT_PARANOID: Final = Check(
    name="perf-event-paranoid",
    why="from 3 on Debian's and Ubuntu's kernels refuse perf_event_open(2), which the agent does not call",
)
TRACEFS: Final = Check(
    name="tracefs", why="other tracers attach by it; the agent attaches raw tracepoints, which need none"
)
CHECKS: Final = (BPF_PERMISSION, SECCOMP, PERF_EVENT_PARANOID, TRACEFS)

_DEBIAN_REFUSES: Final = 3
"""From this value on; upstream knows up to 2 (falcosecurity/falco issue 2487)."""
_MODES: Final = {"0": "off", "1": "strict", "2": "filter"}
_UNCONFINED: Final = (
    "let the container run with seccompProfile Unconfined, or with one that allows bpf(2) and membarrier(2); in the "
    "chart agent.securityMode sets it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What the kernel says about letting the probe in."""

    status: str | Unreadable
    """/proc/self/status."""
    trial: Trial | None
    """None: there is no probe for this machine."""
    perf_event_paranoid: str | Unreadable
    """/proc/sys/kernel/perf_event_paranoid."""
    security_module: str | Unreadable
    """/proc/self/attr/current: AppArmor's profile or SELinux's context of this process."""
    mountinfo: str | Unreadable
    """/proc/self/mountinfo."""


def this_permission(files: Files, machine: str) -> Permission:
    """What this node's kernel says."""
    return Permission(
        status=files.text("/proc/self/status"),
        trial=try_bpf(machine),
        perf_event_paranoid=files.text("/proc/sys/kernel/perf_event_paranoid"),
        security_module=files.text("/proc/self/attr/current"),
        mountinfo=files.text("/proc/self/mountinfo"),
    )


def judge(permission: Permission) -> Sequence[Finding]:
    """What is to be said of it."""
    return (_trial(permission), _seccomp(permission), _paranoid(permission), _tracefs(permission.mountinfo))


def _trial(permission: Permission) -> Finding:
    trial = permission.trial
    if trial is None:
        return BPF_PERMISSION.skipped("there is no probe for this machine (see architecture)")
    if trial.map_errno:
        return BPF_PERMISSION.failed(
            f"making a BPF map: {os.strerror(trial.map_errno)}{_confinement(permission)}",
            remedy=_map_remedy(trial.map_errno, permission),
        )
    if trial.program_errno:
        return BPF_PERMISSION.failed(
            f"loading a BPF program that reads the kernel's memory: {os.strerror(trial.program_errno)}"
            f"{_confinement(permission)}",
            remedy=_program_remedy(trial.program_errno),
        )
    return BPF_PERMISSION.ok("a BPF map could be made, and a program loaded that reads the kernel's memory")


def _map_remedy(number: int, permission: Permission) -> str:
    if number == errno.ENOSYS:
        return f"run a kernel built with CONFIG_BPF_SYSCALL=y; in a container, {_UNCONFINED}"
    capable = isinstance(permission.status, str) and _may_bpf(capabilities_of(permission.status))
    if not capable:
        return "grant CAP_BPF and CAP_PERFMON, or run as root: see capability-bpf and capability-perfmon"
    return (
        f"the capabilities are there, so something else refuses: {_UNCONFINED}; leave the pod's hostUsers at true; see "
        "what a security module logged (`dmesg | grep -i -e apparmor -e avc`)"
    )


def _program_remedy(number: int) -> str:
    if number in {errno.EPERM, errno.EACCES}:
        return "grant CAP_PERFMON as well, or run as root: see capability-perfmon"
    return (
        "boot without lockdown=confidentiality (/sys/kernel/security/lockdown), in which no probe may read the "
        "kernel's memory; if it isn't in force, please report this with the output of `uname -r`"
    )


def _may_bpf(held: int) -> bool:
    return holds(held, BPF) or holds(held, SYS_ADMIN)


def _confinement(permission: Permission) -> str:
    """What confines this process, as an addition to a refusal."""
    module = permission.security_module
    if isinstance(module, Unreadable) or module.strip("\0\n ") in {"", "unconfined"}:
        return ""
    return f" (the security module's label is {module.strip(chr(0) + chr(10))!r})"


def _seccomp(permission: Permission) -> Finding:
    if isinstance(permission.status, Unreadable):
        return SECCOMP.skipped(str(permission.status))
    found = re.search(r"^Seccomp:\s*(\d)$", permission.status, flags=re.MULTILINE)
    if found is None:
        return SECCOMP.skipped("this kernel was built without seccomp")
    mode = _MODES.get(found[1], found[1])
    if mode == "off":
        return SECCOMP.ok("no seccomp profile")
    if permission.trial and permission.trial.map_errno:
        return SECCOMP.warning(f"a seccomp profile (mode {mode}), and bpf(2) is refused", remedy=_UNCONFINED)
    return SECCOMP.ok(f"a seccomp profile (mode {mode}), which lets bpf(2) through")


def _paranoid(permission: Permission) -> Finding:
    text = permission.perf_event_paranoid
    if isinstance(text, Unreadable):
        return PERF_EVENT_PARANOID.skipped(str(text))
    value = text.strip()
    if value.isdecimal() and int(value) >= _DEBIAN_REFUSES:
        return PERF_EVENT_PARANOID.ok(
            f"kernel.perf_event_paranoid is {value}: it bars CAP_PERFMON from perf events, not from the agent's raw "
            "tracepoints"
        )
    return PERF_EVENT_PARANOID.ok(f"kernel.perf_event_paranoid is {value}")


def _tracefs(mountinfo: str | Unreadable) -> Finding:
    if isinstance(mountinfo, Unreadable):
        return TRACEFS.skipped(str(mountinfo))
    points = [line.split(" ")[4] for line in mountinfo.splitlines() if " - tracefs " in line]
    return TRACEFS.ok(f"mounted at {', '.join(points)}; not needed" if points else "not mounted; not needed")
