"""
Put the probe's C together for the node it is going to run on.

Flow: layouts -> **program** -> probe. Takes the node's struct layouts and the bounds, gives one C text and the
compiler's options. BCC rewrites only what stands in its main text, so the files of bpf/ are joined instead of included.
"""

from __future__ import annotations

import mmap
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from agent import layouts
from agent.btf import Btf
from agent.cgroups import Hierarchy
from agent.syscalls import SyscallTable

BPF_FOLDER: Final = Path(__file__).resolve().parent.parent / "bpf"
"""Also what BCC is told to be the kernel's source: its include/ holds all the headers that BCC asks for."""

PARTS: Final = (
    "records.h",
    "state.h",
    "replica.h",
    "registers.h",
    "path.h",
    "endpoints.c",
    "files.c",
    "processes.c",
    "privileges.c",
    "threads.c",
    "calls.c",
    "uring.c",
    "tcp.c",
    "cgroups.c",
)
"""The files of bpf/ in the order in which they build on each other."""

HOOKS: Final[dict[str, str]] = {
    "cgroup_mkdir": "on_cgroup_mkdir",
    "cgroup_rmdir": "on_cgroup_rmdir",
    "cgroup_attach_task": "on_cgroup_attach",
    "task_rename": "on_rename",
    "sched_process_exit": "on_exit",
    "sched_process_exec": "on_exec",
    "inet_sock_set_state": "on_sock_state",
    "sys_enter": "on_sys_enter",
}
"""Raw tracepoint → program, in the order in which they are attached: what keeps the books first, what counts last."""

JUMPS: Final = ("on_sys_enter", "on_admit", "on_more")
"""Programs that jump to each other, in the order of `enum program` in bpf/state.h."""

RING_BYTES: Final = 4 << 20
"""4 MiB hold some 30,000 new files at once."""

NAMED_CALLS: Final = ("sendto", "sendmsg", "sendmmsg")
"""System calls that the program asks for by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uring:
    """The raw tracepoint at which io_uring takes a request, which differs from kernel to kernel."""

    tracepoint: str
    request: int
    """Index of the argument that is the request, or -1."""
    opcode: int
    """Index of the argument that is the opcode, or -1."""

    @classmethod
    def of(cls, btf: Btf) -> Self | None:
        """What this kernel's types tell of it; None if it was built without io_uring."""
        for tracepoint in ("io_uring_submit_req", "io_uring_submit_sqe"):
            types = btf.tracepoint_parameters(tracepoint) or ()
            if "io_kiocb *" in types:
                return cls(tracepoint=tracepoint, request=types.index("io_kiocb *"), opcode=-1)
            if "u8" in types:
                return cls(tracepoint=tracepoint, request=-1, opcode=types.index("u8"))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What the program is compiled with."""

    layouts: str
    """The node's struct layouts, as C."""
    hierarchy_id: int
    """Number of the cgroup hierarchy that is watched; 0 is the unified one."""
    subsys: str = "(-1)"
    """Index of the hierarchy's controller in `css_set.subsys`, as a number or a macro of the layouts; -1: unified."""
    pid_max: int
    """Highest thread id of the node plus one."""
    uring: Uring | None = None
    """How this kernel tells of io_uring's requests; None if it doesn't."""
    calls: Mapping[str, int]
    """Numbers of the system calls that the program asks for by name, as CALL_<NAME>."""
    hash_key: int
    """Key of the argument lists' hash, 64 bits, drawn anew at each start."""
    ring_bytes: int = RING_BYTES
    """Size of the ring, a power of two of pages."""

    @classmethod
    def of(
        cls, btf: Btf, hierarchy: Hierarchy, table: SyscallTable, *, pid_max: int, ring_bytes: int = RING_BYTES
    ) -> Self:
        """The build for a node with these types, this hierarchy and these system calls."""
        return cls(
            layouts=layouts.render(btf),
            hierarchy_id=hierarchy.number,
            subsys=hierarchy.subsys,
            pid_max=pid_max,
            uring=Uring.of(btf),
            calls={name: table.numbers[name] for name in NAMED_CALLS},
            hash_key=secrets.randbits(64),
            ring_bytes=ring_bytes,
        )


def hooks(build: Build) -> dict[str, str]:
    """Raw tracepoint → program for this node."""
    if build.uring is None:
        return HOOKS
    return HOOKS | {build.uring.tracepoint: "on_uring_submit", "io_uring_file_get": "on_uring_file"}


def source(build: Build) -> str:
    """The whole program as one C text."""
    includes = "#include <linux/types.h>\n#include <uapi/linux/ptrace.h>\n"
    parts = [(BPF_FOLDER / name).read_text(encoding="utf-8") for name in PARTS]
    return includes + _OFFSETOF + _without_pragma(build.layouts) + "".join(map(_without_pragma, parts))


_OFFSETOF: Final = "#ifndef offsetof\n#define offsetof(type, member) __builtin_offsetof(type, member)\n#endif\n"


def _without_pragma(text: str) -> str:
    """`#pragma once` has no meaning in a main text, and clang says so."""
    return re.sub(r"^#pragma once\n", "", text, flags=re.MULTILINE)


def compiler_options(build: Build) -> list[str]:
    """The options that fill in the macros which the C leaves open."""
    return [
        f"-DHIERARCHY_ID={build.hierarchy_id}",
        f"-DHIERARCHY_SUBSYS={build.subsys}",
        *(f"-DCALL_{name.upper()}={number}" for name, number in build.calls.items()),
        f"-DURING_REQUEST_ARGUMENT={build.uring.request if build.uring else -1}",
        f"-DURING_OPCODE_ARGUMENT={build.uring.opcode if build.uring else -1}",
        f"-DTHREADS={build.pid_max + 1}",
        f"-DHASH_KEY={build.hash_key:#x}ull",
        f"-DPAGE_SIZE={mmap.PAGESIZE}",
        f"-DRING_PAGES={build.ring_bytes // mmap.PAGESIZE}",
    ]
