"""
Take batches, give them out again in order, and account for each that was not delivered.

Flow: encoded batch -> **spool** -> sender. Two threads: one appends, another reads and acknowledges.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from agent.spool import folder as folders
from agent.spool.disk import Disk, RealDisk
from agent.spool.held import Held, Queue
from agent.spool.layout import LONGEST_BODY, RECORD_HEAD, SEGMENT_HEAD, Head
from agent.spool.ledger import SLOT, SLOTS, Ledger
from agent.spool.recovery import Recovered, new_incarnation, recover
from agent.spool.segments import Lost
from agent.spool.trouble import Trouble
from agent.spool.values import Dropped, Reason, Record, SpoolLimits, SpoolState, Ticket

Encode = Callable[[Ticket], bytes]
"""Makes the batch that carries this ticket; must not call the spool. May be asked twice, the second time counts."""

STATE_WAIT_S: Final = 2.0
"""How long it is waited for a write that is under way to tell the state, in seconds."""

log = structlog.get_logger()


class Spool:
    """Batches on disk until they are acknowledged. What is promised is in docs/spool.md."""

    def __init__(self, folder: Path, lock: int, found: Recovered, *, limits: SpoolLimits, boot: str) -> None:
        """Use `open`."""
        self._folder = folder
        self._held_lock = lock
        self._limits = limits
        self._boot = boot
        self._ledger = found.ledger
        self._segments = found.segments
        self._aside = found.aside
        self._incarnation = found.incarnation
        self._next_sequence = found.next_sequence
        self._last_until_s = found.last_until_s
        self._untold = found.untold
        self._dropped = found.lost
        self._held = Queue()
        self._trouble = Trouble(folder, held_bytes=limits.held_bytes)
        self._said_damaged = 0
        """Number of the segment whose damage was logged last."""
        self._mutex = threading.Lock()
        self._known: SpoolState
        """As it was measured last; `open` does it first."""
        self.last_window_end_s = found.last_until_s
        """The latest end of a window among the records of earlier lives; None: there were none, or nothing is known."""

    @classmethod
    def open(cls, folder: Path, *, limits: SpoolLimits, boot: str, now_s: float, disk: Disk | None = None) -> Self:
        """
        Take up the spool in this folder, or make it; NodeError if that can't be done.

        `boot` is the kernel's boot id (/proc/sys/kernel/random/boot_id), `now_s` seconds since 1970.
        """
        with contextlib.ExitStack() as unless_opened:
            lock = folders.hold(folder)
            unless_opened.callback(os.close, lock)
            try:
                found = recover(disk or RealDisk(), folder, boot=boot, limits=limits)
            except OSError as error:
                raise folders.unusable(folder, error) from error
            spool = cls(folder, lock, found, limits=limits, boot=boot)
            spool._begin(now_s)
            unless_opened.pop_all()
        return spool

    def close(self) -> None:
        """Let go of the folder. What can't be written even now is lost, and the next life counts it."""
        with self._mutex:
            self._flush(self._last_until_s or 0.0)
            self._segments.close()
            self._checkpoint()
            self._ledger.close()
            os.close(self._held_lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def incarnation(self) -> str:
        """
        A UUID under which `next_sequence` only grows; it goes into the batch's key.

        A new one comes with a new spool, with the node's boot, with a ledger that was lost or damaged, and in the
        middle of a life when the disk takes not even the ledger: a sequence that it can't remember is not handed out
        twice.
        """
        return self._incarnation

    @property
    def next_sequence(self) -> int:
        """What the next record gets, from 1 on, without a gap, also across restarts."""
        return self._next_sequence

    def append(self, make: Encode, *, until_s: float, now_s: float) -> None:
        """
        Add the batch of the window that ended at `until_s`; on the medium when this returns.

        If the disk does not take it, it waits in memory, and `state` says so. Raises nothing but what `make` raises.
        """
        with self._mutex:
            self._expire(now_s)
            # In the queue first: should we be killed while room is made for it, it counts as lost from memory.
            self._held.add(self._encode(make, until_s))
            self._flush(now_s)
            if self._held.tally:
                self._hold(make)

    def oldest(self) -> Record | None:
        """The record that has waited longest, the same one until it is acknowledged or dropped; None: none waits."""
        with self._mutex, contextlib.suppress(OSError):
            while self._segments.waiting:
                if record := self._readable():
                    return record
            return self._held.first.record if self._held.first else None
        return None  # out of descriptors or memory just now: it can be read later

    def acknowledge(self, record: Record) -> None:
        """
        Let go of the oldest record, once the aggregator has it; if it was dropped meanwhile, nothing is left to do.

        On the medium when this returns. Where the disk takes nothing the record comes again in the next life.
        """
        with self._mutex, contextlib.suppress(OSError):  # can't be read just now: then it comes again
            if self._segments.waiting:
                head = self._segments.first()
                if head is None or self._segments.first_key != _key(record):
                    return
                self._segments.step(head)
            elif self._held.first and _key(self._held.first.record) == _key(record):
                self._held.take()
            else:
                return
            self._checkpoint()

    def state(self, *, now_s: float) -> SpoolState:
        """
        What there is to measure.

        While the disk does not answer, what was last known, `unwritable` by ETIMEDOUT: who measures must not hang too.
        """
        if not self._mutex.acquire(timeout=STATE_WAIT_S):
            return replace(self._known, unwritable=self._trouble.name or "ETIMEDOUT")
        try:
            self._known = self._measured(now_s)
            return self._known
        finally:
            self._mutex.release()

    def _measured(self, now_s: float) -> SpoolState:
        until_s = self._oldest_until_s()
        return SpoolState(
            bytes=self._bytes,
            records=self._segments.waiting.batches + self._held.tally.batches,
            segments=self._segments.count,
            held=self._held.tally,
            oldest_age_s=None if until_s is None else max(0.0, now_s - until_s),
            dropped=self._dropped,
            unwritable=self._trouble.name,
        )

    @property
    def _bytes(self) -> int:
        return SLOT * SLOTS + self._segments.size + self._aside.bytes

    def _oldest_until_s(self) -> float | None:
        head = None
        with contextlib.suppress(OSError):
            head = self._segments.first()
        if head:
            return head.until_s
        return self._held.first.record.until_s if self._held.first else None

    def _begin(self, now_s: float) -> None:
        with self._mutex:
            self._expire(now_s)
            self._make_room(0)
            self._checkpoint()
            self._known = self._measured(now_s)

    def _encode(self, make: Encode, until_s: float) -> Held:
        """The next record; what was dropped is told by it from now on."""
        ticket = Ticket(incarnation=self._incarnation, sequence=self._next_sequence, dropped=self._untold)
        held = Held(record=_record(ticket, make, until_s), carried=ticket.dropped)
        self._next_sequence += 1
        self._untold = Dropped()
        self._last_until_s = max(self._last_until_s or 0.0, until_s)
        return held

    def _readable(self) -> Record | None:
        """The first record on the disk; what can't be read is passed over and counted. OSError: not just now."""
        head = self._segments.first()
        record = self._segments.read(head) if head else None
        if record is None:
            self._lose_damaged(head)
            self._checkpoint()
        return record

    def _lose_damaged(self, head: Head | None) -> None:
        """Pass over the first record, or if its head can't be read either, over the rest of its segment."""
        number = self._segments.cursor[0]
        self._lose(Reason.DAMAGED, self._segments.step(head) if head else self._segments.pass_segment())
        if number != self._said_damaged:
            self._said_damaged = number
            log.warning("spool_damaged", folder=str(self._folder), segment=number)

    def _store(self, held: Held, now_s: float) -> bool:
        """Write a record to the disk, and say whether it is dealt with."""
        size = SEGMENT_HEAD + RECORD_HEAD + len(held.record.body)
        if not self._make_room(size):
            self._lose(Reason.FULL, Lost(tally=held.tally, carried=held.carried))
            return True
        return self._done(lambda: self._segments.append(held.record, held.carried, now_s=now_s))

    def _make_room(self, size: int) -> bool:
        """Drop what is oldest until as many bytes fit; whether they can."""
        if SLOT * SLOTS + size > self._limits.bytes or size > LONGEST_BODY:
            return False
        while self._bytes + size > self._limits.bytes:
            if not self._drop_oldest():
                return True  # what is left can't be removed: the write will say why
        return True

    def _drop_oldest(self) -> bool:
        """Drop a file; whether there was one, and room was made."""
        before = self._bytes
        with contextlib.suppress(OSError):  # then room is made elsewhere
            if self._aside.remove_oldest():
                return True
        if self._segments.waiting:
            self._lose(Reason.FULL, self._segments.pass_segment())
        else:
            self._segments.close()
        self._checkpoint()
        return self._bytes < before

    def _expire(self, now_s: float) -> None:
        """Drop what has waited for too long."""
        since_s = now_s - self._limits.age_s
        before = self._dropped
        with contextlib.suppress(OSError):  # can't be read just now: next time
            while self._segments.waiting:
                head = self._segments.first()
                if head is None:
                    self._lose_damaged(head)
                elif head.until_s < since_s:
                    self._lose(Reason.AGE, self._segments.step(head))
                else:
                    break
        while not self._segments.waiting and self._held.first and self._held.first.record.until_s < since_s:
            self._lose_held(Reason.AGE)
        with contextlib.suppress(OSError):
            self._aside.remove_older(since_s)
        if self._dropped != before:
            self._checkpoint()

    def _flush(self, now_s: float) -> None:
        """Write to the disk what is in memory, as far as it goes."""
        number, dropped = self._segments.next_number, self._dropped
        while self._held.first and self._store(self._held.first, now_s):
            self._held.take()
        # The ledger has to know each segment: one that somebody takes away is missed by that.
        if self._trouble.name or self._segments.next_number != number or self._dropped != dropped:
            self._checkpoint()

    def _hold(self, make: Encode) -> None:
        """Keep the new record in memory, as far as there is room."""
        if not self._checkpoint() and self._ledger.names(self._incarnation):
            # Killed now, the next life would hand out this sequence again, and the aggregator take its batch for this.
            self._held.replace_last(self._renewed(self._held.last, make))
        while self._held.tally.bytes > self._limits.held_bytes:
            self._lose_held(Reason.UNWRITABLE)
        self._checkpoint()

    def _renewed(self, held: Held, make: Encode) -> Held:
        """The same batch under a new incarnation, of which the disk knows nothing."""
        self._incarnation, self._next_sequence = new_incarnation(), 2
        ticket = Ticket(incarnation=self._incarnation, sequence=1, dropped=held.carried)
        return Held(record=_record(ticket, make, held.record.until_s), carried=held.carried)

    def _lose_held(self, reason: Reason) -> None:
        held = self._held.take()
        self._lose(reason, Lost(tally=held.tally, carried=held.carried))

    def _lose(self, reason: Reason, lost: Lost) -> None:
        """Count what was dropped; and what it would have told is to be told by another."""
        dropped = Dropped.of(reason, lost.tally)
        self._dropped += dropped
        self._untold += dropped + lost.carried

    def _checkpoint(self) -> bool:
        """Write the ledger, then remove the files that it needs no more; whether it was written."""
        account = Ledger(
            incarnation=self._incarnation,
            boot=self._boot,
            next_sequence=self._next_sequence,
            cursor=self._segments.cursor,
            end=self._segments.end,
            waiting=self._segments.waiting,
            held=self._held.tally,
            untold=self._untold + self._held.carried,
            last_until_s=self._last_until_s,
        )
        written = self._done(lambda: self._ledger.write(account))
        # Also where the ledger could not be written: on a disk that is full, this may be what makes room.
        if self._done(self._segments.remove_passed) and written and not self._held.tally:
            self._trouble.end(lost=self._dropped.unwritable.batches)
        return written

    def _done(self, write: Callable[[], None]) -> bool:
        """Whether the disk took it."""
        try:
            write()
        except OSError as error:
            self._trouble.begin(error)
            return False
        return True


def _record(ticket: Ticket, make: Encode, until_s: float) -> Record:
    return Record(incarnation=ticket.incarnation, sequence=ticket.sequence, until_s=until_s, body=make(ticket))


def _key(record: Record) -> tuple[str, int]:
    return record.incarnation, record.sequence
