"""Each kind of record tells its features, with values as they are."""

from __future__ import annotations

from typing import Any

import pytest

from agent.drain import ASPECTS_OF, CommandLine, Reading, calls, drained
from agent.records import CALLS_PER_TABLE, Flag, Kind, Record, text
from agent.syscalls import SyscallTable
from agent.values import Feature
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Origin

FILE, DIRECTORY, SOCKET, FIFO = 0o100644, 0o040755, 0o140777, 0o010600
ANON_INODE, PIPEFS = 0x09041934, 0x50495045
TABLE = SyscallTable.of("x86_64")


def record(kind: Kind, payload: bytes = b"", *, flags: int = 0, **others: Any) -> Record:
    plain = dict.fromkeys(
        ("slot", "window", "ktime_ns", "cgroup_id", "fs_magic", "mode", "family", "tgid", "tid", "parent_tgid"), 0
    )
    return Record(**{**plain, "comm": b"", **others, "kind": kind, "flags": Flag(flags), "payload": payload})


def gone(_pid: int) -> bytes | None:
    """The process has ended."""
    return None


def reading(command_line: CommandLine = gone) -> Reading:
    return Reading(table=TABLE, command_line=command_line)


def features(one: Record) -> set[Feature]:
    return set(drained(one, reading()).features)


def path(payload: bytes, *, mode: int = FILE, flags: int = 0) -> set[Feature]:
    return features(record(Kind.FILE, payload, mode=mode, flags=flags))


@pytest.mark.parametrize(
    ("payload", "directory", "name"),
    [
        (b"passwd\0etc\0", "/etc", "passwd"),
        (b"top\0", "/", "top"),
        (b"x\0with space\0new\nline\0", "/new\nline/with space", "x"),
        (b"\xff\xfe\0b\0", "/b", "\\xff\\xfe"),
        ("ü\0é\0".encode(), "/é", "ü"),
        (b"x" * 255 + b"\0d\0", "/d", "x" * 255),
    ],
)
def test_file_tells_its_directory_and_its_name(payload: bytes, directory: str, name: str) -> None:
    """The payload has the components leaf first; what is not UTF-8 is spelled out."""
    assert path(payload) == {
        (Aspect.FILE_OPERATIONS, "file"),
        (Aspect.DIRECTORIES, directory),
        (Aspect.FILENAMES, name),
    }


@pytest.mark.parametrize(("payload", "directory"), [(b"", "/"), (b"etc\0", "/etc"), (b"b\0a\0", "/a/b")])
def test_directory_is_its_own_directory_and_no_file_name(payload: bytes, directory: str) -> None:
    assert path(payload, mode=DIRECTORY) == {(Aspect.FILE_OPERATIONS, "directory"), (Aspect.DIRECTORIES, directory)}


def test_cut_path_says_so_in_its_value_and_in_the_coverage() -> None:
    one = drained(record(Kind.FILE, b"leaf\0dir\0", mode=FILE, flags=Flag.CUT), reading())
    assert (Aspect.DIRECTORIES, "…/dir") in one.features
    assert one.truncated == (Aspect.DIRECTORIES,)
    cwd = drained(record(Kind.CWD, b"b\0a\0", flags=Flag.CUT), reading())
    assert cwd.features == ((Aspect.CWDS, "…/a/b"),)
    assert cwd.truncated == (Aspect.CWDS,)


@pytest.mark.parametrize(("payload", "cwd"), [(b"", "/"), (b"srv\0", "/srv"), (b"\xc3\x28\0tmp\0", "/tmp/\\xc3(")])
def test_working_directory(payload: bytes, cwd: str) -> None:
    assert features(record(Kind.CWD, payload)) == {(Aspect.CWDS, cwd)}


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        *((1, "unix"), (2, "ipv4"), (10, "ipv6"), (16, "netlink")),
        *((17, "packet"), (38, "alg"), (40, "vsock"), (44, "xdp"), (99, "socket_99")),
    ],
)
def test_socket_is_named_by_its_family(family: int, kind: str) -> None:
    one = record(Kind.FILE, b"TCP\0", mode=SOCKET, family=family, flags=Flag.PSEUDO)
    assert features(one) == {(Aspect.FILE_OPERATIONS, kind)}


@pytest.mark.parametrize(
    ("name", "magic", "mode", "kind"),
    [
        (b"", PIPEFS, FIFO, "pipe"),
        (b"[eventfd]\0", ANON_INODE, 0o600, "event"),
        (b"[eventfd:12]\0", ANON_INODE, 0o600, "event"),
        (b"[eventpoll]\0", ANON_INODE, 0o600, "eventpoll"),
        (b"[signalfd]\0", ANON_INODE, 0o600, "signal"),
        (b"[timerfd]\0", ANON_INODE, 0o600, "timerfd"),
        (b"inotify\0", ANON_INODE, 0o600, "inotify"),
        (b"[userfaultfd]\0", ANON_INODE, 0o600, "userfaultfd"),
        (b"[io_uring]\0", ANON_INODE, 0o600, "io_uring"),
        (b"bpf-map\0", ANON_INODE, 0o600, "bpf"),
        (b"bpf-prog\0", ANON_INODE, 0o600, "bpf"),
        (b"[pidfd]\0", ANON_INODE, 0o600, "pidfd"),
        (b"\0", 0x50494446, 0o600, "pidfd"),
        (b"\0", 0x6E736673, FILE, "namespace"),
        (b"\0", 0, 0o600, "anonymous"),
    ],
)
def test_file_without_a_path_is_named_by_its_kind_alone(name: bytes, magic: int, mode: int, kind: str) -> None:
    one = record(Kind.FILE, name, mode=mode, fs_magic=magic, flags=Flag.PSEUDO)
    assert features(one) == {(Aspect.FILE_OPERATIONS, kind)}


def test_memfd_is_known_by_the_name_that_its_maker_gave_it() -> None:
    one = record(Kind.FILE, b"memfd:x: [y]\0", mode=0o100777, flags=Flag.PSEUDO)
    assert features(one) == {(Aspect.FILE_OPERATIONS, "memfd"), (Aspect.FILENAMES, "memfd:x: [y]")}


@pytest.mark.parametrize(
    ("payload", "command", "arguments", "executable"),
    [
        (b"/bin/ls\0-l\0/\0", "ls -l /", "-l /", "/bin/ls"),
        (b"/bin/ls\0", "ls", "", "/bin/ls"),
        (b"/bin/ls", "ls", "", "/bin/ls"),
        (b"a\0b", "ls b", "b", "a"),
        (b"a\0\0\0b\0", "ls   b", "  b", "a"),
        (b"a\0\0", "ls ", "", "a"),
        (b"a\0new\nline\0\xff\0", "ls new\nline \\xff", "new\nline \\xff", "a"),
        (b"", "ls", "", None),
        (b"\0", "ls", "", None),
        (b"\0-x\0", "ls -x", "-x", None),
    ],
)
def test_argument_list(payload: bytes, command: str, arguments: str, executable: str | None) -> None:
    """Empty arguments are arguments; a list may be empty, or lack its last zero; an empty argv[0] names nothing."""
    expected = {(Aspect.PROCESSES, "ls"), (Aspect.COMMANDS, command), (Aspect.ARGUMENTS, arguments)}
    if executable is not None:
        expected.add((Aspect.EXECUTABLES, executable))
    assert features(record(Kind.PROCESS, payload, comm=b"ls")) == expected


def test_cut_argument_list_is_said_to_be_cut() -> None:
    one = drained(record(Kind.PROCESS, b"a\0bbb", comm=b"a", flags=Flag.CUT), reading())
    assert one.truncated == (Aspect.COMMANDS, Aspect.ARGUMENTS)
    assert (Aspect.COMMANDS, "a bbb") in one.features


def test_arguments_that_were_paged_out_are_asked_of_the_process() -> None:
    asked = []

    def command_line(pid: int) -> bytes | None:
        asked.append(pid)
        return b"/bin/sh\0-c\0"

    one = drained(record(Kind.PROCESS, comm=b"sh", tgid=42, flags=Flag.UNREADABLE), reading(command_line))
    assert asked == [42]
    assert (Aspect.COMMANDS, "sh -c") in one.features
    assert one.lost == ()


def test_arguments_that_nobody_can_read_any_more_are_counted_as_lost() -> None:
    """The name of the process is known all the same."""
    one = drained(record(Kind.PROCESS, comm=b"sh", flags=Flag.UNREADABLE), reading())
    assert one.features == ((Aspect.PROCESSES, "sh"),)
    assert one.lost == ("arguments",)


def test_equal_bytes_are_equal_text_and_others_differ() -> None:
    assert text(b"\xff") == "\\xff"
    assert text(b"\xff") != text(b"\xfe")


@pytest.mark.parametrize(
    ("bit", "name", "category"),
    [
        (0, "read", "IO-read"),
        (59, "execve", "process"),
        (CALLS_PER_TABLE + 3, "read", "IO-read"),
        (CALLS_PER_TABLE + 11, "execve", "process"),
        (CALLS_PER_TABLE + 199, "getuid32", "user"),
        (500, "syscall_500", "unknown"),
        (CALLS_PER_TABLE + 500, "syscall_500", "unknown"),
        (CALLS_PER_TABLE - 1, "unknown", "unknown"),
        (2 * CALLS_PER_TABLE - 1, "unknown", "unknown"),
    ],
)
def test_bit_of_a_call_set_is_a_call_of_its_table(bit: int, name: str, category: str) -> None:
    """The upper half is that of 32-bit calls, and the last of each half is any number beyond."""
    assert set(calls([bit], reading())) == {(Aspect.SYSCALLS, name), (Aspect.SYSCALL_CATEGORIES, category)}


def test_every_aspect_but_the_calls_has_a_kind_of_record() -> None:
    """So a lost or bounded record is said of the aspects that it would have filled."""
    told = {aspect for aspects in ASPECTS_OF.values() for aspect in aspects}
    assert told | {Aspect.SYSCALLS, Aspect.SYSCALL_CATEGORIES} == set(Aspect) - {Aspect.URING_OPERATIONS}


@pytest.mark.parametrize(
    ("comm", "flags", "told"),
    [
        (b"x", Flag.MEMFD, {"execute memfd"}),
        (b"x", Flag.DELETED | Flag.OUTSIDE, {"execute deleted"}),
        (b"runc:[2:INIT]", Flag.MEMFD | Flag.OUTSIDE, set()),
        (b"runc:[2:INIT]", Flag.MEMFD, {"execute memfd"}),
        (b"x", Flag(0), set()),
    ],
)
def test_program_without_a_path_is_told_unless_it_is_the_runtimes(comm: bytes, flags: Flag, told: set[str]) -> None:
    """Nobody inside a container has a parent outside it."""
    found = features(record(Kind.PROCESS, b"x\0", comm=comm, flags=flags))
    assert {value for aspect, value in found if aspect is Aspect.PRIVILEGES} == told


def test_process_tells_where_it_came_from() -> None:
    one = drained(record(Kind.PROCESS, b"id\0-u\0", comm=b"id", parent_comm=b"sh", flags=Flag.OUTSIDE), reading())
    assert one.origins == (Origin(command="id -u", parent="sh", outside=True),)
