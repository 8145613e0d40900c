"""
Check that the memory limit of this process leaves room for compiling the probe.

Flow: files -> **memory** -> report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding

MEMORY_LIMIT: Final = Check(
    name="memory-limit",
    why="compiling the probe takes most memory of all; who has too little stands still, or is killed without a word",
    fatal=True,
)
CHECKS: Final = (MEMORY_LIMIT,)

WANTED_BYTES: Final = 192 << 20
"""With less the compiler is read from the disk again and again. At most 165 MiB were charged to the cgroup, BPF maps
and the compiler's file included, on kernel 6.18 with BCC 0.26 and LLVM 14; the rest is for other versions of them."""
LEAST_BYTES: Final = 112 << 20
"""With this the agent started in 13 s instead of 7, with 104 MiB in 24 s, and with 96 MiB not in 100 s."""
THREAD_BYTES: Final = 8
"""The probe's map of threads has an entry of this size for each thread id (docs/limits.md)."""
CPU_BYTES: Final = 1_150_000
"""Each CPU has sets of system calls of its own for all places of replicas: 2 * 4,096 of 136 bytes (bpf/state.h)."""
_CPUS_MEASURED: Final = 2
"""On as many CPUs was measured what is wanted."""
_UNLIMITED: Final = 1 << 60
"""v1 says «none» by a number of this order."""
_FILES: Final = {"cgroup2": "memory.max", "cgroup": "memory.limit_in_bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How much this process may use."""

    limits: Sequence[tuple[str, int]]
    """File and bytes of each limit that could be read, of its cgroup and of those above it."""
    pid_max: int
    """Highest thread id of the node plus one."""
    cpus: int = _CPUS_MEASURED
    """CPUs that the node may have."""
    known: bool
    """Whether any file of limits could be read."""


def this_memory(files: Files) -> Memory:
    """The limits of this process."""
    texts = [(path, files.text(path)) for path in _limit_files(files)]
    readable = [(path, text.strip()) for path, text in texts if not isinstance(text, Unreadable)]
    limits = [(path, int(text)) for path, text in readable if text.isdecimal() and int(text) < _UNLIMITED]
    pid_max, possible = files.text("/proc/sys/kernel/pid_max"), files.text("/sys/devices/system/cpu/possible")
    last_cpu = possible.strip().rpartition("-")[2] if isinstance(possible, str) else ""
    return Memory(
        limits=limits,
        pid_max=int(pid_max) if isinstance(pid_max, str) and pid_max.strip().isdecimal() else 0,
        cpus=int(last_cpu) + 1 if last_cpu.isdecimal() else _CPUS_MEASURED,
        known=bool(readable),
    )


def _limit_files(files: Files) -> Iterator[str]:
    """The file that holds the limit, for this process's cgroup and each above it that is mounted here."""
    mountinfo, membership = files.text("/proc/self/mountinfo"), files.text("/proc/self/cgroup")
    if isinstance(mountinfo, Unreadable) or isinstance(membership, Unreadable):
        return
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        path = _own_path(membership, kind, options)
        _, _, _, root, point, *_ = before.split(" ")
        if path is None or ".." in f"{root}{path}".split("/"):  # what is mounted is not above this process
            continue
        below = PurePosixPath(path.removeprefix(root.rstrip("/")).strip("/"))
        for folder in (below, *below.parents):
            yield str(PurePosixPath(point) / folder / _FILES[kind])


def _own_path(membership: str, kind: str, options: str) -> str | None:
    """Path of this process in a mounted hierarchy, from /proc/self/cgroup; None if it doesn't limit memory."""
    if kind not in _FILES or (kind == "cgroup" and "memory" not in options.split(",")):
        return None
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if (kind == "cgroup2" and not controllers) or "memory" in controllers.split(","):
            return path if path.startswith("/") else None
    return None


def judge(memory: Memory) -> Sequence[Finding]:
    """What is to be said of it."""
    maps = memory.pid_max * THREAD_BYTES + max(0, memory.cpus - _CPUS_MEASURED) * CPU_BYTES
    wanted = _mib(WANTED_BYTES + maps)
    if not memory.known:
        return (MEMORY_LIMIT.skipped("no file that holds a limit of this process's cgroup is mounted here"),)
    if not memory.limits:
        return (MEMORY_LIMIT.ok(f"no limit; {wanted} are wanted"),)
    file, limit = min(memory.limits, key=lambda one: one[1])
    found = f"{_mib(limit)} by {file}; {wanted} are wanted with kernel.pid_max {memory.pid_max} and {memory.cpus} CPUs"
    remedy = (
        f"raise resources.limits.memory of the agent's container to {wanted} or more (in the chart "
        "agent.resources.limits.memory; MemoryMax= in a unit), or lower kernel.pid_max"
    )
    if limit < LEAST_BYTES + maps:
        return (MEMORY_LIMIT.failed(found, remedy=remedy),)
    if limit < WANTED_BYTES + maps:
        return (MEMORY_LIMIT.warning(f"{found}, or compiling the probe takes long", remedy=remedy),)
    return (MEMORY_LIMIT.ok(found),)


def _mib(size: int) -> str:
    return f"{-(-size >> 20)} MiB"
