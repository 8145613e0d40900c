"""Numbers become the names that strace prints."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.syscalls import SyscallTable
from kinwatch.errors import NodeError

STRACE = shutil.which("strace")
PROGRAM = """
import os, resource, socket, sys, time
with open(sys.argv[1], "rb") as file:
    os.pread(file.fileno(), 1, 0)
    os.stat(file.name)
    os.fstat(file.fileno())
resource.prlimit(0, resource.RLIMIT_NOFILE)
os.pwrite(os.memfd_create("m"), b"x", 0)
socket.socketpair()
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
time.sleep(0.001)
"""


@pytest.mark.parametrize(
    ("machine", "number", "name"),
    [
        ("x86_64", 0, "read"),
        ("x86_64", 5, "fstat"),
        ("x86_64", 17, "pread64"),
        ("x86_64", 262, "newfstatat"),
        ("x86_64", 302, "prlimit64"),
        ("x86_64", 425, "io_uring_setup"),
        ("aarch64", 63, "read"),
        ("aarch64", 79, "newfstatat"),
        ("aarch64", 221, "execve"),
        ("aarch64", 425, "io_uring_setup"),
    ],
)
def test_a_number_has_the_name_of_the_architecture(machine: str, number: int, name: str) -> None:
    """Both ways."""
    table = SyscallTable.of(machine)

    assert table.name(number) == name
    assert table.number(name) == number


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 11), ("aarch64", 11)])
def test_a_32_bit_call_has_its_plain_name(machine: str, number: int) -> None:
    """The number means another call than natively, the name is the same call's."""
    table = SyscallTable.of(machine)

    assert table.compat_name(number) == "execve"
    assert table.name(number) != "execve"


def test_a_number_beyond_the_table_is_kept() -> None:
    """A call newer than the table is told apart from the others, and never lost."""
    table = SyscallTable.of("x86_64")

    assert table.name(9999) == "syscall_9999"
    assert table.compat_name(9999) == "syscall_9999"


def test_aarch64_has_no_open() -> None:
    """A name of another architecture is an expected absence."""
    assert SyscallTable.of("aarch64").number("open") is None


def test_another_machine_is_refused() -> None:
    """The message says which nodes to choose."""
    with pytest.raises(NodeError, match=r"'riscv64'.*nodeSelector"):
        SyscallTable.of("riscv64")


@pytest.mark.skipif(STRACE is None, reason="no strace on PATH")
@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="no table for this machine")
def test_names_and_numbers_are_those_of_strace(tmp_path: Path) -> None:
    """Every call that a program makes, as strace numbers and names it."""
    log = tmp_path / "strace"
    assert STRACE is not None
    command = [STRACE, "-f", "-n", "-o", log, sys.executable, "-I", "-c", PROGRAM, __file__]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if "ptrace" in ran.stderr:
        pytest.skip(f"strace may not trace here: {ran.stderr.splitlines()[0]}")
    assert ran.returncode == 0, ran.stderr
    traced = dict(re.findall(r"\[ *(\d+)\] (\w+)\(", log.read_text()))
    table = SyscallTable.of(platform.machine())

    assert {"newfstatat", "pread64", "pwrite64", "prlimit64", "memfd_create", "wait4"} <= set(traced.values())
    assert {number: table.name(int(number)) for number in traced} == traced
