"""
Processes, their system calls and what is said of bounds: seen exactly, as the deeds of test_deeds.py are.

A test's deed is a program (see worker.py) that runs in a cgroup of its own, made while the agent runs. All deeds of the
module are done under one agent; each test then looks at what was seen of its own.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from deeds import does
from ground import WORKER_ARGV, Seen

from kinwatch.aspects import Aspect

pytestmark = pytest.mark.kernel

# --- Processes ------------------------------------------------------------------------------------------------------

ARGUMENTS = [f"argument-{i:02d}" for i in range(60)]
EXECUTE = """
def execute(program, argv):
    child = os.posix_spawn(program, argv, {})
    os.waitpid(child, 0)
"""


def own_commands() -> set[str]:
    """The worker itself."""
    return {f"{comm()} {' '.join(WORKER_ARGV[1:])}"}


def comm() -> str:
    """The comm of the worker: the file that its interpreter's path leads to, cut to 15 bytes."""
    return Path(sys.executable).name[:15]


@does(EXECUTE + f"execute('/bin/true', ['/bin/true', *{ARGUMENTS!r}])")
def test_process_of_a_millisecond_leaves_its_whole_argument_list(seen: Seen) -> None:
    arguments = " ".join(ARGUMENTS)
    assert seen[Aspect.COMMANDS] == own_commands() | {f"true {arguments}"}
    assert seen[Aspect.ARGUMENTS] == {" ".join(WORKER_ARGV[1:]), arguments}
    assert seen[Aspect.EXECUTABLES] == {WORKER_ARGV[0], "/bin/true"}
    assert seen[Aspect.PROCESSES] == {comm(), "true"}


@does(EXECUTE + "for i in range(101): execute('/bin/true', ['/bin/true', '--number', str(i)])")
def test_101_such_processes_in_a_row_leave_101_argument_lists(seen: Seen) -> None:
    assert seen[Aspect.COMMANDS] == own_commands() | {f"true --number {i}" for i in range(101)}


@does(EXECUTE + "for i in range(53): execute('/bin/true', [f'/bin/true-as-{i}', ''] + [''] * (i % 3) + ['end'])")
def test_53_processes_that_call_themselves_otherwise_are_seen_exactly(seen: Seen) -> None:
    """argv[0] is whatever the caller says; empty arguments are arguments."""
    assert seen[Aspect.EXECUTABLES] == {WORKER_ARGV[0], *(f"/bin/true-as-{i}" for i in range(53))}
    assert seen[Aspect.ARGUMENTS] == {" ".join(WORKER_ARGV[1:]), " end", "  end", "   end"}


@does(EXECUTE + "execute('/bin/true', ['/bin/true', 'x' * 5000])")
def test_argument_list_of_5000_bytes_is_cut_and_says_so(everything: dict[str, Seen]) -> None:
    seen = everything["test_argument_list_of_5000_bytes_is_cut_and_says_so"]
    assert f"true {'x' * (4096 - len('/bin/true') - 1)}" in seen[Aspect.COMMANDS]
    assert "/bin/true" in seen[Aspect.EXECUTABLES]
    assert seen.truncated.keys() == {"commands", "arguments"}
    assert seen.lost == {}


@does(
    """
libc = ctypes.CDLL(None)
libc.prctl(15, b"kworker/0:1", 0, 0, 0)
os.getppid()
os.mkdir(f"{folder}/elsewhere")
os.chdir(f"{folder}/elsewhere")
os.getppid()
"""
)
def test_new_comm_and_new_directory_stand_beside_the_old(seen: Seen, folder: str) -> None:
    """A process that disguises itself was seen before it did."""
    assert seen[Aspect.PROCESSES] == {comm(), "kworker/0:1"}
    assert seen[Aspect.CWDS] == {"/", f"{folder}/elsewhere"}


@does(
    """
for i in range(97):
    os.makedirs(f"{folder}/d{i}/same")
    os.chdir(f"{folder}/d{i}/same")
    os.chdir("/")
    os.rmdir(f"{folder}/d{i}/same")
    os.rmdir(f"{folder}/d{i}")
"""
)
def test_each_of_many_directories_that_come_and_go_is_seen(seen: Seen, folder: str) -> None:
    assert seen[Aspect.CWDS] == {"/", *(f"{folder}/d{i}/same" for i in range(97))}


@does(
    """
os.chdir(folder)
os._exit(0)
"""
)
def test_directory_of_a_process_that_ends_right_after_is_seen(seen: Seen, folder: str) -> None:
    assert seen[Aspect.CWDS] == {"/", folder}


@does(
    """
child = os.fork()
if child == 0:
    ctypes.CDLL(None).prctl(15, b"forked", 0, 0, 0)
    os.close(os.open(f"{folder}/by-fork", os.O_CREAT | os.O_RDWR))
    os._exit(0)
os.waitpid(child, 0)
def in_thread():
    ctypes.CDLL(None).prctl(15, b"threaded", 0, 0, 0)
    os.close(os.open(f"{folder}/by-thread", os.O_CREAT | os.O_RDWR))
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
"""
)
def test_forks_without_exec_and_threads_belong_to_the_cgroup(seen: Seen) -> None:
    assert {"forked", "threaded"} <= seen[Aspect.PROCESSES]
    assert seen[Aspect.FILENAMES] == {"by-fork", "by-thread"}


@does(
    EXECUTE
    + """
def in_thread():
    os.execv("/bin/true", ["/bin/true", "from-a-thread"])
threading.Thread(target=in_thread).start()
time.sleep(60)
"""
)
def test_thread_that_executes_takes_its_process_along(seen: Seen) -> None:
    """The kernel gives it the id of the group's leader."""
    assert "true from-a-thread" in seen[Aspect.COMMANDS]
    assert "exit_group" in seen[Aspect.SYSCALLS]


# --- System calls ---------------------------------------------------------------------------------------------------


@does("os.getppid(); os.sched_yield()")
def test_system_calls_are_those_that_were_made_and_their_categories(seen: Seen) -> None:
    """The interpreter may ask for memory besides."""
    memory = {"mmap", "munmap", "brk", "madvise"}
    assert seen[Aspect.SYSCALLS] - memory == {"getppid", "sched_yield", "exit_group"}
    assert seen[Aspect.SYSCALL_CATEGORIES] - {"memory"} == {"process", "sleep"}


@does("libc = ctypes.CDLL(None)\nfor number in (510, 511, 600, 1 << 20, -1): libc.syscall(ctypes.c_long(number))")
def test_numbers_that_no_call_has_are_seen_as_such(seen: Seen) -> None:
    """Up to 510 by their number; above it as unknown."""
    assert {call for call in seen[Aspect.SYSCALLS] if call.startswith(("syscall_", "unknown"))} == {
        "syscall_510",
        "unknown",
    }


@does("libc = ctypes.CDLL(None)\nfor _ in range(100003): libc.getppid()")
def test_events_count_every_call(seen: Seen) -> None:
    assert 100003 < seen.events < 100003 + 1000


THIRTY_TWO_BITS = """
code = bytes.fromhex("53 89f8 89f3 89d1 89ca cd80 5b c3")
"""
# push rbx; mov eax, edi; mov ebx, esi; mov ecx, edx; mov edx, ecx; int 0x80; pop rbx; ret


def emulates_32_bits() -> bool:
    """Whether int 0x80 is there: the kernel lists the 32-bit calls' vsyscall setting only with IA32 emulation."""
    return platform.machine() == "x86_64" and Path("/proc/sys/abi/vsyscall32").exists()


@pytest.mark.skipif(not emulates_32_bits(), reason="this kernel has no IA32 emulation")
@does(
    THIRTY_TWO_BITS
    + """
room = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
room.write(code)
signature = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int)
call = signature(ctypes.addressof(ctypes.c_char.from_buffer(room)))
descriptor = os.open(f"{folder}/by-32-bits", os.O_CREAT | os.O_RDWR)
assert call(20, 0, 0) == os.getpid()  # getpid, which is writev in the 64-bit table
assert call(199, 0, 0) == 0  # getuid32, a name of the 32-bit table only
assert call(6, descriptor, 0) == 0  # close, which is lstat in the 64-bit table
"""
    if emulates_32_bits()
    else ""
)
def test_32_bit_calls_have_the_names_of_the_32_bit_table(seen: Seen) -> None:
    """And their descriptors are taken from 32-bit registers."""
    assert {"getpid", "getuid32", "close"} <= seen[Aspect.SYSCALLS]
    assert {"writev", "lstat", "removexattr"}.isdisjoint(seen[Aspect.SYSCALLS])
    assert seen[Aspect.FILENAMES] == {"by-32-bits"}


# --- Coverage -------------------------------------------------------------------------------------------------------


@does(
    """
for i in range(20000):
    os.close(os.open(f"{folder}/{i}", os.O_CREAT | os.O_RDWR))
"""
)
def test_too_many_names_are_said_to_be_too_many(everything: dict[str, Seen]) -> None:
    """And cost nobody else anything: every other deed of this module is complete."""
    seen = everything["test_too_many_names_are_said_to_be_too_many"]
    whole = len(seen[Aspect.FILENAMES]) + sum(seen.lost.values())
    assert 16384 <= len(seen[Aspect.FILENAMES]) <= whole <= 20000
    assert seen.truncated.keys() == {"filenames", "directories", "file_operations"}
    assert seen.truncated["filenames"] == 20000 - 16384
