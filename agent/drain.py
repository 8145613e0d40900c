"""
Turn what the kernel stored into features.

Flow: probe -> **drain** -> identify, window. Takes one record or one set of bits, gives (aspect, value) pairs. Values
are raw, the aggregator normalises; only secrets are taken out here, before anything leaves the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.categories import category
from agent.endpoints import Surroundings, endpoints
from agent.files import file_features, path_of
from agent.networks import Networks
from agent.privileges import credentials, privileged_call
from agent.records import CALLS_PER_TABLE, Flag, Kind, Record, text
from agent.syscalls import SyscallTable
from agent.values import Drained, Feature
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Origin

CommandLine = Callable[[int], bytes | None]
"""Process id → its argument list as /proc/PID/cmdline has it, or None if it can't be read any more."""

ASPECTS_OF: Final[Mapping[Kind, tuple[Aspect, ...]]] = {
    Kind.FILE: (Aspect.DIRECTORIES, Aspect.FILENAMES, Aspect.FILE_OPERATIONS),
    Kind.CWD: (Aspect.CWDS,),
    Kind.PROCESS: (Aspect.PROCESSES, Aspect.COMMANDS, Aspect.ARGUMENTS, Aspect.EXECUTABLES),
    Kind.ENDPOINT: (Aspect.ENDPOINTS,),
    Kind.CREDENTIALS: (Aspect.PRIVILEGES,),
    Kind.PRIVILEGED_CALL: (Aspect.PRIVILEGES,),
}
"""Which aspects lack something when a record of a kind is missing."""

_CUT_ASPECTS: Final[Mapping[Kind, tuple[Aspect, ...]]] = {
    Kind.FILE: (Aspect.DIRECTORIES,),
    Kind.CWD: (Aspect.CWDS,),
    Kind.PROCESS: (Aspect.COMMANDS, Aspect.ARGUMENTS),
}
"""Which aspects hold less than the whole when a record's payload was cut."""

_NAMELESS: Final[Mapping[Flag, str]] = {Flag.MEMFD: "memfd", Flag.DELETED: "deleted"}
"""Programs that no path leads to."""

_RUNTIMES: Final = ("runc:[", "crun")
"""Comm of a container's runtime while it prepares the container from within."""

_CALL_BITS: Final = 2 * CALLS_PER_TABLE
"""Bits of a call set from here on are io_uring operations."""


class Redact(Protocol):
    """Takes secrets out of what leaves the process; equal secrets stay equal."""

    def arguments(self, argv: Sequence[str]) -> list[str]:
        """The argument list of a process, argv[0] first."""

    def text(self, value: str) -> str:
        """A name or a path."""


class ShowAll:
    """Takes nothing out."""

    def arguments(self, argv: Sequence[str]) -> list[str]:
        """The list as it is."""
        return list(argv)

    def text(self, value: str) -> str:
        """The text as it is."""
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What records are read with on this node."""

    table: SyscallTable
    command_line: CommandLine
    around: Surroundings = field(default_factory=lambda: Surroundings(networks=Networks()))
    uring_names: Mapping[int, str] = field(default_factory=dict)
    """io_uring opcode → name."""
    redact: Redact = field(default_factory=ShowAll)


def drained(record: Record, reading: Reading) -> Drained:
    """What a record tells that is not about a cgroup."""
    if record.kind is Kind.PROCESS:
        return _process(record, reading)
    features = tuple((aspect, reading.redact.text(value)) for aspect, value in _features(record, reading))
    return Drained(features=features, truncated=_CUT_ASPECTS[record.kind] if record.flags & Flag.CUT else ())


def _features(record: Record, reading: Reading) -> Iterator[Feature]:
    match record.kind:
        case Kind.FILE:
            yield from file_features(record)
        case Kind.CWD:
            yield Aspect.CWDS, path_of(record)
        case Kind.ENDPOINT:
            yield from ((Aspect.ENDPOINTS, value) for value in endpoints(record, reading.around))
        case Kind.CREDENTIALS:
            yield from ((Aspect.PRIVILEGES, value) for value in credentials(record))
        case Kind.PRIVILEGED_CALL:
            yield from ((Aspect.PRIVILEGES, value) for value in privileged_call(record, reading.table))


def _process(record: Record, reading: Reading) -> Drained:
    """A process by its comm and its argument list, each member of which ends with a zero."""
    arguments: bytes | None = record.payload
    if record.flags & Flag.UNREADABLE:
        arguments = reading.command_line(record.tgid)
    comm = text(record.comm)
    if arguments is None:
        return Drained(features=((Aspect.PROCESSES, comm),), lost=("arguments",))
    argv = [text(argument) for argument in arguments.removesuffix(b"\0").split(b"\0")]
    executable, *rest = reading.redact.arguments(argv)
    command = " ".join([comm, *rest])
    features = [(Aspect.PROCESSES, comm), (Aspect.COMMANDS, command), (Aspect.ARGUMENTS, " ".join(rest))]
    features += [(Aspect.PRIVILEGES, f"execute {what}") for what in _nameless(record, comm)]
    return Drained(
        features=(*features, (Aspect.EXECUTABLES, executable)) if executable else tuple(features),
        truncated=_CUT_ASPECTS[Kind.PROCESS] if record.flags & Flag.CUT else (),
        origins=(Origin(command=command, parent=text(record.parent_comm), outside=bool(record.flags & Flag.OUTSIDE)),),
    )


def _nameless(record: Record, comm: str) -> list[str]:
    """How a process came by a program without a path; the runtime, which copies itself into a memfd, is left out."""
    if record.flags & Flag.OUTSIDE and comm.startswith(_RUNTIMES):
        return []
    return [what for flag, what in _NAMELESS.items() if record.flags & flag]


def calls(bits: Iterable[int], reading: Reading) -> Iterator[Feature]:
    """The system calls of a set with their categories, and the operations of io_uring."""
    for bit in bits:
        if bit >= _CALL_BITS:
            opcode = bit - _CALL_BITS
            yield Aspect.URING_OPERATIONS, reading.uring_names.get(opcode, f"operation_{opcode}")
            continue
        name = _call_name(bit, reading.table)
        yield Aspect.SYSCALLS, name
        yield Aspect.SYSCALL_CATEGORIES, category(name).value


def _call_name(bit: int, table: SyscallTable) -> str:
    compat, number = divmod(bit, CALLS_PER_TABLE)
    if number == CALLS_PER_TABLE - 1:
        return "unknown"
    return table.compat_name(number) if compat else table.name(number)
