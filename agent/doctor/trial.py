"""
Try whether the kernel lets this process do what the probe needs: make a map, and load a program that reads its memory.

Flow: kernel -> **trial** -> permissions. Nothing is attached, and what was made is gone at once.

Capabilities, seccomp, user namespaces, security modules and lockdown all have a say in it; this is the proof.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from typing import Final

NUMBERS: Final = {"x86_64": 321, "aarch64": 280}
"""Number of bpf(2) by machine."""

_BPF_MAP_CREATE: Final = 0
_BPF_PROG_LOAD: Final = 5
_BPF_MAP_TYPE_ARRAY: Final = 2
_BPF_PROG_TYPE_RAW_TRACEPOINT: Final = 17
_ATTRIBUTE_BYTES: Final = 128
"""Bytes of `union bpf_attr` that are handed over; more than kernel 5.8 knows, the rest zero, as bpf(2) allows."""

_MAP: Final = struct.pack("=IIII", _BPF_MAP_TYPE_ARRAY, 4, 8, 1)
"""An array of one element of 8 bytes: map_type, key_size, value_size, max_entries."""

_PROBE_READ_KERNEL: Final = 113
"""bpf_probe_read_kernel: wants CAP_PERFMON, and is denied under lockdown=confidentiality."""
_PROGRAM: Final = b"".join(
    struct.pack("=BBhi", code, registers, offset, immediate)
    for code, registers, offset, immediate in (
        (0xBF, 0xA1, 0, 0),  # r1 = r10
        (0x07, 0x01, 0, -8),  # r1 += -8
        (0xB7, 0x02, 0, 8),  # r2 = 8
        (0xB7, 0x03, 0, 0),  # r3 = 0
        (0x85, 0x00, 0, _PROBE_READ_KERNEL),  # call: read 8 bytes at address 0 onto the stack
        (0xB7, 0x00, 0, 0),  # r0 = 0
        (0x95, 0x00, 0, 0),  # exit
    )
)
"""The smallest program that reads the kernel's memory, in the kernel's instruction encoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How it went; error numbers, 0 for success."""

    map_errno: int
    program_errno: int


def try_bpf(machine: str) -> Trial | None:
    """Try it for real; None on a machine whose number of bpf(2) is not known."""
    number = NUMBERS.get(machine)
    if number is None:
        return None
    return Trial(map_errno=_tried(number, _BPF_MAP_CREATE, _MAP), program_errno=_tried_program(number))


def _tried_program(number: int) -> int:
    instructions = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
    licence = ctypes.create_string_buffer(b"GPL")
    attribute = struct.pack(
        "=IIQQ",
        _BPF_PROG_TYPE_RAW_TRACEPOINT,
        len(_PROGRAM) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
    )
    return _tried(number, _BPF_PROG_LOAD, attribute)


def _tried(number: int, command: int, attribute: bytes) -> int:
    """Ask for one thing, and let go of it; the error number, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    room = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    descriptor = libc.syscall(
        ctypes.c_long(number), ctypes.c_long(command), ctypes.byref(room), ctypes.c_long(_ATTRIBUTE_BYTES)
    )
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0
