"""
Say which system calls are given descriptors, and after which a thread is to be looked at again.

Flow: **traits** -> probe. Takes the system-call table of the node, gives a trait for each bit of a call set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.privileges import CALLS as PRIVILEGED_CALLS
from agent.privileges import CHANGE_CREDENTIALS
from agent.records import CALLS_PER_TABLE, Trait
from agent.syscalls import SyscallTable

FIRST: Final[frozenset[str]] = frozenset(
    """
    accept accept4 bind cachestat close close_range connect copy_file_range dup dup2 dup3 epoll_ctl epoll_pwait
    epoll_pwait2 epoll_wait execveat faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat
    fchmodat2 fchown
    fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr file_getattr file_setattr finit_module flistxattr flock
    fremovexattr fsconfig fsetxattr fsmount fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
    futimesat getdents getdents64 getpeername getsockname getsockopt getxattrat inotify_add_watch inotify_rm_watch
    io_uring_enter io_uring_register ioctl kexec_file_load linkat listen listxattrat _llseek lseek mkdirat
    mknodat move_mount mq_getsetattr mq_notify mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    name_to_handle_at newfstatat open_by_handle_at open_tree open_tree_attr openat openat2 pidfd_getfd
    pidfd_send_signal pread64 preadv preadv2 process_madvise process_mrelease pwrite64 pwritev pwritev2 quotactl_fd
    read readahead readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg removexattrat renameat renameat2
    send sendfile sendfile64 sendmmsg sendmsg sendto setns setsockopt setxattrat shutdown signalfd signalfd4 splice
    statx symlinkat sync_file_range sync_file_range2 syncfs tee timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64 unlinkat utimensat utimensat_time64 vmsplice write writev
    """.split(),
)
"""Calls whose first argument is a descriptor, that of a directory included; AT_FDCWD and -1 are none."""

OTHERS: Final[Mapping[str, int]] = {
    "copy_file_range": 2,
    "epoll_ctl": 2,
    "fanotify_mark": 3,
    "linkat": 2,
    "mmap": 4,
    "mmap2": 4,
    "move_mount": 2,
    "renameat": 2,
    "renameat2": 2,
    "sendfile": 1,
    "sendfile64": 1,
    "splice": 2,
    "symlinkat": 1,
    "tee": 1,
}
"""Calls that are given a descriptor in another place: the index of the argument."""

_NOT_FIRST: Final = frozenset({"symlinkat"})
"""Its first argument is a text."""

RESCAN: Final = CHANGE_CREDENTIALS | set("bind chdir chroot connect fchdir listen pivot_root setns unshare".split())
"""Calls after which the working directory, the credentials or the ends of a socket may be others."""

_NO_ARGUMENT: Final = 0


CLOSES: Final = frozenset({"close", "close_range"})
"""Calls after which a descriptor may lead to another file. dup2 and dup3 replace the one that they are given second."""


ADDRESSED: Final = frozenset({"sendto", "sendmsg", "sendmmsg"})
"""Calls that may carry the address of a datagram."""


def trait_of(name: str) -> int:
    """The trait of one call: 1 + the index of the first descriptor, the same of a second one, and RESCAN."""
    places = [0] if name in FIRST - _NOT_FIRST else []
    places += [OTHERS[name]] if name in OTHERS else []
    first, second = ([place + 1 for place in places] + [_NO_ARGUMENT, _NO_ARGUMENT])[:2]
    flags = (
        (Trait.RESCAN, RESCAN),
        (Trait.PRIVILEGED, PRIVILEGED_CALLS),
        (Trait.CLOSES, CLOSES),
        (Trait.ADDRESSED, ADDRESSED),
    )
    return first | second << 3 | sum(flag for flag, names in flags if name in names)


def traits_of(table: SyscallTable) -> dict[int, int]:
    """
    Bit of a call set → trait, for each call of the node's tables that has one.

    The 32-bit `mmap` has none: it is given all its arguments in memory (mmap2 is the one in use).
    """
    native = {number: trait_of(name) for number, name in table.names.items()}
    compat = {number + CALLS_PER_TABLE: trait_of(name) for number, name in table.compat_names.items() if name != "mmap"}
    last = CALLS_PER_TABLE - 1
    return {bit: trait for bit, trait in (native | compat).items() if trait and bit % CALLS_PER_TABLE < last}
