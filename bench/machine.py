"""
Describe the machine on which something was measured.

Flow: **machine** -> report. A figure without it means nothing.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

BUSY_LOAD_PER_CPU: Final = 0.35
"""Load average (1 min) per CPU above which figures are not to be kept: somebody else is at work."""


def described() -> dict[str, str]:
    """What stands beside every table."""
    return {
        "date": f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC",
        "CPU": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "BCC": _bcc(),
        "LLVM": _llvm(),
        "Python": platform.python_version(),
        "load average before": f"{load_average():.2f}",
        "other probes on sys_enter": str(_other_probes()),
    }


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def busy(machine: Mapping[str, str]) -> bool:
    """Whether others were at work, or watching, when the machine was described."""
    loaded = float(machine["load average before"]) > BUSY_LOAD_PER_CPU * (os.cpu_count() or 1)
    return loaded or machine["other probes on sys_enter"] != "0"


def _other_probes() -> int:
    """How many raw tracepoints others hold on sys_enter: with one, nothing is bare (fdinfo of a BPF link, proc(5))."""
    found = 0
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        with contextlib.suppress(OSError):
            found += bool(re.search(r"^tp_name:\s*sys_enter$", info.read_text(), re.MULTILINE))
    return found


def _cpu_model() -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{model[1] if model else platform.machine()}"


def _bcc() -> str:
    try:
        import bcc  # noqa: PLC0415 - the distribution's package may be missing
    except ImportError:
        return "none"
    return str(bcc.__version__)


def _llvm() -> str:
    """The LLVM that BCC has loaded into this process, by the name of its library."""
    found = re.search(r"libLLVM[-.](?:so\.)?([\d.]+\d)", Path("/proc/self/maps").read_text())
    return found[1] if found else "built into BCC"
