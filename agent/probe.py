"""
Run the probe in the kernel, and hand over what it collects.

Flow: **probe** -> drain. The one module that knows BCC. Takes a Build, gives records as they come and, for each slot,
the system calls and the counts of a window.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np

from agent import program
from agent.privileges import interests_of
from agent.records import (
    CALL_WORDS,
    MAX_REPLICAS,
    NODE_COUNTS,
    CallInterest,
    CallSet,
    CallTraits,
    CgroupSlot,
    Control,
    Kind,
    NodeCount,
    Record,
    ReplicaCount,
    decode,
)
from agent.syscalls import SyscallTable
from agent.traits import traits_of
from agent.values import SlotWindow
from kinwatch.errors import NodeError

_MEMBARRIER_CMD_GLOBAL: Final = 1
"""Waits until every CPU has left what it was doing when the call began, BPF programs included (membarrier(2))."""
_MEMBARRIER_MISSING_WAIT_S: Final = 0.05
"""Where the kernel refuses it (nohz_full): far longer than a program of ours can run."""
_CALL_SET_WORDS: Final = 1 + CALL_WORDS


class Probe:
    """The loaded and attached programs; a context manager, whose end detaches them."""

    def __init__(self, bpf: Any, *, membarrier_number: int) -> None:
        self._bpf = bpf
        self._records: list[Record] = []
        self._broken: list[Exception] = []
        self._membarrier_number = membarrier_number
        self._control_map = mmap.mmap(bpf["control"].map_fd, mmap.PAGESIZE)
        self._control = Control.from_buffer(self._control_map)
        self._calls = bpf.get_table("calls", leaftype=CallSet)
        self._counts = bpf.get_table("counts", leaftype=ReplicaCount)
        self._slots = bpf.get_table("slots", leaftype=CgroupSlot)
        self._free = bpf["free_slots"]

    @classmethod
    def load(cls, build: program.Build, *, table: SyscallTable) -> Self:
        """Compile, load and attach; NodeError if this node's kernel takes it badly."""
        bpf = _compiled(build)
        _tell_of_calls(bpf, table)
        probe = cls(bpf, membarrier_number=table.numbers["membarrier"])
        probe._control.window = 1
        for slot in range(1, MAX_REPLICAS):
            probe._free.push(ctypes.c_uint32(slot))  # they are empty
        bpf["ring"].open_ring_buffer(probe._receive)
        _attach(bpf, program.hooks(build))
        bpf.free_bcc_memory()
        return probe

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bpf.cleanup()

    @property
    def window(self) -> int:
        """Number of the open window, counted from 1 at the start of the agent."""
        return int(self._control.window)

    def flip(self) -> int:
        """Open the next window and wait until no program still writes to the one before, whose number is returned."""
        closed = self.window
        self._control.window = closed + 1
        self._await_programs()
        return closed

    def _await_programs(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(self._membarrier_number, _MEMBARRIER_CMD_GLOBAL, 0, 0) != 0:
            time.sleep(_MEMBARRIER_MISSING_WAIT_S)

    def poll(self, timeout_s: float) -> list[Record]:
        """The records that came since the last call; waits for one at most timeout_s."""
        self._bpf.ring_buffer_poll(int(timeout_s * 1000))
        return self._taken()

    def drain(self) -> list[Record]:
        """All that is in the ring."""
        self._bpf.ring_buffer_consume()
        return self._taken()

    def _taken(self) -> list[Record]:
        if self._broken:
            raise self._broken[0]
        taken, self._records = self._records, []
        return taken

    def _receive(self, _: object, data: int, size: int) -> None:
        try:
            self._records.append(decode(ctypes.string_at(data, size)))
        except ValueError as error:  # raised here it would be printed and lost: C is between us and the caller
            self._broken.append(error)

    def free_slot(self) -> int | None:
        """Take a slot that nothing uses; None if there is none."""
        try:
            return int(self._free.pop().value)
        except KeyError:
            return None

    def assign(self, cgroup_id: int, slot: int) -> None:
        """Count what the tasks of a cgroup do to a slot, from their next system call on."""
        self._slots[ctypes.c_uint64(cgroup_id)] = CgroupSlot(slot=slot, provisional=0)
        self._control.changes += 1

    def leave(self, cgroup_id: int) -> None:
        """Watch a cgroup no longer."""
        try:
            del self._slots[ctypes.c_uint64(cgroup_id)]
        except KeyError:
            return
        self._control.changes += 1

    def recycle(self, slot: int) -> None:
        """Give a slot back, empty. No cgroup may be assigned to it since before the last flip."""
        for half in (0, 1):
            self._empty(slot << 1 | half)
        self._free.push(ctypes.c_uint32(slot))

    def take(self, slot: int, window: int) -> SlotWindow:
        """What a slot gathered in a closed window; leaves it empty for the window after the next."""
        element = slot << 1 | window & 1
        words = np.frombuffer(self._calls[ctypes.c_int(element)], dtype=np.uint64).reshape(-1, _CALL_SET_WORDS)
        count = self._counts[ctypes.c_int(element)]
        gathered = SlotWindow(
            events=int(words[:, 0].sum()),
            calls=_bits(np.bitwise_or.reduce(words[:, 1:], axis=0)),
            lost=_per_kind(count.lost),
            truncated=_per_kind(count.truncated),
        )
        self._empty(element)
        return gathered

    def _empty(self, element: int) -> None:
        self._calls[ctypes.c_int(element)] = self._calls.Leaf()
        self._counts[ctypes.c_int(element)] = ReplicaCount()

    def node_counts(self) -> Mapping[NodeCount, int]:
        """What the kernel counted for the node as a whole since the start of the agent."""
        counts = self._bpf["node_counts"]
        return {NodeCount(which): int(counts[ctypes.c_int(which)].value) for which in range(NODE_COUNTS)}


def _compiled(build: program.Build) -> Any:
    """BCC's object of the compiled program; BCC asks the environment where the kernel's headers are."""
    os.environ["BCC_KERNEL_SOURCE"] = str(program.BPF_FOLDER)
    try:
        from bcc import BPF  # noqa: PLC0415 - the distribution's package may be missing, and the rest works without it
    except ImportError as error:
        raise NodeError(
            f"importing BCC: {error}",
            remedy="install the distribution's package python3-bpfcc (PyPI's `bcc` is another program), and make the "
            "virtual environment from /usr/bin/python3 with --system-site-packages",
        ) from error
    try:
        return BPF(text=program.source(build), cflags=program.compiler_options(build))
    except Exception as error:  # BCC raises nothing finer
        raise NodeError(
            f"compiling the probe for this kernel: {error}",
            remedy="the compiler's words stand above; please report them with the output of `uname -r`",
        ) from error


def _tell_of_calls(bpf: Any, table: SyscallTable) -> None:
    """Write down for the programs what each system call asks of them besides its bit."""
    traits = CallTraits()
    for bit, trait in traits_of(table).items():
        traits.of[bit] = trait
    bpf.get_table("traits", leaftype=CallTraits)[ctypes.c_int(0)] = traits
    interests = bpf.get_table("interests", leaftype=CallInterest)
    for bit, interest in interests_of(table).items():
        interests[ctypes.c_int(bit)] = interest


def _attach(bpf: Any, hooks: Mapping[str, str]) -> None:
    """Load all programs, tell those that jump to each other where the others are, and attach them."""
    jumps = bpf["programs"]
    for index, name in enumerate(program.JUMPS):
        jumps[ctypes.c_int(index)] = ctypes.c_int(_loaded(bpf, name).fd)
    for tracepoint, name in hooks.items():
        _loaded(bpf, name)
        bpf.attach_raw_tracepoint(tp=tracepoint.encode(), fn_name=name.encode())


def _loaded(bpf: Any, name: str) -> Any:
    try:
        return bpf.load_func(name.encode(), bpf.RAW_TRACEPOINT)
    except Exception as error:  # BCC raises nothing finer
        raise NodeError(
            f"loading {name} into the kernel: {error}",
            remedy="if it says «Operation not permitted»: run as root or grant CAP_BPF, CAP_PERFMON and "
            "CAP_SYS_RESOURCE; if lockdown is `confidentiality` (/sys/kernel/security/lockdown), the kernel allows "
            "no probe to read its memory; else report the verifier's words above with the output of `uname -r`",
        ) from error


def _bits(words: Any) -> frozenset[int]:
    """Positions of the bits set in an array of 64-bit words, the lowest of the first word being 0."""
    return frozenset(np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist())


def _per_kind(counts: Any) -> dict[Kind, int]:
    return {Kind(kind): int(count) for kind, count in enumerate(counts) if count}
