"""
Read what a process costs: CPU time and memory.

Flow: **processes** -> benches. From /proc, so that it is the same for every tool that is compared.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Fields of /proc/PID/stat, counted from the one after the comm (proc(5): 14 and 15, counted from 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process had used at a moment."""

    at_s: float
    """CLOCK_MONOTONIC."""
    cpu_s: float
    """User and system time since it started, all threads."""
    rss_mb: float
    """Resident memory, in units of 10⁶ bytes."""
    peak_mb: float
    """The most that was ever resident."""

    def cpu_percent_since(self, earlier: Usage) -> float:
        """CPU since then, in percent of one core."""
        return 100 * (self.cpu_s - earlier.cpu_s) / max(self.at_s - earlier.at_s, 1e-9)


def usage(pid: int) -> Usage:
    """What a process has used by now; raises FileNotFoundError if it has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    return Usage(
        at_s=time.monotonic(),
        cpu_s=(int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S,
        rss_mb=_megabytes(status, "VmRSS"),
        peak_mb=_megabytes(status, "VmHWM"),
    )


def _megabytes(status: str, name: str) -> float:
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0
