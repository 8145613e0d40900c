"""
What processes do is seen, exactly: one agent watches cgroups in which one deed each is done.

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

# --- Files ----------------------------------------------------------------------------------------------------------

PRIMES_NAMES = [
    b"plain",
    b"with space",
    b"new\nline",
    b"tab\tand\x1b[31mred",
    b"not utf-8 \xff\xfe",
    "été".encode(),
    b"...",
    b"-rf",
    b"x" * 255,
    "ü".encode() * 127,
]
MAKE_PRIMES = f"""
names = {PRIMES_NAMES!r} + [b"name-%03d" % i for i in range(211 - {len(PRIMES_NAMES)})]
for i, name in enumerate(names):
    sub = os.fsencode(folder) + b"/d%02d" % (i % 17)
    try:
        os.mkdir(sub)
    except FileExistsError:
        pass
    os.close(os.open(sub + b"/" + name, os.O_CREAT | os.O_WRONLY))
"""


def as_text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


@does(MAKE_PRIMES)
def test_211_names_in_17_directories_are_seen_exactly(seen: Seen, folder: str) -> None:
    """Names with a line end, an escape, no UTF-8, and as long as names can be."""
    names = PRIMES_NAMES + [b"name-%03d" % i for i in range(211 - len(PRIMES_NAMES))]
    assert len(seen[Aspect.FILENAMES]) == 211
    assert seen[Aspect.FILENAMES] == {as_text(name) for name in names}
    assert seen[Aspect.DIRECTORIES] == {f"{folder}/d{i:02d}" for i in range(17)}
    assert seen[Aspect.FILE_OPERATIONS] == {"file"}


@does(
    """
for i in range(97):
    descriptor = os.open(f"{folder}/a{i}", os.O_CREAT | os.O_RDWR)
    os.close(descriptor)
os.dup2(os.open(f"{folder}/doubled", os.O_CREAT | os.O_RDWR), 200)
os.write(200, b"x")
"""
)
def test_one_descriptor_number_for_many_files_shows_each(seen: Seen) -> None:
    """And a file that is used only by a copy of its descriptor."""
    assert seen[Aspect.FILENAMES] == {*(f"a{i}" for i in range(97)), "doubled"}


@does(
    """
descriptor = os.open(f"{folder}/inherited", os.O_CREAT | os.O_RDWR)
child = os.fork()
if child == 0:
    os.write(descriptor, b"x")
    os._exit(0)
os.waitpid(child, 0)
"""
)
def test_descriptor_that_a_child_inherits_is_seen(seen: Seen) -> None:
    assert seen[Aspect.FILENAMES] == {"inherited"}


@does(
    """
for i in range(211):
    os.close(os.open(f"{folder}/same-{i}", os.O_CREAT | os.O_RDWR))
    os.unlink(f"{folder}/same-{i}")
"""
)
def test_deleted_and_made_again_each_file_is_seen(seen: Seen) -> None:
    """The file system gives the same inode to one after the other."""
    assert seen[Aspect.FILENAMES] == {f"same-{i}" for i in range(211)}


@does(
    """
for i in range(500):
    os.mkdir(f"{folder}/d{i}")
    os.close(os.open(f"{folder}/d{i}/x", os.O_CREAT | os.O_RDWR))
    os.unlink(f"{folder}/d{i}/x")
    os.rmdir(f"{folder}/d{i}")
"""
)
def test_one_leaf_name_in_500_directories_that_come_and_go_shows_each(seen: Seen, folder: str) -> None:
    """The kernel reuses the dentries, the file system the inodes."""
    assert seen[Aspect.DIRECTORIES] == {f"{folder}/d{i}" for i in range(500)}
    assert seen[Aspect.FILENAMES] == {"x"}


@does(
    """
for i in range(500):
    os.makedirs(f"{folder}/d{i}/same")
    os.close(os.open(f"{folder}/d{i}/same/x", os.O_CREAT | os.O_RDWR))
    os.unlink(f"{folder}/d{i}/same/x")
    os.removedirs(f"{folder}/d{i}/same")
    os.makedirs(folder, exist_ok=True)
"""
)
def test_what_differs_two_directories_up_shows_too(seen: Seen, folder: str) -> None:
    """d0/same/x, d1/same/x, …: the leaf and its directory have the same names each time."""
    assert seen[Aspect.DIRECTORIES] == {f"{folder}/d{i}/same" for i in range(500)}


@does(
    """
os.mkdir(f"{folder}/old")
os.close(os.open(f"{folder}/old/file", os.O_CREAT | os.O_RDWR))
os.rename(f"{folder}/old", f"{folder}/new")
os.close(os.open(f"{folder}/new/file", os.O_RDWR))
os.rename(f"{folder}/new/file", f"{folder}/new/other")
os.close(os.open(f"{folder}/new/other", os.O_RDWR))
"""
)
def test_renamed_file_is_seen_under_each_name_that_it_was_used_by(seen: Seen, folder: str) -> None:
    assert seen[Aspect.FILENAMES] == {"file", "other"}
    assert seen[Aspect.DIRECTORIES] == {f"{folder}/old", f"{folder}/new"}


@does(
    """
os.mkdir(f"{folder}/listed")
descriptor = os.open(f"{folder}/listed", os.O_RDONLY | os.O_DIRECTORY)
os.listdir(descriptor)
root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
os.close(root)
"""
)
def test_directory_is_no_file(seen: Seen, folder: str) -> None:
    """The root is `/`."""
    assert seen[Aspect.DIRECTORIES] == {f"{folder}/listed", "/"}
    assert seen[Aspect.FILENAMES] == set()
    assert seen[Aspect.FILE_OPERATIONS] == {"directory"}


@does(
    """
deep = folder
for i in range(60):
    deep += f"/{i:02d}"
    os.mkdir(deep)
os.close(os.open(deep + "/leaf", os.O_CREAT | os.O_RDWR))
"""
)
def test_path_with_too_many_components_is_cut_at_its_top_and_says_so(everything: dict[str, Seen]) -> None:
    """A path has a bound for the verifier's sake; what is left is its end, the telling part."""
    seen = everything["test_path_with_too_many_components_is_cut_at_its_top_and_says_so"]
    (directory,) = seen[Aspect.DIRECTORIES]
    assert directory.startswith("…/")
    assert directory.endswith("/57/58/59")
    assert seen[Aspect.FILENAMES] == {"leaf"}
    assert seen.shortfall == {"directories": 1}


@does(
    """
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    assert result == 0, os.strerror(ctypes.get_errno())
check(libc.unshare(0x20000))  # CLONE_NEWNS
check(libc.mount(b"none", b"/", None, 0x44000, None))  # MS_REC | MS_PRIVATE
for name in ("memory", "source", "bound"):
    os.mkdir(f"{folder}/{name}")
check(libc.mount(b"kinwatch", f"{folder}/memory".encode(), b"tmpfs", 0, None))
os.mkdir(f"{folder}/memory/deep")
os.close(os.open(f"{folder}/memory/deep/in-tmpfs", os.O_CREAT | os.O_RDWR))
os.mkdir(f"{folder}/source/inner")
check(libc.mount(f"{folder}/source".encode(), f"{folder}/bound".encode(), None, 0x1000, None))  # MS_BIND
os.close(os.open(f"{folder}/bound/inner/bound-file", os.O_CREAT | os.O_RDWR))
os.close(os.open(f"{folder}/source/inner/bound-file", os.O_RDWR))
os.chroot(f"{folder}/memory")
os.chdir("/")
os.close(os.open("/deep/after-chroot", os.O_CREAT | os.O_RDWR))
"""
)
def test_path_crosses_mounts_up_to_the_root_of_the_namespace(seen: Seen, folder: str) -> None:
    """A tmpfs, a bind mount at both its places, and a chroot, which hides nothing."""
    assert seen[Aspect.DIRECTORIES] >= {
        f"{folder}/memory/deep",
        f"{folder}/bound/inner",
        f"{folder}/source/inner",
    }
    assert seen[Aspect.FILENAMES] >= {"in-tmpfs", "bound-file", "after-chroot"}
    assert {directory for directory in seen[Aspect.DIRECTORIES] if "deep" in directory} == {f"{folder}/memory/deep"}
    assert f"{folder}/memory" in seen[Aspect.CWDS]


# --- Kinds of descriptor --------------------------------------------------------------------------------------------


@does(
    """
for family in socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET:
    for _ in range(3):
        socket.socket(family, socket.SOCK_DGRAM).close()
"""
)
def test_sockets_are_told_apart_by_family(seen: Seen) -> None:
    assert seen[Aspect.FILE_OPERATIONS] == {"ipv4", "ipv6", "unix", "netlink", "packet"}
    assert seen[Aspect.FILENAMES] == set()
    assert seen[Aspect.DIRECTORIES] == set()


@does(
    """
libc = ctypes.CDLL(None)
mask = (ctypes.c_uint64 * 16)()
os.close(libc.eventfd(0, 0))
os.close(libc.epoll_create1(0))
os.close(libc.timerfd_create(1, 0))
os.close(libc.signalfd(-1, mask, 0))
os.close(libc.inotify_init1(0))
os.close(libc.memfd_create(b"secret payload", 0))
os.close(os.pidfd_open(os.getpid()))
for end in os.pipe():
    os.close(end)
os.close(os.open("/proc/self/ns/net", os.O_RDONLY))
"""
)
def test_kinds_of_descriptor_without_a_path(seen: Seen) -> None:
    """A memfd has the name that its maker gave it, which a program without a file on disk may run under."""
    assert seen[Aspect.FILE_OPERATIONS] == {
        "event", "eventpoll", "timerfd", "signal", "inotify", "memfd", "pidfd", "pipe", "namespace",
    }  # fmt: skip
    assert seen[Aspect.FILENAMES] == {"memfd:secret payload"}


@does(
    """
libc = ctypes.CDLL(None)
for i in range(23):
    os.close(libc.memfd_create(b"a name of which only the end differs: %02d" % i, 0))
for i in range(23):
    os.close(libc.eventfd(0, 0))
    os.close(libc.timerfd_create(1, 0))
"""
)
def test_descriptors_without_a_path_are_told_apart_by_more_than_their_place(seen: Seen) -> None:
    """`[eventfd]` and `[timerfd]` are of one length and one inode, and follow each other at one address."""
    assert seen[Aspect.FILENAMES] == {f"memfd:a name of which only the end differs: {i:02d}" for i in range(23)}
    assert seen[Aspect.FILE_OPERATIONS] == {"memfd", "event", "timerfd"}


@does(
    """
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
os.dup2(listener.fileno(), 50)
poll = select.epoll()
poll.register(50, select.EPOLLIN)
os.close(50)
source = os.open(f"{folder}/from", os.O_CREAT | os.O_RDWR)
target = os.open(f"{folder}/to", os.O_CREAT | os.O_RDWR)
os.write(source, b"x" * 100)
os.sendfile(target, source, 0, 100)
mapped = os.open(f"{folder}/mapped", os.O_CREAT | os.O_RDWR)
ctypes.CDLL(None).mmap(None, ctypes.c_size_t(4096), 1, 2, mapped, ctypes.c_long(0))
"""
)
def test_descriptor_that_is_not_the_first_argument_is_seen(seen: Seen) -> None:
    """The source of a sendfile, the file of an mmap, which are used in no other way."""
    assert seen[Aspect.FILENAMES] == {"from", "to", "mapped"}
    assert seen[Aspect.FILE_OPERATIONS] == {"file", "ipv4", "eventpoll"}


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
