"""
Moments and windows as both databases keep them: whole microseconds since the epoch, in UTC.

Flow: beside **store**. Integers are the same in both, order the same, and lose nothing of a datetime.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from kinwatch.snapshot import Window

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000


def in_us(moment: datetime) -> int:
    """Microseconds from the epoch to a moment."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    """The moment that many microseconds after the epoch."""
    return _EPOCH + timedelta(microseconds=us)


def length_us(window: Window) -> int:
    """A window's length, at least a microsecond."""
    return max(1, round(window.seconds * SECOND_US))


def window_of(start_us: int, length: int) -> Window:
    """The window that begins there and is that long."""
    return Window(start=moment(start_us), seconds=length / SECOND_US)
