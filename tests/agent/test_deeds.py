"""
What processes do is seen, exactly: one agent watches cgroups in which one deed each is done.

A test's deed is a program (see worker.py) that runs in a cgroup of its own, made while the agent runs. All deeds of the
module are done under one agent; each test then looks at what was seen of its own.
"""

from __future__ import annotations

import pytest
from deeds import does
from ground import Seen

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
