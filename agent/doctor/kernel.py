"""
Check the kernel itself: its version, its machine, its types, what it is locked down to; and the compiler for it.

Flow: files -> **kernel** -> report.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding

FLOOR: Final = (5, 8)
"""First kernel with the BPF ring buffer, and with CAP_BPF."""
MACHINES: Final = ("x86_64", "aarch64")
"""Machines, as uname says, whose registers the probe can read."""
BTF_MAGIC: Final = b"\x9f\xeb"
"""0xEB9F, little-endian as both machines are (include/uapi/linux/btf.h)."""

KERNEL: Final = Check(name="kernel", why="the BPF ring buffer and CAP_BPF came with kernel 5.8", fatal=True)
ARCHITECTURE: Final = Check(
    name="architecture", why="the probe reads registers, which differ from machine to machine", fatal=True
)
BTF: Final = Check(
    name="btf", why="the probe is compiled against the kernel's own types, in place of kernel headers", fatal=True
)
LOCKDOWN: Final = Check(
    name="lockdown", why="in the mode `confidentiality` no probe may read the kernel's memory", fatal=True
)
BCC: Final = Check(name="bcc", why="BCC compiles and loads the probe", fatal=True)
CHECKS: Final = (KERNEL, ARCHITECTURE, BTF, LOCKDOWN, BCC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What the node says of its kernel."""

    release: str
    """`uname -r`."""
    machine: str
    """`uname -m`."""
    is_64_bit: bool
    """Whether this process is."""
    btf: Path
    btf_head: bytes | Unreadable
    """First bytes of the kernel's type information."""
    lockdown: str | Unreadable
    """/sys/kernel/security/lockdown, the mode in force in brackets."""
    securityfs: bool
    """Whether anything is mounted at /sys/kernel/security."""
    bcc: Path | None
    """Where the Python package `bcc` is; None if it isn't."""


def this_kernel(files: Files, btf: Path) -> Kernel:
    """What this node says."""
    return Kernel(
        release=platform.release(),
        machine=platform.machine(),
        is_64_bit=sys.maxsize > 1 << 32,
        btf=btf,
        btf_head=files.bytes_of(btf, limit=len(BTF_MAGIC)),
        lockdown=files.text("/sys/kernel/security/lockdown"),
        securityfs=bool(files.names("/sys/kernel/security")),
        bcc=_bcc(),
    )


def _bcc() -> Path | None:
    spec = importlib.util.find_spec("bcc")
    return Path(spec.origin).parent if spec and spec.origin else None


def judge(kernel: Kernel) -> Sequence[Finding]:
    """What is to be said of a kernel."""
    return (_release(kernel), _architecture(kernel), _btf(kernel), _lockdown(kernel), _compiler(kernel.bcc))


def version_of(release: str) -> tuple[int, int] | None:
    """Major and minor number of a kernel's release; None where they can't be read."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else None


def _release(kernel: Kernel) -> Finding:
    version = version_of(kernel.release)
    if version is None:
        return KERNEL.warning(
            f"kernel {kernel.release!r}, a release that has no number",
            remedy="run kernel 5.8 or newer; this one is tried",
        )
    if version < FLOOR:
        return KERNEL.failed(
            f"kernel {kernel.release}, which has no BPF ring buffer",
            remedy="run kernel 5.8 or newer: Debian 11, Ubuntu 22.04 and RHEL 9 have one",
        )
    return KERNEL.ok(f"kernel {kernel.release}")


def _architecture(kernel: Kernel) -> Finding:
    if kernel.machine not in MACHINES:
        return ARCHITECTURE.failed(
            f"machine {kernel.machine}, for which there is no probe",
            remedy=f"run the agent on nodes of {' or '.join(MACHINES)} only, by a nodeSelector on kubernetes.io/arch",
        )
    if not kernel.is_64_bit:
        return ARCHITECTURE.failed(
            f"a 32-bit Python on machine {kernel.machine}",
            remedy="run the agent by a 64-bit Python, of the node's own machine",
        )
    return ARCHITECTURE.ok(f"{kernel.machine}, 64-bit")


def _btf(kernel: Kernel) -> Finding:
    if isinstance(kernel.btf_head, Unreadable):
        return _no_btf(kernel.btf_head)
    if kernel.btf_head != BTF_MAGIC:
        return BTF.failed(
            f"{kernel.btf} is not BTF: it begins with {kernel.btf_head.hex(' ') or 'nothing'}, "
            f"not with {BTF_MAGIC.hex(' ')}",
            remedy="name the kernel's raw type information by --btf, such as /sys/kernel/btf/vmlinux; of a vmlinux "
            "file, `objcopy -O binary --only-section=.BTF --set-section-flags .BTF=alloc vmlinux btf` takes it out",
        )
    return BTF.ok(f"the kernel's types are at {kernel.btf}")


def _no_btf(unreadable: Unreadable) -> Finding:
    if not unreadable.missing:
        return BTF.failed(str(unreadable), remedy="run the agent as root, or let it read this file")
    return BTF.failed(
        f"this kernel has no type information at {unreadable.path}",
        remedy="run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of Debian 11, Ubuntu 20.10, RHEL 8.2 and "
        "their successors are; in a container, mount /sys/kernel/btf of the host; or name a file by --btf",
    )


def _lockdown(kernel: Kernel) -> Finding:
    if isinstance(kernel.lockdown, Unreadable):
        return LOCKDOWN.skipped(_unknown_lockdown(kernel.lockdown, securityfs=kernel.securityfs))
    mode = re.search(r"\[(\w+)\]", kernel.lockdown)
    if mode and mode[1] == "confidentiality":
        return LOCKDOWN.failed(
            "kernel lockdown is in the mode `confidentiality`",
            remedy="boot with lockdown=integrity, or without lockdown; on Talos it comes with Secure Boot",
        )
    return LOCKDOWN.ok(f"kernel lockdown is in the mode `{mode[1] if mode else kernel.lockdown.strip()}`")


def _unknown_lockdown(unreadable: Unreadable, *, securityfs: bool) -> str:
    if not unreadable.missing:
        return f"{unreadable}; the check bpf-permission tells whether the probe may read the kernel's memory"
    if securityfs:
        return f"this kernel knows no lockdown: there is no {unreadable.path}"
    return (
        f"there is no {unreadable.path}: no securityfs is mounted here, or the kernel knows no lockdown; the check "
        "bpf-permission tells whether the probe may read the kernel's memory"
    )


def _compiler(bcc: Path | None) -> Finding:
    remedy = (
        "install the distribution's package python3-bpfcc, and make the virtual environment from /usr/bin/python3 with "
        "--system-site-packages"
    )
    if bcc is None:
        return BCC.failed("Python finds no package `bcc`", remedy=remedy)
    if not (bcc / "libbcc.py").exists():
        return BCC.failed(f"the package `bcc` in {bcc} is not BCC, but PyPI's program of that name", remedy=remedy)
    return BCC.ok(f"BCC is in {bcc}")
