"""
Name the system calls that the probe saw as numbers.

Flow: probe -> **syscalls** -> drain. Takes a number and the node's architecture, gives the name.

The tables are those of the library system-calls, made from the kernel's own tables: names as strace prints them
(newfstatat, pread64, prlimit64), checked against strace 6.1 call by call on x86_64, native and 32-bit. Calls that are
gone from the kernel (uselib, _sysctl …), which strace still names, are numbers here: they can only fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from system_calls import syscalls

from kinwatch.errors import NodeError

_ARCHITECTURES: Final = MappingProxyType({"x86_64": ("x86_64", "i386"), "aarch64": ("arm64", "arm")})
"""Machine as uname says it -> the library's words for its own calls and for those of its 32-bit programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyscallTable:
    """The system calls of one architecture."""

    names: Mapping[int, str]
    """Number -> name."""
    compat_names: Mapping[int, str]
    """Number -> name, for calls that 32-bit programs make on a 64-bit kernel; the numbers mean other calls there."""
    numbers: Mapping[str, int]
    """Name -> number, of the architecture's own calls."""

    @classmethod
    def of(cls, machine: str) -> Self:
        """Take the tables for a machine as `platform.machine()` names it; NodeError for one that has no probe."""
        if machine not in _ARCHITECTURES:
            raise _foreign(machine)
        library = syscalls()
        native, compat = _ARCHITECTURES[machine]
        return cls(
            names=library.load_reverse_arch_table(native),
            compat_names=library.load_reverse_arch_table(compat),
            numbers=library.load_arch_table(native),
        )

    def name(self, number: int) -> str:
        """Name of a call, or `syscall_<n>` for a number that the table lacks: newer than it, gone, or made up."""
        return self.names.get(number, _unknown(number))

    def compat_name(self, number: int) -> str:
        """
        Name of a call that a 32-bit program made.

        It stands without a mark, since a compat call is the same call: `openat` is `openat` whichever way it came in.
        """
        return self.compat_names.get(number, _unknown(number))

    def number(self, name: str) -> int | None:
        """Number of a call of the architecture's own; None where it has none of that name, as aarch64 has no `open`."""
        return self.numbers.get(name)


def _unknown(number: int) -> str:
    return f"syscall_{number}"


def _foreign(machine: str) -> NodeError:
    return NodeError(
        f"there is no probe for machine {machine!r}",
        remedy=f"run the agent on nodes of {' or '.join(_ARCHITECTURES)} only, by a nodeSelector on kubernetes.io/arch",
    )
