"""
Say what kind of work a system call does, in sysdig's words.

Flow: syscalls -> **categories** -> window. Takes the name of a call, gives its category.

The words are those of sysdig's `evt.category`, and so is the category of each call that sysdig has an event for, even
where another would do as well (semop: process, userfaultfd: file, mknod: other). What sysdig prints differs in this:

- I/O. Its categories of read, write, close, fcntl … are IO-read, IO-write, IO-other, but sysdig never prints these
  words: it prints `file`, `net` or `ipc` by what the descriptor is, `unknown` where it doesn't know that. Here the
  category is that of the call, and the kinds of descriptors are an aspect of their own.
- Calls without an event of their own. Sysdig 0.41 prints `other` for all of them; 0.29 had a category for each, odd in
  places (exit_group and getrandom: I/O). Here each has the category of what it does, after 0.29 where that fits.
- `IPC`. sysdig writes it in capitals for pipe, futex, socketpair …, in small letters for I/O on a pipe. Here: `ipc`.
- Events that are no calls: switch (scheduler), procexit and container (process), signaldeliver (signal), and the
  sysdig-internal ones (internal). No call has the category `scheduler`, those that set priorities being `process`.

Sources of what sysdig does: driver/event_table.c of falcosecurity/libs, and captures by sysdig 0.29.3 and 0.41.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Category(StrEnum):
    """Kind of work; the values are as shipped."""

    FILE = "file"
    NET = "net"
    PROCESS = "process"
    MEMORY = "memory"
    SIGNAL = "signal"
    IO_READ = "IO-read"
    IO_WRITE = "IO-write"
    IO_OTHER = "IO-other"
    WAIT = "wait"
    SLEEP = "sleep"
    SCHEDULER = "scheduler"
    IPC = "ipc"
    TIME = "time"
    USER = "user"
    SYSTEM = "system"
    OTHER = "other"
    UNKNOWN = "unknown"


# fmt: off
CALLS: Final[Mapping[Category, tuple[str, ...]]] = MappingProxyType({
    Category.FILE: (
        "open", "openat", "openat2", "creat", "open_by_handle_at", "name_to_handle_at", "userfaultfd",
        "stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "oldstat", "oldlstat", "oldfstat",
        "statfs", "fstatfs", "ustat", "access", "faccessat", "faccessat2", "cachestat", "file_getattr", "file_setattr",
        "lseek", "_llseek", "truncate", "ftruncate", "copy_file_range", "flock",
        "getdents", "getdents64", "readdir", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir",
        "link", "linkat", "symlink", "symlinkat", "readlink", "readlinkat", "unlink", "unlinkat",
        "rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat", "fchmodat2",
        "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat",
        "getxattr", "lgetxattr", "fgetxattr", "getxattrat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat",
        "listxattr", "llistxattr", "flistxattr", "listxattrat",
        "removexattr", "lremovexattr", "fremovexattr", "removexattrat",
        "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "open_tree_attr",
        "fsopen", "fspick", "fsmount", "statmount", "listmount",
    ),
    Category.NET: (
        "socket", "bind", "connect", "listen", "accept", "accept4", "shutdown",
        "getsockname", "getpeername", "getsockopt", "setsockopt", "socketcall",
    ),
    Category.PROCESS: (
        "clone", "clone3", "fork", "vfork", "execve", "execveat", "exit", "exit_group", "ptrace", "kcmp", "acct",
        "getpid", "getppid", "gettid", "getpgid", "getpgrp", "getsid", "setpgid", "setsid", "set_tid_address",
        "pidfd_open", "pidfd_getfd", "prctl", "arch_prctl", "personality", "modify_ldt", "vm86", "vm86old",
        "get_thread_area", "set_thread_area", "get_tls", "set_tls", "usr26", "usr32", "breakpoint",
        "get_robust_list", "set_robust_list", "rseq", "rseq_slice_yield", "umask", "capget", "capset",
        "chroot", "pivot_root", "setns", "unshare", "listns", "getcpu",
        "getrlimit", "ugetrlimit", "setrlimit", "prlimit64", "getrusage", "getpriority", "setpriority", "nice",
        "ioprio_get", "ioprio_set", "sched_getaffinity", "sched_setaffinity", "sched_getattr", "sched_setattr",
        "sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler",
        "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval",
        "semget", "semop", "semctl",
    ),
    Category.MEMORY: (
        "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "mseal", "madvise", "mincore", "remap_file_pages",
        "mlock", "mlock2", "mlockall", "munlock", "munlockall", "memfd_create", "memfd_secret", "map_shadow_stack",
        "pkey_alloc", "pkey_free", "pkey_mprotect", "process_madvise", "process_mrelease", "membarrier", "cacheflush",
        "mbind", "get_mempolicy", "set_mempolicy", "set_mempolicy_home_node", "migrate_pages", "move_pages",
    ),
    Category.SIGNAL: (
        "kill", "tkill", "tgkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
        "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
        "sigaltstack", "signalfd", "signalfd4", "signal", "sigaction", "sigpending", "sigprocmask", "sigreturn",
        "sigsuspend", "sgetmask", "ssetmask",
    ),
    Category.IO_READ: (
        "read", "readv", "pread64", "preadv", "preadv2", "recv", "recvfrom", "recvmsg", "recvmmsg",
    ),
    Category.IO_WRITE: (
        "write", "writev", "pwrite64", "pwritev", "pwritev2", "send", "sendto", "sendmsg", "sendmmsg", "sendfile",
    ),
    Category.IO_OTHER: (
        "close", "close_range", "dup", "dup2", "dup3", "fcntl", "ioctl", "splice",
        "sync", "syncfs", "fsync", "fdatasync", "msync", "sync_file_range", "sync_file_range2",
        "readahead", "fadvise64", "arm_fadvise64_64", "fallocate", "process_vm_readv", "process_vm_writev",
        "io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents",
        "io_uring_setup", "io_uring_enter", "io_uring_register",
    ),
    Category.WAIT: (
        "wait4", "waitid", "waitpid", "pause", "poll", "ppoll", "select", "_newselect", "pselect6",
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old",
        "epoll_wait", "epoll_wait_old", "epoll_pwait", "epoll_pwait2",
    ),
    Category.SLEEP: ("nanosleep", "clock_nanosleep", "sched_yield"),
    Category.IPC: (
        "pipe", "pipe2", "socketpair", "eventfd", "eventfd2", "tee", "vmsplice",
        "futex", "futex_wait", "futex_wake", "futex_requeue", "futex_waitv",
        "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "fanotify_init", "fanotify_mark",
        "msgget", "msgsnd", "msgrcv", "msgctl", "shmget", "shmat", "shmdt", "shmctl", "semtimedop", "ipc",
        "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
    ),
    Category.TIME: (
        "time", "stime", "times", "gettimeofday", "settimeofday", "adjtimex", "clock_adjtime",
        "clock_getres", "clock_gettime", "clock_settime", "alarm", "getitimer", "setitimer",
        "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
        "timerfd_create", "timerfd_gettime", "timerfd_settime",
    ),
    Category.USER: (
        "getuid", "geteuid", "getresuid", "setuid", "setreuid", "setresuid", "setfsuid",
        "getgid", "getegid", "getresgid", "setgid", "setregid", "setresgid", "setfsgid",
        "getgroups", "setgroups", "quotactl", "quotactl_fd",
    ),
    Category.SYSTEM: (
        "uname", "olduname", "oldolduname", "sysinfo", "syslog", "sysfs", "sethostname", "setdomainname", "reboot",
        "getrandom", "restart_syscall", "swapon", "swapoff", "kexec_load", "kexec_file_load", "fsconfig",
        "add_key", "request_key", "keyctl", "ioperm", "iopl", "lookup_dcookie",
        "pciconfig_iobase", "pciconfig_read", "pciconfig_write",
    ),
    Category.OTHER: (
        "bpf", "perf_event_open", "seccomp", "uprobe", "uretprobe", "init_module", "finit_module", "delete_module",
        "mknod", "mknodat", "vhangup", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
        "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules",
    ),
})
# fmt: on
"""Category -> its calls. What 32-bit programs call by another name (fcntl64, chown32) stands under the plain one."""

_CATEGORIES: Final = MappingProxyType({name: category for category, names in CALLS.items() for name in names})
_WIDTH: Final = re.compile(r"(_time64|_64|64|32)$")
"""How the names of calls end that 32-bit architectures got when a type of their arguments was widened."""


def category(name: str) -> Category:
    """Category of a call by its name; `unknown` for one that the table lacks, `syscall_<n>` among them."""
    return _CATEGORIES.get(name) or _CATEGORIES.get(_WIDTH.sub("", name), Category.UNKNOWN)
