"""
Hold a figure against its bar.

Flow: benches -> **bars** -> report.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure, and within what it has to be."""

    what: str
    """What was measured, with its unit."""
    measured: float
    at_most: float = math.inf
    at_least: float = -math.inf

    @property
    def met(self) -> bool:
        """Whether the figure is within its bar."""
        return self.at_least <= self.measured <= self.at_most

    @property
    def verdict(self) -> str:
        """For a table."""
        return "met" if self.met else "NOT MET"

    @property
    def limit(self) -> str:
        """The bar in words."""
        if math.isinf(self.at_most):
            return f"≥ {figure(self.at_least)}"
        return f"≤ {figure(self.at_most)}"


def figure(value: float) -> str:
    """A number with the digits that mean something; whole ones as they are."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - three digits
