"""
Turn what the kernel stored into features.

Flow: probe -> **drain** -> identify, window. Takes one record or one set of system calls, gives (aspect, value) pairs.
Values are raw: the aggregator normalises.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from agent.categories import category
from agent.records import CALLS_PER_TABLE, Flag, Kind, Record
from agent.syscalls import SyscallTable
from kinwatch.aspects import Aspect

Feature = tuple[Aspect, str]
CommandLine = Callable[[int], bytes | None]
"""Process id → its argument list as /proc/PID/cmdline has it, or None if it can't be read any more."""

ASPECTS_OF: Final[Mapping[Kind, tuple[Aspect, ...]]] = {
    Kind.FILE: (Aspect.DIRECTORIES, Aspect.FILENAMES, Aspect.FILE_OPERATIONS),
    Kind.CWD: (Aspect.CWDS,),
    Kind.PROCESS: (Aspect.PROCESSES, Aspect.COMMANDS, Aspect.ARGUMENTS, Aspect.EXECUTABLES),
}
"""Which aspects lack something when a record of a kind is missing."""

_CUT_ASPECTS: Final[Mapping[Kind, tuple[Aspect, ...]]] = {
    Kind.FILE: (Aspect.DIRECTORIES,),
    Kind.CWD: (Aspect.CWDS,),
    Kind.PROCESS: (Aspect.COMMANDS, Aspect.ARGUMENTS),
}
"""Which aspects hold less than the whole when a record's payload was cut."""

_FAMILIES: Final[Mapping[int, str]] = {
    1: "unix",
    2: "ipv4",
    10: "ipv6",
    16: "netlink",
    17: "packet",
    38: "alg",
    40: "vsock",
    44: "xdp",
}
"""Address family (include/linux/socket.h) → sysdig's `fd.type` where it has one, else the family's own name."""

_FILESYSTEMS: Final[Mapping[int, str]] = {
    0x50495045: "pipe",  # PIPEFS_MAGIC
    0x50494446: "pidfd",  # PID_FS_MAGIC
    0x6E736673: "namespace",  # NSFS_MAGIC
    0x19800202: "mqueue",  # MQUEUE_MAGIC
}
"""Magic of the file systems (include/uapi/linux/magic.h) whose files have no path → kind of descriptor."""

_ANONYMOUS: Final[Mapping[str, str]] = {"eventfd": "event", "signalfd": "signal"}
"""Anonymous inodes which sysdig calls otherwise than the kernel; `[eventpoll]`, `inotify` … keep their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a record tells."""

    features: tuple[Feature, ...]
    truncated: tuple[Aspect, ...] = ()
    """Aspects in which a value was cut short."""
    lost: tuple[str, ...] = ()
    """What could not be had."""


def drained(record: Record, command_line: CommandLine) -> Drained:
    """What the record of a file, a working directory or a process tells."""
    truncated = _CUT_ASPECTS[record.kind] if record.flags & Flag.CUT else ()
    if record.kind is Kind.FILE:
        return Drained(features=tuple(_file(record)), truncated=truncated)
    if record.kind is Kind.CWD:
        return Drained(features=((Aspect.CWDS, _path(record)),), truncated=truncated)
    arguments: bytes | None = record.payload
    if record.flags & Flag.UNREADABLE:
        arguments = command_line(record.tgid)
    if arguments is None:
        return Drained(features=((Aspect.PROCESSES, text(record.comm)),), lost=("arguments",))
    return Drained(features=tuple(_process(text(record.comm), arguments)), truncated=truncated)


def calls(bits: Iterable[int], table: SyscallTable) -> Iterator[Feature]:
    """The system calls of a set, and their categories."""
    for bit in bits:
        name = _call_name(bit, table)
        yield Aspect.SYSCALLS, name
        yield Aspect.SYSCALL_CATEGORIES, category(name).value


def _call_name(bit: int, table: SyscallTable) -> str:
    compat, number = divmod(bit, CALLS_PER_TABLE)
    if number == CALLS_PER_TABLE - 1:
        return "unknown"
    return table.compat_name(number) if compat else table.name(number)


def text(raw: bytes) -> str:
    """Bytes from the kernel as text; what is not UTF-8 is spelled out in hex, so that equal bytes stay equal."""
    return raw.decode("utf-8", "backslashreplace")


def _path(record: Record) -> str:
    """The path in a payload of components, leaf first, each with its final zero; a cut one begins with `…`."""
    components = [text(component) for component in record.payload.split(b"\0")[:-1]]
    start = "…/" if record.flags & Flag.CUT else "/"
    return start + "/".join(reversed(components))


def _file(record: Record) -> Iterator[Feature]:
    if record.flags & Flag.PSEUDO:
        yield from _pseudo(record)
        return
    path = _path(record)
    if stat.S_ISDIR(record.mode):
        yield Aspect.FILE_OPERATIONS, "directory"
        yield Aspect.DIRECTORIES, path
        return
    directory, _, name = path.rpartition("/")
    yield Aspect.FILE_OPERATIONS, "file"
    yield Aspect.DIRECTORIES, directory or "/"
    yield Aspect.FILENAMES, name


def _pseudo(record: Record) -> Iterator[Feature]:
    """A file that no path leads to: its kind, and for a memfd the name that its maker gave it."""
    name = text(record.payload.rstrip(b"\0"))
    if name.startswith("memfd:"):
        yield Aspect.FILENAMES, name
    yield Aspect.FILE_OPERATIONS, _pseudo_kind(record, name)


def _pseudo_kind(record: Record, name: str) -> str:
    if stat.S_ISSOCK(record.mode):
        return _FAMILIES.get(record.family, f"socket_{record.family}")
    if record.fs_magic in _FILESYSTEMS:
        return _FILESYSTEMS[record.fs_magic]
    plain = name.strip("[]").partition(":")[0]
    if plain.startswith("bpf"):
        return "bpf"
    return _ANONYMOUS.get(plain, plain or "anonymous")


def _process(comm: str, arguments: bytes) -> Iterator[Feature]:
    """A process by its comm and an argument list whose members end with a zero."""
    executable, *rest = arguments.removesuffix(b"\0").split(b"\0")
    joined = text(b" ".join(rest))
    yield Aspect.PROCESSES, comm
    yield Aspect.COMMANDS, f"{comm} {joined}" if rest else comm
    yield Aspect.ARGUMENTS, joined
    if executable:
        yield Aspect.EXECUTABLES, text(executable)
