"""
Put the probe's C together for the node it is going to run on.

Flow: layouts -> **program** -> probe. Takes the node's struct layouts and the bounds, gives one C text and the
compiler's options. BCC rewrites only what stands in its main text, so the files of bpf/ are joined instead of included.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BPF_FOLDER: Final = Path(__file__).resolve().parent.parent / "bpf"
"""Also what BCC is told to be the kernel's source: its include/ holds all the headers that BCC asks for."""

PARTS: Final = (
    "records.h",
    "state.h",
    "path.h",
    "files.c",
    "processes.c",
    "threads.c",
    "calls.c",
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
    "sys_enter": "on_sys_enter",
}
"""Raw tracepoint → program, in the order in which they are attached: what keeps the books first, what counts last."""


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
    hash_key: int
    """Key of the argument lists' hash, 64 bits, drawn anew at each start."""
    ring_bytes: int = 4 << 20
    """Size of the ring, a power of two of pages; 4 MiB hold some 30,000 new files at once."""


def source(build: Build) -> str:
    """The whole program as one C text."""
    includes = "#include <linux/types.h>\n#include <uapi/linux/ptrace.h>\n"
    parts = [(BPF_FOLDER / name).read_text(encoding="utf-8") for name in PARTS]
    layouts = _without_pragma(build.layouts)
    return includes + _OFFSETOF + layouts + "".join(map(_without_pragma, parts))


_OFFSETOF: Final = "#ifndef offsetof\n#define offsetof(type, member) __builtin_offsetof(type, member)\n#endif\n"


def _without_pragma(text: str) -> str:
    """`#pragma once` has no meaning in a main text, and clang says so."""
    return re.sub(r"^#pragma once\n", "", text, flags=re.MULTILINE)


def compiler_options(build: Build) -> list[str]:
    """The options that fill in the macros which the C leaves open."""
    return [
        f"-DHIERARCHY_ID={build.hierarchy_id}",
        f"-DHIERARCHY_SUBSYS={build.subsys}",
        f"-DTHREAD_PAIRS={build.pid_max // 2 + 1}",
        f"-DHASH_KEY={build.hash_key:#x}ull",
        f"-DPAGE_SIZE={mmap.PAGESIZE}",
        f"-DRING_PAGES={build.ring_bytes // mmap.PAGESIZE}",
    ]
