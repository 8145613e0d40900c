"""
Keep records in memory while the disk takes none.

Flow: spool -> **held** -> segments, once there is room again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.spool.values import NOTHING, Dropped, Record, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A record, and what it tells to have been dropped."""

    record: Record
    carried: Dropped

    @property
    def tally(self) -> Tally:
        """It alone."""
        return Tally(1, len(self.record.body))


class Queue:
    """Records in memory, oldest first; its owner keeps it within its bound."""

    def __init__(self) -> None:
        self._queue: deque[Held] = deque()
        self.tally = NOTHING
        """All of them."""

    @property
    def first(self) -> Held | None:
        """The oldest."""
        return self._queue[0] if self._queue else None

    @property
    def last(self) -> Held:
        """The newest; there must be one."""
        return self._queue[-1]

    @property
    def carried(self) -> Dropped:
        """What all of them tell."""
        return sum((one.carried for one in self._queue), Dropped())

    def add(self, held: Held) -> None:
        """Add the newest."""
        self._queue.append(held)
        self.tally += held.tally

    def replace_last(self, held: Held) -> None:
        """Put another in the place of the newest."""
        self.tally = self.tally - self._queue.pop().tally
        self.add(held)

    def take(self) -> Held:
        """Take the oldest out."""
        held = self._queue.popleft()
        self.tally -= held.tally
        return held
