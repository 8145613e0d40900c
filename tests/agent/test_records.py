"""What the kernel and user space hand each other is laid out alike on both sides, as the compiler really did it."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import program, records
from agent.btf import Btf, Member
from agent.cgroups import Hierarchy
from agent.program import Build
from agent.records import C_STRUCTS, Flag, Kind, NodeCount, Trait
from agent.syscalls import SyscallTable

pytestmark = pytest.mark.filterwarnings("ignore:not a bytes object:DeprecationWarning")  # BCC's own, from within

UNIFIED = Hierarchy(name="unified", number=0, mount=Path("/sys/fs/cgroup"))
SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_OBJ_GET_INFO_BY_FD, BPF_BTF_GET_FD_BY_ID = 15, 19
BTF_ID_AT = 128
"""Offset of `btf_id` in struct bpf_prog_info, include/uapi/linux/bpf.h."""

CONSTANTS = {
    "MAX_REPLICAS": records.MAX_REPLICAS,
    "CALLS_PER_TABLE": records.CALLS_PER_TABLE,
    "URING_OPCODES": records.URING_OPCODES,
    "UNIX_NAME_BYTES": records.UNIX_NAME_BYTES,
    "TAKE_POINTED": records.TAKE_POINTED,
    "CALL_WORDS": records.CALL_WORDS,
    "FEATURE_KINDS": records.FEATURE_KINDS,
    "NODE_COUNTS": records.NODE_COUNTS,
    **{f"RECORD_{kind.name}": kind.value for kind in Kind},
    **{f"FLAG_{flag.name}": flag.value for flag in Flag},
    **{f"NODE_{count.name}": count.value for count in NodeCount},
    **{f"TRAIT_{name}": value for name, value in vars(Trait).items() if name.isupper()},
}
NOT_SHARED = {
    "PATH_BYTES",
    "PATH_DEPTH",
    "NAME_BYTES",
    "ARGUMENT_BYTES",
    "MAX_FILES",
    "MAX_CWDS",
    "MAX_PROCESSES",
    "MAX_ENDPOINTS",
    "MAX_PRIVILEGES",
    "MAX_LISTENING",
    "MAX_REVISITS",
}
"""Bounds of bpf/records.h that user space has no use for."""
HEADER = (program.BPF_FOLDER / "records.h").read_text()


@pytest.fixture(name="bpf", scope="module")
def _bpf() -> Iterator[Any]:
    """The program as BCC compiled it, with a map beside it for each constant: as many elements, and one more."""
    os.environ["BCC_KERNEL_SOURCE"] = str(program.BPF_FOLDER)
    from bcc import BPF  # noqa: PLC0415 - the distribution's package may be missing where kernel tests are skipped

    build = Build.of(Btf.read(), UNIFIED, SyscallTable.of(platform.machine()), pid_max=32768)
    scales = "".join(f"BPF_ARRAY(scale_{name}, u8, ({name}) + 1);\n" for name in CONSTANTS)
    bpf = BPF(text=program.source(build) + scales, cflags=program.compiler_options(build))
    yield bpf
    bpf.cleanup()


@pytest.fixture(name="compiled", scope="module")
def _compiled(bpf: Any) -> Btf:
    """The types of the loaded program, as the kernel got them from the compiler."""
    function = bpf.load_func(b"on_sys_enter", bpf.RAW_TRACEPOINT)
    info = _info(function.fd)
    return Btf.parse(_btf(struct.unpack_from("=I", info, BTF_ID_AT)[0]), origin="on_sys_enter")


def _btf(btf_id: int) -> bytes:
    assert btf_id, "the program was loaded without its types"
    descriptor = _bpf_call(BPF_BTF_GET_FD_BY_ID, struct.pack("=I", btf_id))
    try:
        size = struct.unpack_from("=QI", _info(descriptor))[1]
        room = ctypes.create_string_buffer(size)
        _info(descriptor, struct.pack("=QI", ctypes.addressof(room), size))
    finally:
        os.close(descriptor)
    return room.raw


def _info(descriptor: int, asked: bytes = b"") -> bytes:
    info = ctypes.create_string_buffer(asked, 256 if not asked else 32)
    _bpf_call(BPF_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info)))
    return info.raw


def _bpf_call(command: int, attributes: bytes) -> int:
    room = ctypes.create_string_buffer(attributes, 128)
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(SYS_BPF[platform.machine()], command, room, len(room))
    if result < 0:
        raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])
    return result


@pytest.mark.kernel
@pytest.mark.parametrize("name", C_STRUCTS)
def test_struct_is_laid_out_as_compiled(compiled: Btf, name: str) -> None:
    """Each member has the offset and the size that the compiler gave it, and the whole has its size."""
    mirror = C_STRUCTS[name]
    members = [member for member, *_ in mirror._fields_]
    here = {member: getattr(mirror, member) for member in members}

    assert {member: compiled.member(name, member) for member in members} == {
        member: Member(offset=field.offset, size=field.size) for member, field in here.items()
    }
    assert compiled.size_of(name) == ctypes.sizeof(mirror)


@pytest.mark.kernel
@pytest.mark.parametrize("name", C_STRUCTS)
def test_struct_has_no_member_that_user_space_lacks(compiled: Btf, name: str) -> None:
    """Sizes add up, so nothing lies between the members that are compared."""
    assert sum(compiled.member(name, member).size for member, *_ in C_STRUCTS[name]._fields_) == compiled.size_of(name)  # type: ignore[union-attr]


@pytest.mark.kernel
@pytest.mark.parametrize("name", CONSTANTS)
def test_constant_is_as_compiled(bpf: Any, name: str) -> None:
    """Bounds, kinds, flags and traits."""
    assert bpf[f"scale_{name}"].max_entries - 1 == CONSTANTS[name]


def test_every_shared_struct_has_a_mirror() -> None:
    assert set(re.findall(r"^struct (\w+) \{", HEADER, flags=re.MULTILINE)) == set(C_STRUCTS)


def test_every_constant_is_compared() -> None:
    """A new kind, flag, count, trait or bound is shared, or is said not to be."""
    defined = re.findall(r"^#define (\w+)", HEADER, flags=re.MULTILINE)
    enumerated = re.findall(r"^\t([A-Z_]+) =", HEADER, flags=re.MULTILINE)

    assert {*defined, *enumerated} - NOT_SHARED - {"MAX_SEEN"} == set(CONSTANTS)


def _head(**members: Any) -> bytes:
    return bytes(records.RecordHead(**members))


def test_record_is_its_head_and_its_payload() -> None:
    """What lies behind the payload, in the ring's rounding, belongs to nobody."""
    head = _head(kind=1, flags=1, slot=7, window=3, payload_bytes=5, mode=0o40755, comm=b"sh")
    record = records.decode(head + b"/tmp\0xxx")

    assert (record.kind, record.flags, record.slot, record.window) == (Kind.CWD, Flag.CUT, 7, 3)
    assert (record.payload, record.comm, record.mode) == (b"/tmp\0", b"sh", 0o40755)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_head(payload_bytes=6) + b"/tmp\0", id="payload is cut"),
        pytest.param(_head(kind=99), id="kind is unknown"),
        pytest.param(_head()[:-1], id="head is cut"),
        pytest.param(b"", id="empty"),
    ],
)
def test_record_that_says_more_than_it_holds_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ctypes words it by itself
        records.decode(data)
