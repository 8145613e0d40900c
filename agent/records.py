"""
The records that the kernel and user space share, as bpf/records.h lays them out.

Flow: probe -> **records** -> drain. Each ctypes structure mirrors the C struct of the same name; a test compares them
with the layout that was compiled.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

MAX_REPLICAS: Final = 4096
"""Slots; slot 0 is "not watched"."""
CALLS_PER_TABLE: Final = 512
"""System calls in a set; as many again for 32-bit ones. The last bit of each half stands for numbers above."""
URING_OPCODES: Final = 128
"""io_uring operations, behind the system calls; the last stands for opcodes above."""
CALL_WORDS: Final = (2 * CALLS_PER_TABLE + URING_OPCODES) // 64
FEATURE_KINDS: Final = 6
UNIX_NAME_BYTES: Final = 108


class Kind(IntEnum):
    """What a record tells; `enum record_kind`. The first FEATURE_KINDS are counted per replica."""

    FILE = 0
    CWD = 1
    PROCESS = 2
    ENDPOINT = 3
    CREDENTIALS = 4
    PRIVILEGED_CALL = 5
    CGROUP_MADE = 6
    CGROUP_GONE = 7


class Flag(IntFlag):
    """How a record is to be read; `enum record_flag`."""

    CUT = 1
    UNREADABLE = 2
    PSEUDO = 4
    INHERITED = 8
    OUTSIDE = 16
    MEMFD = 32
    DELETED = 64


class NodeCount(IntEnum):
    """What the kernel counts for the node as a whole; `enum node_count`."""

    CGROUPS_LOST = 0
    SLOTS_LOST = 1
    THREADS_LOST = 2


NODE_COUNTS: Final = len(NodeCount)


class Trait:
    """What a system call asks of the probe besides its bit; `TRAIT_*`."""

    FIRST_FD: Final = 7
    SECOND_FD: Final = 56
    RESCAN: Final = 64
    PRIVILEGED: Final = 128
    CLOSES: Final = 256
    ADDRESSED: Final = 512


class RecordHead(ctypes.Structure):
    """`struct record`, without its payload."""

    _fields_ = (
        ("ktime_ns", ctypes.c_uint64),
        ("cgroup_id", ctypes.c_uint64),
        ("fs_magic", ctypes.c_uint64),
        ("window", ctypes.c_uint32),
        ("tgid", ctypes.c_uint32),
        ("tid", ctypes.c_uint32),
        ("parent_tgid", ctypes.c_uint32),
        ("payload_bytes", ctypes.c_uint16),
        ("slot", ctypes.c_uint16),
        ("mode", ctypes.c_uint16),
        ("family", ctypes.c_uint16),
        ("kind", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("zero", ctypes.c_uint8 * 6),
        ("comm", ctypes.c_char * 16),
        ("parent_comm", ctypes.c_char * 16),
    )


class Endpoint(ctypes.Structure):
    """`struct endpoint`, a payload."""

    _fields_ = (
        ("remote", ctypes.c_uint8 * 16),
        ("remote_port", ctypes.c_uint16),
        ("local_port", ctypes.c_uint16),
        ("protocol", ctypes.c_uint16),
        ("state", ctypes.c_uint8),
        ("type", ctypes.c_uint8),
    )


class UnixEndpoint(ctypes.Structure):
    """`struct unix_endpoint`, a payload."""

    _fields_ = (
        ("own_bytes", ctypes.c_uint16),
        ("peer_bytes", ctypes.c_uint16),
        ("type", ctypes.c_uint16),
        ("zero", ctypes.c_uint16),
        ("own", ctypes.c_uint8 * UNIX_NAME_BYTES),
        ("peer", ctypes.c_uint8 * UNIX_NAME_BYTES),
    )


class Credentials(ctypes.Structure):
    """`struct credentials`, a payload."""

    _fields_ = (
        ("uid", ctypes.c_uint32),
        ("euid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("egid", ctypes.c_uint32),
        ("effective", ctypes.c_uint64),
    )


class PrivilegedCall(ctypes.Structure):
    """`struct privileged_call`, a payload."""

    _fields_ = (("arguments", ctypes.c_uint64 * 5), ("index", ctypes.c_uint32), ("zero", ctypes.c_uint32))


class CallInterest(ctypes.Structure):
    """`struct call_interest`."""

    _fields_ = (
        ("take", ctypes.c_uint8),
        ("tested", ctypes.c_uint8),
        ("all", ctypes.c_uint8),
        ("zero", ctypes.c_uint8),
        ("wanted", ctypes.c_uint32),
        ("kept", ctypes.c_uint32),
        ("zero2", ctypes.c_uint32),
    )


TAKE_POINTED: Final = 128


class CallSet(ctypes.Structure):
    """`struct call_set`."""

    _fields_ = (("events", ctypes.c_uint64), ("bits", ctypes.c_uint64 * CALL_WORDS))


class ReplicaCount(ctypes.Structure):
    """`struct replica_count`."""

    _fields_ = (
        ("stored", ctypes.c_uint32 * FEATURE_KINDS),
        ("lost", ctypes.c_uint32 * FEATURE_KINDS),
        ("truncated", ctypes.c_uint32 * FEATURE_KINDS),
        ("zero", ctypes.c_uint32),
    )


class Control(ctypes.Structure):
    """`struct control`."""

    _fields_ = (
        ("window", ctypes.c_uint32),
        ("changes", ctypes.c_uint32),
        ("moves", ctypes.c_uint32),
        ("zero", ctypes.c_uint32),
    )


class CallTraits(ctypes.Structure):
    """`struct call_traits`."""

    _fields_ = (("of", ctypes.c_uint16 * (2 * CALLS_PER_TABLE)),)


class CgroupSlot(ctypes.Structure):
    """`struct cgroup_slot`."""

    _fields_ = (("slot", ctypes.c_uint32), ("provisional", ctypes.c_uint32))


C_STRUCTS: Final[dict[str, type[ctypes.Structure]]] = {
    "record": RecordHead,
    "call_set": CallSet,
    "replica_count": ReplicaCount,
    "control": Control,
    "call_traits": CallTraits,
    "cgroup_slot": CgroupSlot,
    "call_interest": CallInterest,
    "endpoint": Endpoint,
    "unix_endpoint": UnixEndpoint,
    "credentials": Credentials,
    "privileged_call": PrivilegedCall,
}
"""Name of each shared struct in bpf/records.h → its mirror."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it came out of the ring."""

    kind: Kind
    flags: Flag
    slot: int
    window: int
    ktime_ns: int
    cgroup_id: int
    fs_magic: int
    mode: int
    family: int
    tgid: int
    tid: int
    parent_tgid: int
    comm: bytes
    parent_comm: bytes = b""
    payload: bytes


def text(raw: bytes) -> str:
    """Bytes from the kernel as text; what is not UTF-8 is spelled out in hex, so that equal bytes stay equal."""
    return raw.decode("utf-8", "backslashreplace")


_HEAD_BYTES: Final = ctypes.sizeof(RecordHead)


def decode(data: bytes) -> Record:
    """The record in `data`, as the kernel wrote it; raises ValueError if it is shorter than it says."""
    head = RecordHead.from_buffer_copy(data)
    payload = data[_HEAD_BYTES : _HEAD_BYTES + head.payload_bytes]
    if len(payload) != head.payload_bytes:
        message = f"a record of {len(data)} bytes says that its payload has {head.payload_bytes}"
        raise ValueError(message)
    return Record(
        kind=Kind(head.kind),
        flags=Flag(head.flags),
        slot=head.slot,
        window=head.window,
        ktime_ns=head.ktime_ns,
        cgroup_id=head.cgroup_id,
        fs_magic=head.fs_magic,
        mode=head.mode,
        family=head.family,
        tgid=head.tgid,
        tid=head.tid,
        parent_tgid=head.parent_tgid,
        comm=head.comm,
        parent_comm=head.parent_comm,
        payload=payload,
    )
