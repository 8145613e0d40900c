"""
Whatever happens to the spool, every batch is delivered or told to be lost, in order, and under a key of its own.

The machine appends, delivers, lets time pass, restarts, reboots, dies at any byte, loses power, and fills the disk.
What the aggregator got is held against what was appended: that is the whole specification.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from spool_disks import CrashError, TrickyDisk, die

from agent.spool import Record, Spool, SpoolLimits, Ticket

LIMITS = SpoolLimits(bytes=64 << 10, age_s=1000.0, held_bytes=8000)
LONG = st.integers(min_value=0, max_value=9000)
"""Of a batch: 64 KiB hold seven of the longest; nothing larger than memory's bound would ever be held."""
FUSE = st.integers(min_value=0, max_value=16_000)
"""Bytes until the process dies: an append takes up to 9 KB, and each account of it 4 KiB."""
MEMORY = Path("/dev/shm")
"""Where a sync costs nothing: what it does is not asked here."""


class SpoolMachine(RuleBasedStateMachine):
    """The agent, its disk, and the aggregator."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)).resolve()
        self.folder = self.scratch / "spool"
        self.disk = TrickyDisk(self.folder)
        self.now_s = 1e9
        self.boots = 1
        self.batches = 0
        self.appended: set[int] = set()
        """Batches whose append returned."""
        self.doubtful: set[int] = set()
        """Batches in whose append the process died: each is delivered, told, or neither."""
        self.delivered: dict[tuple[str, int], bytes] = {}
        self.told = 0
        self.slack = 0
        """What may be told though it arrived: the process died before it knew, and dropped the batch afterwards."""
        self.forgetful = False
        """Whether there was a time when the ledger could not be written."""
        self.unsure = False
        """Whether the process died with what it could not write down: the windows it missed are the agent's to tell."""
        self.open()

    # -- the agent

    def open(self) -> None:
        self.spool = Spool.open(self.folder, limits=LIMITS, boot=f"boot-{self.boots}", now_s=self.now_s, disk=self.disk)

    def append_one(self, length: int) -> None:
        self.now_s += 30.0
        self.batches += 1
        number = self.batches
        self.doubtful.add(number)

        def batch(ticket: Ticket) -> bytes:
            text = {"number": number, "key": [ticket.incarnation, ticket.sequence]}
            return json.dumps({**text, "told": ticket.dropped.total.batches}).encode().ljust(length)

        self.spool.append(batch, until_s=self.now_s, now_s=self.now_s)
        self.doubtful.remove(number)
        self.appended.add(number)

    def deliver_one(self) -> Record | None:
        record = self.spool.oldest()
        if record:
            self.receive(record)
            doubt = 1 + json.loads(record.body)["told"]
            self.slack += doubt
            self.spool.acknowledge(record)
            self.slack -= doubt
        return record

    def receive(self, record: Record) -> None:
        """What the aggregator does: takes each key once, and reckons with getting it twice."""
        key = (record.incarnation, record.sequence)
        if key in self.delivered:
            assert self.delivered[key] == record.body, "two batches under one key"
            return
        sequences = [sequence for incarnation, sequence in self.delivered if incarnation == record.incarnation]
        assert all(sequence < record.sequence for sequence in sequences), "out of order"
        self.delivered[key] = record.body
        batch = json.loads(record.body)
        assert batch["key"] == [*key]
        self.told += batch["told"]

    # -- what happens

    @rule(length=LONG)
    def append(self, length: int) -> None:
        self.append_one(length)

    @rule()
    def deliver(self) -> None:
        self.deliver_one()

    @rule(often=st.integers(min_value=1, max_value=3))
    def look(self, often: int) -> None:
        """Until it is acknowledged the oldest record stays what it is."""
        assert len({self.spool.oldest() for _ in range(often)}) == 1

    @rule(seconds=st.integers(min_value=0, max_value=700))
    def wait(self, seconds: int) -> None:
        self.now_s += seconds

    @rule()
    def restart(self) -> None:
        self.forget()
        self.spool.close()
        self.mend()
        self.open()

    @precondition(lambda self: not self.disk.failing)
    @rule(fuse=FUSE, length=LONG, boots=st.booleans(), opens=st.booleans(), data=st.data())
    def die_at_any_byte(self, fuse: int, length: int, *, boots: bool, opens: bool, data: st.DataObject) -> None:
        """Dies while it delivers and appends, or while it is opened after that; by SIGKILL, or with the power."""
        self.forget()
        self.disk.fuse = fuse
        try:
            self.deliver_one()
            self.append_one(length)
            if opens:
                die(self.folder)
                self.open()
        except CrashError:
            pass
        self.disk.fuse = None
        self.die(boots=boots, data=data)

    @precondition(lambda self: self.disk.failing)
    @rule(boots=st.booleans(), data=st.data())
    def die_in_trouble(self, *, boots: bool, data: st.DataObject) -> None:
        self.forget()
        self.mend()
        self.die(boots=boots, data=data)

    @precondition(lambda self: not self.disk.failing)
    @rule(number=st.sampled_from([errno.ENOSPC, errno.EROFS, errno.EIO]), swallowed=st.integers(0, 400))
    def trouble(self, number: int, swallowed: int) -> None:
        """A full disk still takes the ledger, in its place; a failing one takes nothing."""
        self.disk.failing, self.disk.swallowed = number, swallowed
        self.disk.ledger_failing = number != errno.ENOSPC
        self.forgetful = self.forgetful or self.disk.ledger_failing

    @rule()
    def mend(self) -> None:
        self.disk.failing = None
        self.disk.ledger_failing = False

    def die(self, *, boots: bool, data: st.DataObject) -> None:
        die(self.folder)
        if boots:
            self.disk.lose_power(lambda: data.draw(st.booleans()))
            self.boots += 1
        self.open()

    def forget(self) -> None:
        """What is in memory only, and not in the ledger either, nobody can count afterwards."""
        unwritable = self.spool.state(now_s=self.now_s).unwritable
        self.unsure = self.unsure or (self.forgetful and unwritable is not None)

    # -- what holds

    @invariant()
    def bounded(self) -> None:
        state = self.spool.state(now_s=self.now_s)
        on_disk = sum(path.stat().st_size for path in self.folder.iterdir() if path.name != "lock")
        assert state.held.bytes <= LIMITS.held_bytes
        assert on_disk <= state.bytes
        assert state.bytes <= LIMITS.bytes

    def teardown(self) -> None:
        """The aggregator and the disk are well again: then all comes to light."""
        try:
            self.mend()
            for _ in range(2):
                self.append_one(0)
                while self.deliver_one():
                    pass
            self.spool.close()
            self.settle()
        finally:
            die(self.scratch)
            shutil.rmtree(self.scratch)

    def settle(self) -> None:
        """What did not arrive was told, exactly; but for batches that nobody can know of."""
        delivered = {json.loads(body)["number"] for body in self.delivered.values()}
        missing = self.appended - delivered
        if not self.unsure:
            assert len(missing) <= self.told <= len(missing | (self.doubtful - delivered)) + self.slack


SpoolMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSpool = SpoolMachine.TestCase
