"""
Say how the server is: whether it lives, and why it is not ready.

Flow: app -> **health**. A reason a line, each with what mends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aggregator.serve.intake import Intake
from aggregator.serve.refused import not_stored
from kinwatch.printable import printable

FAULT_S: Final = 15.0
"""How long a fault of the store counts, in seconds, unless a batch is stored before: an aggregator that is not ready is
sent no batches, and would never find that the fault has gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindrance:
    """Why the server is not ready."""

    reason: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return printable(f"{self.problem} (remedy: {self.remedy})")


class Health:
    """How the server is."""

    def __init__(self, intake: Intake, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._intake, self._monotonic_s = intake, monotonic_s
        self._is_stopping = False

    def stop(self) -> None:
        """Say from now on that it stops."""
        self._is_stopping = True

    def hindrances(self) -> list[Hindrance]:
        """Why it is not ready; empty if it is."""
        hindrances = []
        if self._is_stopping:
            hindrances.append(
                Hindrance(reason="stopping", problem="this aggregator is stopping", remedy="none is needed")
            )
        state = self._intake.state
        fault, ago_s = state.fault, self._monotonic_s() - state.fault_s
        if fault is not None and ago_s < FAULT_S:
            reason = not_stored(fault).reason
            hindrances.append(Hindrance(reason=reason, problem=fault.problem, remedy=fault.remedy))
        return hindrances
