"""What lies between the loop and the disk: it never holds the loop up, and what it drops is told by the next batch."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cargo
import pytest
from cargo import NODE, closed, drained, end_s, snapshot, window

from agent.ship.outbox import QUEUED, Outbox
from agent.ship.packing import Packer
from agent.ship.shipping import _end
from agent.spool.disk import RealDisk
from agent.spool.spool import Spool
from agent.spool.values import SpoolLimits

PATIENCE_S = 30.0
AT_ONCE_S = 1.0
"""For what takes microseconds, on a machine that does other things too."""


class HangingDisk(RealDisk):
    """A disk that does not answer a write while it hangs."""

    def __init__(self) -> None:
        self._answers = threading.Event()
        self._answers.set()
        self.asked = threading.Event()
        """Set when something is written while it hangs."""

    def hang(self) -> None:
        self.asked.clear()
        self._answers.clear()

    def recover(self) -> None:
        self._answers.set()

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        if not self._answers.is_set():
            self.asked.set()
        self._answers.wait()
        super().write(descriptor, data, offset)


@pytest.fixture(name="disk")
def _disk() -> HangingDisk:
    return HangingDisk()


@pytest.fixture(name="spool")
def _spool(tmp_path: Path, disk: HangingDisk) -> Iterator[Spool]:
    with Spool.open(tmp_path, limits=SpoolLimits(), boot=cargo.BOOT, now_s=end_s(0), disk=disk) as spool:
        yield spool
        disk.recover()


@pytest.fixture(name="outbox")
def _outbox(spool: Spool, disk: HangingDisk) -> Iterator[Outbox]:
    outbox = Outbox(
        spool, Packer(cargo.names, last_end_s=None), node=NODE, agent_version="1", wall_s=lambda: end_s(200)
    )
    outbox.start()
    yield outbox
    disk.recover()
    assert outbox.finish(PATIENCE_S)
    outbox.check()


def spooled(outbox: Outbox, spool: Spool) -> list[Any]:
    """What came of all that was handed in."""
    assert outbox.finish(PATIENCE_S)
    return drained(spool)


def test_what_is_handed_in_is_spooled_in_order(outbox: Outbox, spool: Spool) -> None:
    outbox.closed(closed(0))
    outbox.late([snapshot(0, "named-late")])
    outbox.closed(closed(1, late=[snapshot(0, "even-later")]))
    batches = spooled(outbox, spool)
    assert [(one.window, one.late) for one in batches] == [
        (window(0), False),
        (window(0), True),
        (window(0), True),
        (window(1), False),
    ]
    assert [one.key.sequence for one in batches] == [1, 2, 3, 4]
    assert {one.key.node for one in batches} == {NODE}


def test_sender_is_told_of_what_is_new(outbox: Outbox) -> None:
    assert not outbox.spooled.is_set()
    outbox.closed(closed(0))
    assert outbox.spooled.wait(PATIENCE_S)


def test_disk_that_hangs_does_not_hold_the_loop_up(outbox: Outbox, disk: HangingDisk) -> None:
    disk.hang()
    began = time.monotonic()
    for number in range(3 * QUEUED):
        outbox.closed(closed(number))
        outbox.late([snapshot(number)])
    outbox.lose("refused")
    outbox.check()
    assert time.monotonic() - began < AT_ONCE_S


def test_what_is_dropped_meanwhile_is_told_by_the_next_window(outbox: Outbox, disk: HangingDisk, spool: Spool) -> None:
    """Each window once, though it leaves a gap as well; and late snapshots, which leave none."""
    disk.hang()
    outbox.closed(closed(0))
    assert disk.asked.wait(PATIENCE_S)
    dropped = [closed(1, late=[snapshot(0, "x"), snapshot(0, "y")], lost={"threads": 3}), closed(2)]
    for one in dropped:
        outbox.closed(one)
    outbox.late([snapshot(1), snapshot(2), snapshot(2, "b")])
    for number in range(3, 3 + QUEUED):
        outbox.closed(closed(number))
    disk.recover()
    batches = spooled(outbox, spool)
    assert [one.window for one in batches] == [window(0), *map(window, range(3, 3 + QUEUED))]
    assert batches[1].coverage.lost == {"windows": 2, "snapshots": 2 + 3, "threads": 3}
    assert not any(one.coverage.lost for one in (batches[0], *batches[2:]))


def test_memory_is_bounded_however_long_the_disk_hangs(outbox: Outbox, disk: HangingDisk, spool: Spool) -> None:
    disk.hang()
    outbox.closed(closed(0))
    assert disk.asked.wait(PATIENCE_S)
    for number in range(1, 1000):
        outbox.closed(closed(number))
        assert len(outbox._handed) <= QUEUED
    disk.recover()
    batches = spooled(outbox, spool)
    assert len(batches) == 1 + QUEUED
    assert sum(one.coverage.lost.get("windows", 0) for one in batches) == 1000 - len(batches)


def test_loss_that_is_told_of_elsewhere_goes_with_the_next_window(outbox: Outbox, spool: Spool) -> None:
    """Not with a late batch, which has no coverage of its own; and once."""
    outbox.lose("refused")
    outbox.lose("refused", 2)
    outbox.late([snapshot(0)])
    outbox.closed(closed(1))
    outbox.closed(closed(2))
    assert [one.coverage.lost for one in spooled(outbox, spool)] == [{}, {"refused": 3}, {}]


def test_batches_that_the_spool_dropped_are_told(tmp_path: Path) -> None:
    """By whichever batch comes next, and by one only."""
    with cargo.opened(tmp_path, limits=SpoolLimits(bytes=64 << 10)) as spool:
        packer = Packer(cargo.names, last_end_s=None)
        outbox = Outbox(spool, packer, node=NODE, agent_version="1", wall_s=lambda: end_s(300))
        outbox.start()
        for number in range(40):
            files = [hashlib.sha256(f"{number}-{part}".encode()).hexdigest() for part in range(100)]
            outbox.closed(closed(number, [snapshot(number, files=files)]))
            assert outbox.spooled.wait(PATIENCE_S)
            outbox.spooled.clear()
        batches = drained(spool)
        outbox.closed(closed(40))
        batches += spooled(outbox, spool)
        dropped = spool.state(now_s=end_s(300)).dropped.full
    assert dropped.batches == 41 - len(batches) > 0
    assert sum(one.coverage.lost.get("batches", 0) for one in batches) == dropped.batches
    assert sum(one.coverage.lost.get("bytes", 0) for one in batches) == dropped.bytes
    assert not any("windows" in one.coverage.lost for one in batches)


def test_end_waits_for_the_disk_but_not_for_ever(tmp_path: Path) -> None:
    """An agent that ends leaves the spool to the kernel where its disk hangs; the next life misses the window."""
    disk = HangingDisk()
    spool = Spool.open(tmp_path, limits=SpoolLimits(), boot=cargo.BOOT, now_s=end_s(0), disk=disk)
    outbox = Outbox(spool, Packer(cargo.names, last_end_s=None), node=NODE, agent_version="1", wall_s=time.time)
    outbox.start()
    disk.hang()
    outbox.closed(closed(0))
    assert disk.asked.wait(PATIENCE_S)
    began = time.monotonic()
    _end(spool, outbox, _Ended(), spooling_s=0.1)  # type: ignore[arg-type]
    assert time.monotonic() - began < AT_ONCE_S
    disk.recover()
    assert outbox._done.wait(PATIENCE_S)
    spool.close()


class _Ended:
    """A sender that has ended."""

    def finish(self, timeout_s: float) -> bool:
        assert timeout_s == 0
        return True


def test_bug_in_the_thread_is_heard(spool: Spool) -> None:
    """By the loop, which asks some times a second."""

    def broken() -> Any:
        raise ZeroDivisionError

    outbox = Outbox(spool, Packer(broken, last_end_s=None), node=NODE, agent_version="1", wall_s=time.time)
    outbox.start()
    outbox.closed(closed(0))
    assert not outbox.finish(0.1)
    with pytest.raises(ZeroDivisionError):
        outbox.check()
