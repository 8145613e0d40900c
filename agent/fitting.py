"""
Fit the agent to this node: which hierarchy of cgroups, what the probe is compiled with, what its records are read with.

Flow: start -> **fitting** -> program, drain.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.btf import Btf
from agent.cgroups import Hierarchy, choose, hierarchies
from agent.drain import Reading, ShowAll
from agent.endpoints import Surroundings
from agent.identify import Globs, Pods
from agent.networks import Networks
from agent.program import Build
from agent.redact import Redactor, key_from
from agent.settings import Settings
from agent.syscalls import SyscallTable
from agent.uring import names as uring_names
from kinwatch.errors import InputError


def given_cgroups(settings: Settings) -> Globs | None:
    """The cgroups that were named; None if none were."""
    if not settings.cgroups:
        return None
    return Globs(settings.cgroups, cohort=settings.cohort or " ".join(settings.cgroups))


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


def command_line_of(pid: int) -> bytes | None:
    """The argument list of a process as the kernel gives it now; None if the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
