"""
Write down, for the compiler, where this kernel keeps what the probe reads.

Flow: btf -> **layouts** -> probe. Takes the kernel's types, gives a C header: one struct for each that the probe looks
into, with the members it reads at the places they have on this node, and padding between.

The probe is compiled on the node, so that plain `task->mm->arg_start` is right there and nothing is relocated later.
WANTED is all that the probe may touch; names in it hold from kernel 5.8 on unless a field lists several.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent.btf import Btf, Member
from kinwatch.errors import NodeError

_SIZES: Final = MappingProxyType({
    "char": 1,
    "bool": 1,
    "u8": 1,
    "u16": 2,
    "short": 2,
    "u32": 4,
    "int": 4,
    "unsigned int": 4,
    "u64": 8,
    "long": 8,
    "unsigned long": 8,
})  # fmt: skip
"""C type -> bytes, on the 64-bit kernels the probe runs on."""
_POINTER_BYTES: Final = 8

_DECLARATION: Final = re.compile(
    r"(?P<type>(?:const )?(?P<base>struct \w+|(?:unsigned )?\w+)) (?P<stars>\**)(?P<name>\w+)(?P<array>\[\d*\])?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member that the probe reads."""

    declaration: str
    """As C has it: type, stars, the name that the probe uses, `[]` for an array as long as the kernel's."""
    paths: tuple[str, ...]
    """Where it is found, as Btf.member takes it: the first that this kernel has."""
    optional: bool = False
    """The probe does without where a kernel lacks it, and asks by `#if HAS_<STRUCT>_<NAME>`."""


def field(declaration: str, *paths: str, optional: bool = False) -> Field:
    """Build a Field; without paths the kernel's name is the probe's."""
    return Field(declaration=declaration, paths=paths or (_taken_apart(declaration)["name"],), optional=optional)


def _taken_apart(declaration: str) -> dict[str, str]:
    match = _DECLARATION.fullmatch(declaration)
    if match is None:
        msg = f"not a declaration that this module understands: {declaration!r}"
        raise ValueError(msg)
    return match.groupdict(default="")


WANTED: Final[Mapping[str, tuple[Field, ...]]] = MappingProxyType({
    "task_struct": (
        field("int pid"),
        field("int tgid"),
        field("u32 thread_info_status", "thread_info.status", optional=True),  # x86
        field("unsigned long thread_info_flags", "thread_info.flags", optional=True),
        field("struct task_struct *real_parent"),
        field("struct mm_struct *mm"),
        field("struct fs_struct *fs"),
        field("struct files_struct *files"),
        field("struct css_set *cgroups"),
        field("const struct cred *cred"),
        field("char comm[16]"),
    ),
    "cred": (
        field("u32 uid", "uid.val"),
        field("u32 euid", "euid.val"),
        field("u32 gid", "gid.val"),
        field("u32 egid", "egid.val"),
        field("u64 cap_effective"),  # two 32-bit words before 6.3; the low one first, so the same on these machines
    ),
    "mm_struct": (
        field("unsigned long arg_start"),
        field("unsigned long arg_end"),
        field("struct file *exe_file"),
    ),
    "fs_struct": (field("struct path pwd"),),
    "path": (field("struct vfsmount *mnt"), field("struct dentry *dentry")),
    "vfsmount": (field("struct dentry *mnt_root"),),
    "mount": (
        field("struct mount *mnt_parent"),
        field("struct dentry *mnt_mountpoint"),
        field("struct vfsmount mnt"),  # what a path points at; the probe goes back from it to the mount
    ),
    "dentry": (
        field("struct dentry *d_parent"),
        field("u64 d_name_hash_len", "d_name.hash_len"),
        field("const unsigned char *d_name_name", "d_name.name"),
        field("struct inode *d_inode"),
    ),
    "inode": (
        field("u16 i_mode"),
        field("u32 i_nlink"),
        field("struct super_block *i_sb"),
        field("unsigned long i_ino"),
        field("u32 i_generation"),
    ),
    "super_block": (field("unsigned long s_magic"),),
    "file": (
        field("struct path f_path"),
        field("const void *f_op"),
        field("void *private_data"),
    ),
    "files_struct": (field("int count"), field("struct fdtable *fdt")),
    "fdtable": (field("unsigned int max_fds"), field("struct file **fd")),
    "socket": (field("struct sock *sk"),),
    "sock_common": (
        field("u32 skc_daddr"),
        field("u16 skc_dport"),
        field("u16 skc_num"),
        field("u16 skc_family"),
        field("u8 skc_state"),
    ),
    "sock": (
        field("u8 skc_v6_daddr[16]", "__sk_common.skc_v6_daddr"),
        field("u16 sk_protocol"),
        field("u16 sk_type"),
    ),
    "unix_sock": (field("struct unix_address *addr"), field("struct sock *peer")),
    "unix_address": (field("int len"), field("char name[]")),  # a hash stands between the two before 5.16
    "io_kiocb": (field("u8 opcode", optional=True),),
    "css_set": (
        field("struct cgroup *dfl_cgrp"),
        field("struct cgroup_subsys_state *subsys[]"),
    ),
    "cgroup_subsys_state": (field("struct cgroup *cgroup"), field("struct cgroup_subsys_state *parent")),
    "cgroup": (
        field("struct cgroup_subsys_state self"),
        field("struct kernfs_node *kn"),
        field("struct cgroup_root *root"),
    ),
    "cgroup_root": (field("int hierarchy_id"),),
    "kernfs_node": (field("u64 id"),),
})  # fmt: skip
"""
Kernel struct -> what the probe reads of it.

Not every change between kernels shows here: the name of a dentry (6.16) and the path of a file (6.17) moved into
anonymous unions with a second name, beside which the first is still found.
"""

ENUMERATORS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType({
    "PIDS_CGRP_ID": ("cgroup_subsys_id", "pids_cgrp_id"),
    "MEMORY_CGRP_ID": ("cgroup_subsys_id", "memory_cgrp_id"),
    "CURRENT_TASK_BTF": ("bpf_func_id", "BPF_FUNC_get_current_task_btf"),  # since 5.11
})  # fmt: skip
"""Macro -> enum and enumerator; -1 where the kernel was built without it, or is too old for it."""


def render(
    btf: Btf,
    wanted: Mapping[str, tuple[Field, ...]] = WANTED,
    enumerators: Mapping[str, tuple[str, str]] = ENUMERATORS,
) -> str:
    """
    Give the text of the header; it wants `u8` … `u64` and `bool` defined before it.

    NodeError where the kernel lacks a struct or a member, or has it in another size than the probe reads.
    """
    embedded = {_tag(one.declaration) for fields in wanted.values() for one in fields if _is_embedded(one)}
    present = {name: fields for name, fields in wanted.items() if not _can_be_left_out(btf, name, fields)}
    structs = {name: _struct(btf, name, fields, whole=name in embedded) for name, fields in present.items()}
    parts = [
        f"/* Layouts of kernel {platform.release()}, made from its BTF when the agent started. */",
        "#pragma once",
        _enumerators(btf, enumerators),
        _switches(btf, wanted),
        _forward(wanted),
        *(structs[name] for name in _embedded_first(present)),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _can_be_left_out(btf: Btf, name: str, fields: tuple[Field, ...]) -> bool:
    """Whether this kernel lacks a struct of which the probe does without every member."""
    return btf.size_of(name) is None and bool(fields) and all(one.optional for one in fields)


def _struct(btf: Btf, name: str, fields: tuple[Field, ...], *, whole: bool) -> str:
    """
    One struct: what is wanted of it in the order of the offsets, with gaps between.

    It ends after the last member wanted, so that a copy of it is small, unless another struct holds it inside. It is
    aligned to 8 bytes: otherwise the compiler would read packed members byte by byte, which the verifier refuses.
    """
    total = btf.size_of(name)
    if total is None:
        raise _lacking(name)
    lines = [f"struct {name} {{"]
    at = 0
    for declaration, member in sorted(_placed(btf, name, fields), key=lambda placed: placed[1].offset):
        lines += [*_gap(at, member.offset), f"\t{declaration};"]
        at = member.offset + member.size
    lines += [*(_gap(at, total) if whole else ()), "} __attribute__((packed, aligned(8)));"]
    return "\n".join(lines)


def _placed(btf: Btf, name: str, fields: tuple[Field, ...]) -> list[tuple[str, Member]]:
    """Declarations with their places, the optional ones that this kernel lacks left out."""
    placed = []
    for wanted in fields:
        member = _found(btf, name, wanted)
        if member is not None:
            placed.append((_checked(btf, name, wanted.declaration, member), member))
        elif not wanted.optional:
            raise _lacking(name, *wanted.paths)
    return placed


def _found(btf: Btf, name: str, wanted: Field) -> Member | None:
    candidates = (btf.member(name, path) for path in wanted.paths)
    return next((member for member in candidates if member is not None), None)


def _checked(btf: Btf, name: str, declaration: str, member: Member) -> str:
    """Give the declaration with its array's length, sure that the kernel's member has the size it says."""
    parts = _taken_apart(declaration)
    element = _element_size(btf, parts)
    array = parts["array"]
    if array == "[]":
        array = f"[{member.size // element}]"
    length = int(array[1:-1]) if array else 1
    if element * length != member.size:
        raise _misfit(name, declaration, expected=element * length, actual=member.size)
    return f"{parts['type']} {parts['stars']}{parts['name']}{array}"


def _element_size(btf: Btf, parts: Mapping[str, str]) -> int:
    if parts["stars"]:
        return _POINTER_BYTES
    kind, _, tag = parts["base"].partition(" ")
    return (btf.size_of(tag) or 0) if kind == "struct" else _SIZES[parts["base"]]


def _gap(start: int, end: int) -> list[str]:
    """Padding from one byte offset to the next; two members at one place would be a mistake in the table."""
    if end < start:
        msg = f"members overlap at byte {end}"
        raise ValueError(msg)
    return [f"\tchar _gap{start}[{end - start}];"] if end > start else []


def _enumerators(btf: Btf, enumerators: Mapping[str, tuple[str, str]]) -> str:
    values = {macro: btf.enumerator(enum, name) for macro, (enum, name) in enumerators.items()}
    return "\n".join(f"#define {macro} {'(-1)' if value is None else value}" for macro, value in values.items())


def _switches(btf: Btf, wanted: Mapping[str, tuple[Field, ...]]) -> str:
    """HAS_<STRUCT>_<NAME>, 0 or 1, for what a kernel may lack."""
    return "\n".join(
        f"#define {_switch(name, option)} {int(_found(btf, name, option) is not None)}"
        for name, fields in wanted.items()
        for option in fields
        if option.optional
    )


def _switch(name: str, option: Field) -> str:
    return f"HAS_{name}_{_taken_apart(option.declaration)['name']}".upper()


def _forward(wanted: Mapping[str, tuple[Field, ...]]) -> str:
    """Name every struct that something points at, so that the order of the definitions need not care for pointers."""
    tags = {_tag(one.declaration) for fields in wanted.values() for one in fields} - {""}
    return "\n".join(f"struct {tag};" for tag in sorted(tags))


def _embedded_first(wanted: Mapping[str, tuple[Field, ...]]) -> list[str]:
    """Order the structs so that each comes after those it has inside, not merely points at."""
    ordered: dict[str, None] = {}

    def place(name: str) -> None:
        for one in wanted[name]:
            if _is_embedded(one):
                place(_tag(one.declaration))
        ordered[name] = None

    for name in wanted:
        place(name)
    return list(ordered)


def _is_embedded(one: Field) -> bool:
    return bool(_tag(one.declaration)) and not _taken_apart(one.declaration)["stars"]


def _tag(declaration: str) -> str:
    """Name of the struct that a declaration mentions, or nothing."""
    base = _taken_apart(declaration)["base"]
    return base.removeprefix("struct ") if base.startswith("struct ") else ""


def _lacking(name: str, *paths: str) -> NodeError:
    what = " or ".join(f"{name}.{path}" for path in paths) or name
    return NodeError(
        f"kernel {platform.release()} has no struct {what}",
        remedy="Kinwatch wants a 64-bit kernel of 5.8 or newer, with cgroups; if this one is, update Kinwatch",
    )


def _misfit(name: str, declaration: str, *, expected: int, actual: int) -> NodeError:
    return NodeError(
        f"kernel {platform.release()} has struct {name}.{_taken_apart(declaration)['name']} in {actual} bytes, "
        f"where {declaration!r} takes {expected}",
        remedy="update Kinwatch; if it is the newest, report this line",
    )
