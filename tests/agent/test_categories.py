"""Every system call has one category, and it is sysdig's where sysdig has one."""

from collections import Counter

import pytest

from agent.categories import CALLS, Category, category
from agent.syscalls import SyscallTable

# As sysdig 0.29.3 printed `%evt.type %evt.category` of a capture, less the calls whose category it takes from their
# descriptor, and events that are no calls; prlimit is its name for prlimit64.
PRINTED = """
accept net, alarm time, arch_prctl process, brk memory, chdir file, chmod file, clock_nanosleep sleep, clone process,
connect net, execve process, ftruncate file, getcwd file, getdents64 file, getegid user, geteuid user, getgid user,
getgroups user, getpid process, getppid process, getuid user, lseek file, mprotect memory, openat file, poll wait,
prlimit64 process, readlink file, rt_sigaction signal, set_robust_list process, set_tid_address process,
setsockopt net, shutdown net, socket net, uname system, unlink file, vfork process, wait4 wait
"""


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_has_a_category(machine: str) -> None:
    """Also those of 32-bit programs; a call that a newer table brings fails here first."""
    table = SyscallTable.of(machine)
    names = {*table.names.values(), *table.compat_names.values()}

    assert {name for name in names if category(name) is Category.UNKNOWN} == set()


def test_no_call_has_two() -> None:
    """The table is written by category."""
    counts = Counter(name for names in CALLS.values() for name in names)

    assert {name for name, count in counts.items() if count > 1} == set()


def test_no_category_is_of_a_call_that_nobody_has() -> None:
    """A misspelt name would never be met."""
    tables = [SyscallTable.of(machine) for machine in ("x86_64", "aarch64")]
    known = {name for table in tables for names in (table.names, table.compat_names) for name in names.values()}

    assert {name for names in CALLS.values() for name in names} <= known


@pytest.mark.parametrize("pair", PRINTED.replace("\n", " ").split(","))
def test_the_category_is_what_sysdig_prints(pair: str) -> None:
    """Where it doesn't depend on the descriptor."""
    name, printed = pair.split()

    assert category(name) == printed


@pytest.mark.parametrize(("name", "expected"), [("read", "IO-read"), ("sendmsg", "IO-write"), ("ioctl", "IO-other")])
def test_input_and_output_is_named_by_the_call(name: str, expected: str) -> None:
    """Not by the descriptor, as sysdig does."""
    assert category(name) == expected


@pytest.mark.parametrize(
    ("wide", "plain"),
    [
        ("chown32", "chown"),
        ("clock_gettime64", "clock_gettime"),
        ("ppoll_time64", "ppoll"),
        ("fadvise64_64", "fadvise64"),
    ],
)
def test_a_32_bit_variant_has_the_category_of_the_call(wide: str, plain: str) -> None:
    """The width of an argument changes nothing in what the call does."""
    assert category(wide) is category(plain) is not Category.UNKNOWN


def test_a_number_without_a_name_is_unknown() -> None:
    """A call newer than the table."""
    assert category("syscall_9999") is Category.UNKNOWN
    assert category("syscall_432") is Category.UNKNOWN
