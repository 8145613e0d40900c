"""
Tell the time to what forgets.

Flow: beside **auth**. Tokens end by the clock on the wall; what is kept for a minute is kept by one that nobody sets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Both in seconds."""

    wall_s: Callable[[], float] = time.time
    """Since the epoch."""
    steady_s: Callable[[], float] = time.monotonic
    """Since whenever; never goes back."""
