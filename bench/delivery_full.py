"""
Full disks, on either side: what can't be kept is counted and told, and all goes on by itself when there is room again.

Flow: synthetic_agent -> **delivery_full** -> delivery. The disks are real, and small: file systems in memory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from agent.health import Reason
from agent.ship.shipping import Shipping
from bench.aggregator_beside import AggregatorBeside, aggregator_beside
from bench.bars import Bar
from bench.delivered import Delivered, judged
from bench.scenario import Scenario, await_that, metric
from bench.stored import Stored, is_sound, stored
from bench.synthetic_agent import closed, shipping_of, window_of
from kinwatch.errors import NodeError

NODE: Final = "n1"
AHEAD: Final = 16
"""Windows handed on before they are on the disk; more than 64 would be dropped."""
WINDOW_S: Final = 30.0
BODY_BYTES: Final = 64 << 10
SPOOL_DISK_MIB: Final = 2
HELD_BYTES: Final = 8 << 20
"""What an agent keeps in memory while its disk takes nothing (SpoolLimits)."""
SPOOLED: Final = 200
"""Batches of 64 KiB: 2 MiB go to the disk, 8 into memory, and there is something left."""
DATA_DISK_MIB: Final = 80
"""Of these the aggregator leaves 64 free."""
STORED: Final = 400
"""Batches of 64 KiB: more than the 16 MiB that are left, and no more than 80."""


def agent_full(folder: Path) -> Scenario:
    """The spool's disk fills up while the aggregator is away."""
    began = time.monotonic()
    with (
        aggregator_beside(folder) as aggregator,
        small_disk(folder / "spool", mib=SPOOL_DISK_MIB) as spool,
        shipping_of(NODE, url=aggregator.url, credentials=folder, spool=spool, window_s=WINDOW_S) as outlet,
    ):
        numbers = list(_hand_on(outlet, SPOOLED))
        said = _says(outlet, Reason.SPOOL_UNWRITABLE, "ENOSPC")
        dropped = metric(outlet, "spool_dropped_total")
        on_disk, waiting = metric(outlet, "spool_bytes"), metric(outlet, "spool_records")
        aggregator.start()
        await_that(lambda: not metric(outlet, "spool_records"), "what waited is delivered")
        last = numbers[-1] + 1
        outlet.closed(closed(window_of(last, seconds=WINDOW_S), node=NODE, mark=f"{last}-{NODE}"))
        await_that(lambda: metric(outlet, "batches_total", outcome="stored") > waiting, "one more is delivered")
        recovered = not list(outlet.notes())
        aggregator.stop()
        arrived = stored(aggregator.data)
    found = judged(arrived, {NODE: [f"{NODE}/{number}-{NODE}" for number in [*numbers, last]]}, window_s=WINDOW_S)
    told = sum(one.batch.coverage.lost.get("batches", 0) for one in arrived)
    bars = [
        Bar(what="agent's disk full: it is said, with the reason", measured=said, at_least=1),
        Bar(what="the same: MiB on the disk", measured=on_disk / 2**20, at_most=SPOOL_DISK_MIB),
        Bar(
            what="the same: MiB in memory", measured=(waiting * BODY_BYTES - on_disk) / 2**20, at_most=HELD_BYTES >> 20
        ),
        Bar(what="the same: batches dropped, so that the bound was tried", measured=dropped, at_least=1),
        Bar(what="the same: batches missing and not counted", measured=abs(found.missing - dropped), at_most=0),
        Bar(what="the same: batches counted and not told to the aggregator", measured=abs(told - dropped), at_most=0),
        Bar(what="the same: batches twice, or out of order", measured=found.twice + _backward(arrived), at_most=0),
        Bar(what="the same: it recovers", measured=recovered, at_least=1),
    ]
    return _scenario("agent's disk full", found, told, began, bars)


def aggregator_full(folder: Path) -> Scenario:
    """The aggregator's disk fills up: first what it leaves free is reached, then others take the rest."""
    began = time.monotonic()
    with (
        small_disk(folder / "data", mib=DATA_DISK_MIB) as data,
        aggregator_beside(folder, data=data) as aggregator,
        shipping_of(NODE, url=aggregator.url, credentials=folder, spool=folder / "spool", window_s=WINDOW_S) as outlet,
    ):
        aggregator.start()
        aggregator.await_listening()
        pid = aggregator.pid
        numbers = list(_hand_on(outlet, STORED))
        await_that(lambda: _says(outlet, Reason.AGGREGATOR_AWAY, "HTTP 507"), "the aggregator says 507")
        at_507 = metric(outlet, "batches_total", outcome="stored")
        _make_room(data, aggregator, outlet)
        await_that(lambda: not metric(outlet, "spool_records"), "what waited is delivered")
        is_same = aggregator.pid == pid
        aggregator.stop()
        sound = is_sound(data)
        arrived = stored(data)
    found = judged(arrived, {NODE: [f"{NODE}/{number}-{NODE}" for number in numbers]}, window_s=WINDOW_S)
    bars = [
        Bar(what="aggregator's disk full: batches stored until it said 507", measured=at_507, at_least=1),
        Bar(what="the same: it recovers without a restart", measured=is_same, at_least=1),
        Bar(what="the same: its database is sound", measured=sound, at_least=1),
        Bar(what="the same: batches lost", measured=found.missing, at_most=0),
        Bar(what="the same: batches twice, or out of order", measured=found.twice + found.disordered, at_most=0),
    ]
    return _scenario("aggregator's disk full", found, found.told, began, bars)


@contextlib.contextmanager
def small_disk(where: Path, *, mib: int) -> Iterator[Path]:
    """A file system of its own."""
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "kinwatch-bench", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


def _hand_on(outlet: Shipping, number: int) -> Iterator[int]:
    """Close so many windows, each as soon as the one long before it is dealt with; their numbers."""
    first = int(time.time() // WINDOW_S) - number - 1
    for handed in range(number + 1):
        due = handed - AHEAD if handed < number else number
        await_that(lambda due=due: _dealt_with(outlet) >= due, "a batch spooled")  # type: ignore[misc]
        if handed < number:
            window = window_of(first + handed, seconds=WINDOW_S)
            outlet.closed(closed(window, node=NODE, mark=f"{first + handed}-{NODE}", body_bytes=BODY_BYTES))
            yield first + handed


def _dealt_with(outlet: Shipping) -> float:
    """Batches that wait, that were dropped or delivered."""
    return (
        metric(outlet, "spool_records")
        + metric(outlet, "spool_dropped_total")
        + metric(outlet, "batches_total", outcome="stored")
    )


def _says(outlet: Shipping, reason: Reason, words: str) -> bool:
    """Whether readiness has this note."""
    return any(note.reason is reason and words in note.problem for note in outlet.notes())


def _make_room(data: Path, aggregator: AggregatorBeside, outlet: Shipping) -> None:
    """Have others take the last byte of the disk, and an attempt fail on that; then enlarge it."""
    with (data / "others").open("wb", buffering=0) as others, contextlib.suppress(OSError):
        while True:
            others.write(bytes(1 << 16))
    failed = metric(outlet, "batches_total", outcome="failed")
    await_that(lambda: metric(outlet, "batches_total", outcome="failed") > failed, "an attempt at a full disk")
    if aggregator.pid is None or os.statvfs(data).f_bavail:
        raise NodeError("the aggregator ended, or its disk is not full", remedy="see its log")
    subprocess.run(["mount", "-o", f"remount,size={4 * DATA_DISK_MIB}m", data], check=True)


def _backward(arrived: Sequence[Stored]) -> int:
    """Batches that came after one that goes after them; gaps are where batches were dropped."""
    keys = [one.batch.key for one in arrived]
    return sum(later.boot == sooner.boot and later.sequence <= sooner.sequence for sooner, later in pairwise(keys))


def _scenario(what: str, found: Delivered, told: int, began: float, bars: Sequence[Bar]) -> Scenario:
    return Scenario(
        what=what,
        closed=found.closed,
        arrived=found.stored,
        told=told,
        seconds=time.monotonic() - began,
        bars=bars,
    )
