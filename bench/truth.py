"""
Know what programs/prime.c does, to the last feature.

Flow: **truth** -> complete. Each count is a prime number, so that no batch, page or buffer divides it.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.syscalls import SyscallTable
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Features

FILES: Final = 997
CHILDREN: Final = 101
FORKS: Final = 53
PORTS: Final = 43
FIRST_PORT: Final = 21000
"""As in programs/prime.c."""
HARMLESS: Final = tuple(
    """
    getpid getppid gettid getuid geteuid getgid getegid getpgid getsid getpriority getrusage gettimeofday times
    sched_yield sched_getscheduler sched_getparam sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    sched_getaffinity getitimer clock_gettime clock_getres timer_gettime timer_getoverrun timer_delete sysinfo uname
    getcwd getgroups getresuid getresgid capget rt_sigpending rt_sigprocmask sigaltstack getrandom mincore msync
    munmap mprotect mlock munlock getcpu membarrier get_robust_list io_cancel io_getevents io_destroy mq_unlink shmdt
    semop msgrcv msgsnd add_key request_key futex waitid tgkill getxattr lgetxattr listxattr statfs truncate
    socketpair pipe2 epoll_create1 eventfd2 inotify_init1 timerfd_create memfd_create fanotify_init pidfd_open
    process_vm_readv get_mempolicy pkey_free sched_getattr rt_sigtimedwait clock_nanosleep
    """.split()
)
"""Calls that on all architectures ask, or fail, when all their arguments are -1; none is given a descriptor."""
OWN: Final = frozenset("openat close clone execve wait4 prctl socket connect exit_group nanosleep".split())
"""What the program calls besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the program."""

    program: Path
    folder: Path
    """In which it opens its files; known by its resolved path, as the kernel tells it."""
    pace_us: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its argument list without argv[0]."""
        table = SyscallTable.of(platform.machine())
        numbers = ",".join(str(table.numbers[name]) for name in HARMLESS)
        return (str(self.folder), str(self.pace_us), str(FILES), str(CHILDREN), str(FORKS), str(PORTS), numbers)

    @property
    def truth(self) -> Mapping[Aspect, Features]:
        """What a complete capture has of it, and nothing besides."""
        comm, said = self.program.name, " ".join(self.arguments)
        kin = [f"kin-{number}" for number in range(FORKS)]
        children = [f"child-{number}" for number in range(CHILDREN)]
        commands = [f"{comm} {said}", *(f"{comm} {child}" for child in children), *(f"{name} {said}" for name in kin)]
        return {
            Aspect.SYSCALLS: OWN.union(HARMLESS) - (frozenset() if self.pace_us else {"nanosleep"}),
            Aspect.DIRECTORIES: frozenset([str(self.folder)]),
            Aspect.FILENAMES: frozenset(f"prime-{number}" for number in range(FILES)),
            Aspect.FILE_OPERATIONS: frozenset(["file", "ipv4"]),
            Aspect.PROCESSES: frozenset([comm, *kin]),
            Aspect.COMMANDS: frozenset(commands),
            Aspect.CWDS: frozenset(["/"]),
            Aspect.ARGUMENTS: frozenset([said, *children]),
            Aspect.EXECUTABLES: frozenset([str(self.program)]),
            Aspect.ENDPOINTS: frozenset(f"connect udp {FIRST_PORT + number} loopback" for number in range(PORTS)),
        }


def differences(truth: Mapping[Aspect, Features], seen: Mapping[Aspect, Features]) -> Iterator[tuple[Aspect, int, int]]:
    """Aspect, how many features are missing, how many are there that should not be; where there are any."""
    for aspect, features in truth.items():
        missing, surplus = features - seen[aspect], seen[aspect] - features
        if missing or surplus:
            yield aspect, len(missing), len(surplus)
