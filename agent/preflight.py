"""
Say before anything is loaded whether this node can run the probe, and if not, what would mend it.

Flow: before **probe**. Takes what the node's files say, raises NodeError at the first thing that is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kinwatch.errors import NodeError

KERNEL_FLOOR: Final = (5, 8)
"""First kernel with the BPF ring buffer, and with CAP_BPF."""

CAP_SYS_ADMIN: Final = 21
CAP_PERFMON: Final = 38
CAP_BPF: Final = 39
_CAPABILITIES: Final = {CAP_BPF: "CAP_BPF", CAP_PERFMON: "CAP_PERFMON"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What the node says of itself."""

    release: str
    """`uname -r`."""
    capabilities: int
    """CapEff of this process, a bit each (include/uapi/linux/capability.h)."""
    lockdown: str
    """/sys/kernel/security/lockdown, the mode in force in brackets; empty where it can't be read."""
    btf: Path
    """The kernel's type information."""


def check(node: Node) -> None:
    """Raise NodeError unless the probe can be loaded here."""
    _check_kernel(node.release)
    _check_capabilities(node.capabilities)
    _check_lockdown(node.lockdown)
    _check_btf(node.btf)


def _check_kernel(release: str) -> None:
    found = re.match(r"(\d+)\.(\d+)", release)
    if found and (int(found[1]), int(found[2])) < KERNEL_FLOOR:
        raise NodeError(
            f"kernel {release} has no BPF ring buffer",
            remedy="run kernel 5.8 or newer: Debian 11, Ubuntu 22.04 and RHEL 9 have one",
        )


def _check_capabilities(capabilities: int) -> None:
    if capabilities >> CAP_SYS_ADMIN & 1:
        return
    missing = [name for bit, name in _CAPABILITIES.items() if not capabilities >> bit & 1]
    if missing:
        raise NodeError(
            f"this process may not load BPF programs: it lacks {' and '.join(missing)}",
            remedy="run the agent as root (sudo), or grant it CAP_BPF, CAP_PERFMON and CAP_DAC_READ_SEARCH",
        )


def _check_lockdown(lockdown: str) -> None:
    if "[confidentiality]" in lockdown:
        raise NodeError(
            "kernel lockdown is in the mode `confidentiality`, in which no probe may read the kernel's memory",
            remedy="boot with lockdown=integrity, or without lockdown",
        )


def _check_btf(btf: Path) -> None:
    if not btf.exists():
        raise NodeError(
            f"this kernel has no type information at {btf}",
            remedy="run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of Debian 11, Ubuntu 20.10, RHEL 8.2 and "
            "their successors are; in a container, mount /sys/kernel/btf of the host; or name a file by --btf",
        )


def this_node(*, release: str, btf: Path) -> Node:
    """What this machine says of itself."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, flags=re.MULTILINE)
    try:
        lockdown = Path("/sys/kernel/security/lockdown").read_text(encoding="ascii")
    except OSError:
        lockdown = ""
    return Node(release=release, capabilities=int(effective[1], 16) if effective else 0, lockdown=lockdown, btf=btf)
