"""Ask the played cluster by a clock that is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from set_time import SetTime

from aggregator.auth.lines import Lines
from aggregator.auth.reviews import Reviews
from kinwatch.apiserver.connection import Connection


def reviewing(connect: Callable[[], Connection], time: SetTime, *, read_s: float = 5.0, **lines: Any) -> Reviews:
    """The word of who is connected to."""
    return Reviews(Lines(connect, clock=time.clock, **lines), read_s=read_s)
