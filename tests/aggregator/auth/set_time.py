"""A clock that stands still until it is set."""

from __future__ import annotations

from aggregator.auth.clock import Clock

START_S = 1_800_000_000.0
"""January 2027, in seconds since the epoch."""


class SetTime:
    """Both clocks of `Clock`."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.set_by_s = 0.0
        """By how much the wall's clock was set forward."""
        self.clock = Clock(wall_s=self.wall_s, steady_s=self.steady_s)

    def wall_s(self) -> float:
        return START_S + self.passed_s + self.set_by_s

    def steady_s(self) -> float:
        return self.passed_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.passed_s += seconds
