"""Credentials and privileged calls are put into words, and the probe is told which arguments matter."""

from __future__ import annotations

from typing import Any

import pytest

from agent.privileges import CALLS, CAPABILITIES, CHANGE_CREDENTIALS, credentials, interests_of, privileged_call
from agent.records import CALLS_PER_TABLE, TAKE_POINTED, Credentials, Flag, Kind, PrivilegedCall, Record
from agent.syscalls import SyscallTable

X86, ARM = SyscallTable.of("x86_64"), SyscallTable.of("aarch64")


def record(kind: Kind, payload: Any) -> Record:
    plain = dict.fromkeys(
        ("slot", "window", "ktime_ns", "cgroup_id", "fs_magic", "mode", "family", "tgid", "tid", "parent_tgid"), 0
    )
    return Record(**plain, kind=kind, flags=Flag(0), comm=b"", payload=bytes(payload))


def as_whom(**found: int) -> list[str]:
    return list(credentials(record(Kind.CREDENTIALS, Credentials(**found))))


def test_credentials_are_two_features() -> None:
    """One more capability makes another set, and not one more of many."""
    assert as_whom(uid=33, euid=33, gid=33, egid=33) == ["as 33:33", "capabilities none"]
    assert as_whom(uid=33, euid=0, gid=33, egid=33, effective=1 << 21 | 1) == [
        "as 33:33 effectively 0:33",
        "capabilities chown,sys_admin",
    ]


def test_capability_that_is_newer_than_the_list_is_a_number() -> None:
    assert as_whom(effective=1 << 50)[1] == "capabilities 50"
    assert len(CAPABILITIES) == 41


def called(name: str, *arguments: int, table: SyscallTable = X86, compat: bool = False) -> str:
    numbers = {known: number for number, known in (table.compat_names if compat else table.names).items()}
    call = PrivilegedCall(index=numbers[name] + CALLS_PER_TABLE * compat)
    for index, value in enumerate(arguments):
        call.arguments[index] = value
    (told,) = privileged_call(record(Kind.PRIVILEGED_CALL, call), table)
    return told


@pytest.mark.parametrize(
    ("told", "name", "arguments"),
    [
        ("unshare newns newuser", "unshare", (0x10020000,)),
        ("setns newnet", "setns", (0, 0x40000000)),
        ("setns", "setns", (0, 0)),
        ("ptrace attach", "ptrace", (16,)),
        ("ptrace 4711", "ptrace", (4711,)),
        ("bpf prog_load", "bpf", (5,)),
        ("mount remount bind", "mount", (0, 0, 0, 4096 | 32)),
        ("mprotect write exec", "mprotect", (0, 0, 6)),
        ("finit_module", "finit_module", ()),
    ],
)
def test_call_in_words(told: str, name: str, arguments: tuple[int, ...]) -> None:
    """Flags by name, values by name or number."""
    assert called(name, *arguments) == told


def test_32_bit_call_has_its_own_name() -> None:
    assert called("umount", compat=True) == "umount"


def test_probe_is_told_what_matters() -> None:
    interests = interests_of(X86)
    unshare, mmap, clone3 = (interests[X86.numbers[name]] for name in ("unshare", "mmap", "clone3"))
    assert (unshare.take, unshare.tested, unshare.all) == (1, 0, 0)
    assert unshare.wanted == unshare.kept == 0x7E020080
    assert (mmap.take, mmap.tested, mmap.all, mmap.wanted) == (4, 2, 1, 6)
    assert clone3.take == 1 | TAKE_POINTED
    assert interests[X86.numbers["init_module"]].take == 0


def test_clone_of_a_thread_or_a_process_does_not_matter() -> None:
    """Its signal stands where newtime would."""
    assert not interests_of(X86)[X86.numbers["clone"]].wanted & 0x80


def test_old_32_bit_mmap_is_given_a_pointer_and_left_alone() -> None:
    assert CALLS_PER_TABLE + 90 not in interests_of(X86)


def test_every_name_is_that_of_a_call() -> None:
    """A misspelt one would never be met."""
    known = {name for table in (X86, ARM) for names in (table.names, table.compat_names) for name in names.values()}
    assert CALLS.keys() | CHANGE_CREDENTIALS <= known
