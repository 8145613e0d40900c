"""
Check that the node's clock is kept right.

Flow: kernel -> **clock** -> report.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.doctor.finding import Check, Finding

CLOCK: Final = Check(
    name="clock", why="windows begin by the wall clock, and replicas on two nodes are compared window by window"
)
CHECKS: Final = (CLOCK,)

TOLERATED: Final = 0.25
"""Share of a window by which the clock may be off: then three quarters of the windows of two nodes overlap."""
_STA_UNSYNC: Final = 0x40
_UNSYNCHRONISED_US: Final = 16_000_000
"""The kernel lets its estimate of the error grow to this and no further (NTP_PHASE_LIMIT, include/linux/timex.h)."""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` on 64-bit machines, with room for the rest (include/uapi/linux/timex.h)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the kernel says of its clock."""

    unsynchronised: bool
    """Whether the flag STA_UNSYNC is set; chronyd without rtcsync leaves it set."""
    max_error_us: int
    """By how much it may be off, in microseconds."""


def this_clock() -> Clock | None:
    """What the kernel says; None where a seccomp profile refuses adjtimex(2)."""
    timex = _Timex(modes=0)
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return Clock(unsynchronised=bool(timex.status & _STA_UNSYNC), max_error_us=timex.maxerror)


def judge(clock: Clock | None, *, window_s: float) -> Sequence[Finding]:
    """What is to be said of it. As systemd does, the error counts and not the flag."""
    if clock is None:
        return (CLOCK.skipped("the kernel doesn't tell: adjtimex(2) is refused, as by a seccomp profile"),)
    tolerated_s = window_s * TOLERATED
    remedy = (
        "run chronyd, systemd-timesyncd or ntpd on the node (`timedatectl set-ntp true`), and see that it reaches its "
        "servers (`chronyc tracking`, `timedatectl timesync-status`)"
    )
    if clock.max_error_us >= _UNSYNCHRONISED_US:
        return (CLOCK.warning("nothing keeps the clock right: the kernel calls it unsynchronised", remedy=remedy),)
    found = f"synchronised, and off by at most {clock.max_error_us / 1e6:.3g} s"
    if clock.max_error_us > tolerated_s * 1e6:
        return (CLOCK.warning(f"{found}, of windows of {window_s:g} s", remedy=remedy),)
    return (CLOCK.ok(found),)
