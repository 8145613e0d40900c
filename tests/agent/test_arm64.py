"""The probe compiles for arm64 with that machine's registers and numbers, though it can't be run here."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.kernel

COMPILE = """
import json, os, sys
from pathlib import Path
from agent.btf import Btf
from agent.cgroups import Hierarchy
from agent.program import BPF_FOLDER, JUMPS, Build, compiler_options, hooks, source
from agent.syscalls import SyscallTable

os.environ["BCC_KERNEL_SOURCE"] = str(BPF_FOLDER)
from bcc import BPF

unified = Hierarchy(name="unified", number=0, mount=Path("/sys/fs/cgroup"))
build = Build.of(Btf.read(), unified, SyscallTable.of(sys.argv[1]), pid_max=32768)
bpf = BPF(text=source(build).encode(), cflags=compiler_options(build))
functions = {*hooks(build).values(), *JUMPS}
print(json.dumps({name: bpf.dump_func(name.encode()).hex() for name in sorted(functions)}))
"""
"""Compiles in a process of its own: BCC asks the environment for the architecture, once."""


def compiled(machine: str, *, arch: str) -> dict[str, str]:
    """Each program's instructions, by its name."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILE, machine],
        env={"PATH": "/usr/bin:/bin", "ARCH": arch},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    programs: dict[str, str] = json.loads(done.stdout)
    return programs


@pytest.mark.skipif(platform.machine() != "x86_64", reason="compares x86_64 with arm64")
def test_programs_that_read_registers_differ_and_the_others_do_not() -> None:
    """Arguments are in other registers, and a 32-bit task bears another mark; what tells cgroups apart is the same."""
    x86, arm = compiled("x86_64", arch="x86"), compiled("aarch64", arch="arm64")
    assert x86.keys() == arm.keys()
    assert all(arm.values())
    assert {"on_sys_enter", "on_more"} <= {name for name in x86 if x86[name] != arm[name]}
    assert x86["on_exit"] == arm["on_exit"]
