"""
Name the families of behaviour that a replica is described by.

Flow: beside it; every step speaks of behaviour in these words.
"""

from __future__ import annotations

from enum import StrEnum


class Aspect(StrEnum):
    """
    One family of behaviour, set-valued; its members are features (strings).

    The first ten are those of ReplicaWatcher (NDSS 2024), in its order; the others are Kinwatch's own.
    """

    SYSCALLS = "syscalls"
    """System call names, by the table of the node's architecture."""
    SYSCALL_CATEGORIES = "syscall_categories"
    """sysdig's `evt.category` of those calls: file, net, process, memory, signal …"""
    DIRECTORIES = "directories"
    """Directory of each file that was used."""
    FILENAMES = "filenames"
    """Last component of each file that was used."""
    FILE_OPERATIONS = "file_operations"
    """Kinds of descriptor that were used: file, directory, ipv4, unix, pipe …"""
    PROCESSES = "processes"
    """`comm` of each process that ran."""
    COMMANDS = "commands"
    """`comm` and the arguments, joined by a space."""
    CWDS = "cwds"
    """Working directories of the processes that ran."""
    ARGUMENTS = "arguments"
    """The arguments alone, without argv[0], joined by a space."""
    EXECUTABLES = "executables"
    """argv[0] of each process that ran."""
    ENDPOINTS = "endpoints"
    """What was connected to and listened on: `connect tcp 5432 private`, `listen tcp 8080`, `connect unix /run/x`."""
    URING_OPERATIONS = "uring_operations"
    """io_uring operations, which are no system calls: `openat`, `read`, `connect` …"""
    PRIVILEGES = "privileges"
    """As whom processes ran, and what changes what they may do: `uid 0`, `unshare newuser`, `mprotect exec`."""


TEN_ASPECTS: tuple[Aspect, ...] = (
    Aspect.SYSCALLS,
    Aspect.SYSCALL_CATEGORIES,
    Aspect.DIRECTORIES,
    Aspect.FILENAMES,
    Aspect.FILE_OPERATIONS,
    Aspect.PROCESSES,
    Aspect.COMMANDS,
    Aspect.CWDS,
    Aspect.ARGUMENTS,
    Aspect.EXECUTABLES,
)
"""The ten aspects of the published method, in its order."""

CHISEL_KEYS: dict[Aspect, str] = {
    Aspect.SYSCALLS: "list_distinct_syscalls",
    Aspect.SYSCALL_CATEGORIES: "list_distinct_syscall_category",
    Aspect.DIRECTORIES: "list_distinct_directories",
    Aspect.FILENAMES: "list_distinct_filenames",
    Aspect.FILE_OPERATIONS: "list_distinct_file_operations",
    Aspect.PROCESSES: "list_distinct_procs",
    Aspect.COMMANDS: "list_distinct_commands",
    Aspect.CWDS: "list_distinct_cwds",
    Aspect.ARGUMENTS: "list_distinct_args",
    Aspect.EXECUTABLES: "list_distinct_exe",
}
"""The JSON key under which a sysdig chisel capture carries each aspect."""
