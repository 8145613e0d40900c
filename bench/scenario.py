"""
What one thing that happened to deliveries came to.

Flow: delivery_* -> **scenario** -> delivery.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.ship.shipping import Shipping
from bench.bars import Bar
from bench.report import Cell
from kinwatch.errors import NodeError

PATIENCE_S: Final = 180.0
"""More than two of the longest waits between two attempts, of 60 s."""
LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happened, and its bars."""

    what: str
    closed: int
    arrived: int
    told: int
    seconds: float
    bars: Sequence[Bar]

    @property
    def met(self) -> bool:
        """Whether all bars are met."""
        return all(bar.met for bar in self.bars)

    def row(self) -> list[Cell]:
        """For the table."""
        return [self.what, self.closed, self.arrived, self.told, round(self.seconds, 1)]


def await_that(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition; NodeError if it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise NodeError(f"after {PATIENCE_S:g} s, still not: {what}", remedy="see what hangs, and report it")
        time.sleep(LOOK_S)


def metric(outlet: Shipping, name: str, **labels: str) -> float:
    """What shipping counts; the sum over all labels that are not given."""
    return sum(
        sample.value
        for family in outlet.collect()
        for sample in family.samples
        if sample.name == f"kinwatch_agent_{name}" and labels.items() <= sample.labels.items()
    )
