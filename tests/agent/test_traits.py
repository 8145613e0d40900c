"""The probe knows which arguments are descriptors, and is compiled as this node needs it."""

from __future__ import annotations

import mmap

import pytest

from agent.program import BPF_FOLDER, PARTS, Build, Uring, compiler_options, hooks, source
from agent.records import CALLS_PER_TABLE, Trait
from agent.syscalls import SyscallTable
from agent.traits import FIRST, OTHERS, RESCAN, trait_of, traits_of

X86 = SyscallTable.of("x86_64")
ARM = SyscallTable.of("aarch64")


def descriptors(trait: int) -> list[int]:
    """Indices of the arguments that are descriptors."""
    places = [trait & Trait.FIRST_FD, (trait & Trait.SECOND_FD) >> 3]
    return [place - 1 for place in places if place]


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("read", [0]),
        ("close", [0]),
        ("openat", [0]),
        ("mmap", [4]),
        ("mmap2", [4]),
        ("sendfile", [0, 1]),
        ("copy_file_range", [0, 2]),
        ("epoll_ctl", [0, 2]),
        ("renameat2", [0, 2]),
        ("linkat", [0, 2]),
        ("symlinkat", [1]),
        ("fanotify_mark", [3]),
        ("fchdir", [0]),
        ("getpid", []),
        ("open", []),
        ("poll", []),
        ("syscall_9999", []),
    ],
)
def test_descriptors_are_where_the_manual_has_them(name: str, places: list[int]) -> None:
    assert descriptors(trait_of(name)) == places


@pytest.mark.parametrize(("name", "rescan"), [("chdir", True), ("fchdir", True), ("setns", True), ("read", False)])
def test_thread_is_looked_at_again_after_what_changes_its_directory(name: str, *, rescan: bool) -> None:
    assert bool(trait_of(name) & Trait.RESCAN) is rescan


def test_traits_have_the_bit_of_their_call_in_each_table() -> None:
    traits = traits_of(X86)
    assert descriptors(traits[X86.numbers["read"]]) == [0]
    assert descriptors(traits[CALLS_PER_TABLE + 3]) == [0]
    assert X86.numbers["getpid"] not in traits
    assert all(0 < trait < 1024 for trait in traits.values())


def test_old_32_bit_mmap_has_no_descriptor_among_its_arguments() -> None:
    """It is given a pointer to them."""
    assert CALLS_PER_TABLE + 90 not in traits_of(X86)
    assert descriptors(traits_of(X86)[CALLS_PER_TABLE + 192]) == [4]


def test_no_trait_is_of_a_call_that_nobody_has() -> None:
    """A misspelt name would never be met."""
    known = {name for table in (X86, ARM) for names in (table.names, table.compat_names) for name in names.values()}
    assert {*FIRST, *OTHERS, *RESCAN} <= known


BUILD = Build(
    layouts="#pragma once\nstruct x { int y; };\n",
    hierarchy_id=8,
    subsys="PIDS_CGRP_ID",
    pid_max=32768,
    uring=Uring(tracepoint="io_uring_submit_sqe", request=-1, opcode=2),
    calls={"sendto": 44},
    hash_key=0xABC,
)


def test_program_is_one_text_that_holds_every_file_and_every_hook() -> None:
    """What stands in bpf/ and is left out would be dead."""
    text = source(BUILD)
    assert "struct x { int y; };" in text
    assert "#pragma once" not in text
    assert set(PARTS) == {path.name for path in BPF_FOLDER.glob("*.[ch]")}
    for function in hooks(BUILD).values():
        assert f"int {function}(" in text


def test_compiler_is_told_what_differs_by_node() -> None:
    assert compiler_options(BUILD) == [
        "-DHIERARCHY_ID=8",
        "-DHIERARCHY_SUBSYS=PIDS_CGRP_ID",
        "-DCALL_SENDTO=44",
        "-DURING_REQUEST_ARGUMENT=-1",
        "-DURING_OPCODE_ARGUMENT=2",
        "-DTHREADS=32769",
        "-DHASH_KEY=0xabcull",
        f"-DPAGE_SIZE={mmap.PAGESIZE}",
        f"-DRING_PAGES={(4 << 20) // mmap.PAGESIZE}",
    ]
