"""
Hold the records on the disk: append to the newest segment, pass over the oldest record, let go of whole segments.

Flow: spool -> **segments** -> disk. Nothing of a record stays in memory but its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.spool import layout
from agent.spool.disk import Disk
from agent.spool.layout import SEGMENT_HEAD, Head, IllegibleError
from agent.spool.ledger import Place
from agent.spool.values import NOTHING, Dropped, Record, SpoolLimits, Tally

SUFFIX: Final = ".segment"
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What opening or reading a file may answer today and not tomorrow."""


@dataclass(slots=True, kw_only=True)
class Segment:
    """One file, and what of it still waits."""

    number: int
    path: Path
    incarnation: str
    size: int
    """With whatever stands behind its last whole record."""
    waiting: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Records that were passed over without being delivered."""

    tally: Tally
    carried: Dropped
    """What they would have told."""


def path_of(folder: Path, number: int) -> Path:
    """Segments sort by name as they do by number."""
    return folder / f"{number:012d}{SUFFIX}"


class Segments:
    """The records that wait on the disk, oldest first. Not for two threads at once."""

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        segments: Iterable[Segment],
        *,
        passed: Iterable[Segment] = (),
        offset: int,
        number: int,
        limits: SpoolLimits,
    ) -> None:
        """`offset` is that of the first waiting record, in the first segment; `number` that of the next new segment."""
        self._disk = disk
        self._folder = folder
        self._limits = limits
        self._segments = deque(segments)
        self._offset = offset
        self._number = number
        self._writing: int | None = None
        """Descriptor of the last segment, while it is appended to."""
        self._since_s = 0.0
        """End of the window of that segment's first record."""
        self._passed = list(passed)
        """Nothing in them waits; removed when the ledger knows."""
        self._head: Head | None = None
        """Of the record at the cursor, once it was read."""
        self._settle()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(one.size for one in (*self._segments, *self._passed))

    @property
    def count(self) -> int:
        """How many files."""
        return len(self._segments) + len(self._passed)

    @property
    def next_number(self) -> int:
        """Of the segment that is made next."""
        return self._number

    @property
    def waiting(self) -> Tally:
        """Records that wait."""
        return sum((one.waiting for one in self._segments), NOTHING)

    @property
    def cursor(self) -> Place:
        """Of the first record that waits."""
        return (self._segments[0].number, self._offset) if self._segments else (self._number, 0)

    @property
    def end(self) -> Place:
        """Behind the last record."""
        return (self._segments[-1].number, self._segments[-1].size) if self._segments else (self._number, 0)

    def append(self, record: Record, carried: Dropped, *, now_s: float) -> None:
        """Return when the record is on the medium; on OSError nothing of it will be read."""
        head = layout.head_of(record.body, sequence=record.sequence, until_s=record.until_s, carried=carried)
        data = layout.record(head, record.body)
        if self._writing is None or self._closing(record, now_s):
            self.close()
            self._begin(record, data)
        else:
            self._extend(self._writing, data)
        self._segments[-1].waiting += Tally(1, head.length)

    def first(self) -> Head | None:
        """
        Head of the first waiting record; None if it can't be read, or none waits.

        OSError only for what passes, such as too many open files.
        """
        if self._head is None and self._segments and self._segments[0].waiting:
            self._head = next(self._heads(), None)
        return self._head

    def read(self, head: Head) -> Record | None:
        """The first waiting record, whose head `first` gave; None if its body can't be read. OSError as `first`."""
        segment = self._segments[0]
        try:
            with segment.path.open("rb") as file:
                body = layout.read_body(file, self._offset, head)
        except IllegibleError:
            return None
        except OSError as error:
            _raise_if_passing(error)
            return None
        return Record(incarnation=segment.incarnation, sequence=head.sequence, until_s=head.until_s, body=body)

    @property
    def first_key(self) -> tuple[str, int] | None:
        """Incarnation and sequence of the first waiting record, if it was read."""
        return (self._segments[0].incarnation, self._head.sequence) if self._head else None

    def step(self, head: Head) -> Lost:
        """Pass over the first waiting record, whose head `first` gave; what it was, should it count as lost."""
        lost = Tally(1, head.length)
        self._segments[0].waiting -= lost
        self._offset += head.size
        self._head = None
        self._settle()
        return Lost(tally=lost, carried=head.carried)

    def pass_segment(self) -> Lost:
        """Pass over all that waits in the oldest segment, be it legible or not."""
        carried = Dropped()
        with contextlib.suppress(OSError):
            carried = sum((head.carried for head in self._heads()), carried)
        if len(self._segments) == 1:
            self.close()
        lost = Lost(tally=self._segments[0].waiting, carried=carried)
        self._segments[0].waiting = NOTHING
        self._head = None
        self._settle()
        return lost

    def remove_passed(self) -> None:
        """Remove the files in which nothing waits, once the ledger says so; OSError."""
        while self._passed:
            self._disk.remove(self._passed[0].path)
            del self._passed[0]

    def close(self) -> None:
        """Append to the newest segment no more."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None
            self._settle()

    def _closing(self, record: Record, now_s: float) -> bool:
        last = self._segments[-1]
        return (
            last.incarnation != record.incarnation
            or last.size >= self._limits.segment_bytes
            or now_s - self._since_s > self._limits.segment_s
        )

    def _begin(self, record: Record, data: bytes) -> None:
        """Make a segment with its first record."""
        number, path = self._number, path_of(self._folder, self._number)
        self._number += 1
        data = layout.segment_head(record.incarnation, record.sequence) + data
        descriptor = self._disk.create(path)
        try:
            self._disk.write(descriptor, data, 0)
            self._disk.sync(descriptor)
            self._disk.sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            self._passed.append(_empty(number, path, record, size=0))
            raise
        segment = _empty(number, path, record, size=len(data))
        self._since_s = record.until_s
        self._offset = self._offset if self._segments else SEGMENT_HEAD
        self._segments.append(segment)
        self._writing = descriptor

    def _extend(self, descriptor: int, data: bytes) -> None:
        """Write behind the last record. A file that failed once is not written to again: what it holds is not known."""
        last = self._segments[-1]
        try:
            self._disk.write(descriptor, data, last.size)
            self._disk.sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.truncate(descriptor, last.size)
            last.size = os.fstat(descriptor).st_size
            self.close()
            raise
        last.size += len(data)

    def _settle(self) -> None:
        """Move the cursor out of segments in which nothing waits, but for the one that is written to."""
        while self._segments and not self._segments[0].waiting and (len(self._segments) > 1 or self._writing is None):
            self._passed.append(self._segments.popleft())
            self._offset = SEGMENT_HEAD

    def _heads(self) -> Iterator[Head]:
        """Of the records from the cursor to the end of its segment; none if they can't be read."""
        segment = self._segments[0]
        try:
            with segment.path.open("rb") as file:
                yield from (head for _, head in layout.heads(file, self._offset, segment.size))
        except OSError as error:
            _raise_if_passing(error)


def _raise_if_passing(error: OSError) -> None:
    """Let go on what says nothing about the file; anything else means that it can't be read."""
    if error.errno in _PASSING:
        raise error


def _empty(number: int, path: Path, record: Record, *, size: int) -> Segment:
    return Segment(number=number, path=path, incarnation=record.incarnation, size=size, waiting=NOTHING)
