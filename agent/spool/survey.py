"""
Walk over what a life left on the disk, and compare it with the ledger.

Flow: ledger, segments' files -> **survey** -> recovery. What the ledger knew of is missed by number; of what was
appended after it was written, the sequences tell what is missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from agent.spool import layout
from agent.spool.layout import RECORD_HEAD, SEGMENT_HEAD, Head, IllegibleError
from agent.spool.ledger import Ledger
from agent.spool.segments import Segment
from agent.spool.values import NOTHING, Dropped, Reason, Tally


class Survey:
    """What is found, segment by segment, oldest first."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._cursor = ledger.cursor if ledger else (0, 0)
        self._end = ledger.end if ledger else (0, 0)
        self._known = NOTHING
        """Records of which the ledger knows."""
        self._regained = NOTHING
        """Those which it knows as being in memory, and which came to the disk after all."""
        self._torn = NOTHING
        self._tail = NOTHING
        """What stands behind the last whole record of the segment before."""
        self._expected: tuple[str, int] | None = None
        """Incarnation and sequence that come next."""
        self._told = Dropped()
        self._in_doubt = False
        """Whether there may have been records that are neither in the ledger nor legible."""
        self._reached_end = self._end[1] == 0
        """Whether the segment was read in which the ledger ends."""
        self.next_sequence = ledger.next_sequence if ledger else 1
        self.last_until_s = ledger.last_until_s if ledger else None
        self.segments: list[Segment] = []
        self.passed: list[Segment] = []

    @property
    def offset(self) -> int:
        """Of the first waiting record, in the first of the segments."""
        return self._start(self.segments[0].number) if self.segments else SEGMENT_HEAD

    @property
    def is_certain(self) -> bool:
        """Whether no sequence can have been handed out from `next_sequence` on."""
        return self._reached_end and not self._in_doubt

    @property
    def next_number(self) -> int:
        """Above that of any segment that the ledger knows of."""
        return max(self._cursor[0], self._end[0]) + 1

    @property
    def lost(self) -> Dropped:
        """What is missing."""
        lost = Dropped.of(Reason.DAMAGED, self._torn + self._tail)
        if self._ledger:
            lost += Dropped.of(Reason.DAMAGED, self._ledger.waiting - self._known)
            lost += Dropped.of(Reason.UNWRITABLE, self._ledger.held - self._regained)
        return lost

    @property
    def untold(self) -> Dropped:
        """What the ledger had to tell that no record tells since."""
        return self._ledger.untold - self._told if self._ledger else Dropped()

    def take(self, number: int, path: Path) -> None:
        """
        Walk over one segment.

        IllegibleError, OtherVersionError, OSError: it can't be read, and was not taken.
        """
        in_doubt, self._in_doubt = self._in_doubt, self._in_doubt or self._is_new(number)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if number < self._cursor[0] or size < SEGMENT_HEAD:
                self._pass(number, path, size)
                self._in_doubt = in_doubt
                return
            incarnation, first = layout.read_segment_head(file.read(SEGMENT_HEAD))
            self._join(number, incarnation, first)
            segment = Segment(number=number, path=path, incarnation=incarnation, size=size, waiting=NOTHING)
            self._in_doubt = in_doubt
            self._judge_tail(file, segment, self._walk(file, segment))
        self._reached_end = self._reached_end or number == self._end[0]
        self.segments.append(segment)

    def _is_new(self, number: int) -> bool:
        """Whether this segment was made after the ledger was written."""
        return (number, 0) >= self._end

    def _start(self, number: int) -> int:
        return max(self._cursor[1], SEGMENT_HEAD) if number == self._cursor[0] else SEGMENT_HEAD

    def _pass(self, number: int, path: Path, size: int) -> None:
        """One in which nothing waits; cut off before its first record was whole, it is a torn record itself."""
        if self._is_new(number) and size:
            self._tail = Tally(1, size)
        self.passed.append(Segment(number=number, path=path, incarnation="", size=size, waiting=NOTHING))

    def _join(self, number: int, incarnation: str, first: int) -> None:
        """Judge what is between this segment and the one before it by their sequences."""
        if not self._is_new(number):
            return
        tail, self._tail = self._tail, NOTHING
        if self._expected and self._expected[0] == incarnation:
            # Nothing is missing behind a write that failed and was done again.
            tail = Tally(max(0, first - self._expected[1]), tail.bytes)
        self._torn += tail or NOTHING

    def _walk(self, file: BinaryIO, segment: Segment) -> int:
        """Count its records; where the last whole one ends."""
        behind = self._start(segment.number)
        for offset, head in layout.heads(file, behind, segment.size):
            segment.waiting += Tally(1, head.length)
            if (segment.number, offset) < self._end:
                self._known += Tally(1, head.length)
            else:
                self._take_new(segment.incarnation, head)
            behind = offset + head.size
        return behind

    def _take_new(self, incarnation: str, head: Head) -> None:
        """A record that was appended after the ledger was written."""
        if self._ledger and incarnation == self._ledger.incarnation:
            if head.sequence < self._ledger.next_sequence:
                self._regained += Tally(1, head.length)
            self.next_sequence = max(self.next_sequence, head.sequence + 1)
        else:
            self._in_doubt = True
        self._told += head.carried
        self._see(head)
        self._expected = (incarnation, head.sequence + 1)

    def _judge_tail(self, file: BinaryIO, segment: Segment, behind: int) -> None:
        if behind >= segment.size or (segment.number, segment.size) <= self._end:
            return
        self._tail = Tally(1, segment.size - behind)
        if segment.size - behind < RECORD_HEAD:
            return
        file.seek(behind)
        try:
            head = layout.read_head(file.read(RECORD_HEAD))
        except IllegibleError:
            self._in_doubt = True
        else:
            self._see(head)

    def _see(self, head: Head) -> None:
        """Of a torn record too: it counts as lost itself, so its window is not to be missed besides."""
        self.last_until_s = max(self.last_until_s or 0.0, head.until_s)
