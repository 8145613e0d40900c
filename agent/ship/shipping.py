"""
Put together what ships: the outbox, the spool, the sender.

Flow: start -> **shipping** -> loop (as its outlet), health.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.health import Reason, Remark
from agent.metrics import PREFIX
from agent.pods.sources import Status
from agent.settings import DeliverySettings
from agent.ship.aggregator import Address, Aggregator
from agent.ship.answer import Outcome
from agent.ship.outbox import Outbox
from agent.ship.packing import Packer
from agent.ship.sender import Sender, offset_of
from agent.spool.spool import Spool
from agent.spool.values import SpoolLimits
from agent.values import Closed
from kinwatch.snapshot import Snapshot

log = structlog.get_logger()

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
SPOOLING_S: Final = 2.0
"""How long an agent that ends writes to the spool at most, in seconds."""
SENDING_S: Final = 4.0
"""How long it sends what is there; what is left is sent in its next life."""
HANGING_REMEDY: Final = "see that the spool's disk answers: a network file system may not"
OUTCOMES: Final = (*(outcome.value for outcome in Outcome), "failed")


class Shipping:
    """Where the loop's windows go."""

    def __init__(self, spool: Spool, outbox: Outbox, sender: Sender) -> None:
        self._spool = spool
        self._outbox = outbox
        self._sender = sender

    def closed(self, closed: Closed) -> None:
        """A window was closed."""
        self._outbox.closed(closed)

    def late(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots of earlier windows."""
        self._outbox.late(snapshots)

    def check(self) -> None:
        """Raise what a thread has ended with, if one has."""
        self._outbox.check()
        self._sender.check()

    def refused(self) -> Iterable[Remark]:
        """Why the aggregator will not take batches, as long as nobody changes something."""
        sending = self._sender.sending
        if sending.problem and sending.lasting:
            yield Remark(reason=Reason.AGGREGATOR_REFUSES, problem=sending.problem, remedy=sending.remedy)

    def notes(self) -> Iterable[Remark]:
        """What is to be said, though the agent does its work."""
        sending = self._sender.sending
        if sending.problem and not sending.lasting:
            yield Remark(reason=Reason.AGGREGATOR_AWAY, problem=sending.problem, remedy=sending.remedy)
        if unwritable := self._spool.state(now_s=time.time()).unwritable:
            yield Remark(
                reason=Reason.SPOOL_UNWRITABLE,
                problem=f"the spool takes nothing ({unwritable}); batches wait in memory",
                remedy="make room on its disk; with ETIMEDOUT see why the disk does not answer",
            )

    def collect(self) -> Iterator[Metric]:
        """What there is to measure, for Prometheus."""
        state = self._spool.state(now_s=time.time())
        batches = CounterMetricFamily(f"{PREFIX}_batches", "Batches sent, by what came of it.", labels=["outcome"])
        for outcome in OUTCOMES:
            batches.add_metric([outcome], self._sender.counts[outcome])
        yield batches
        dropped = CounterMetricFamily(f"{PREFIX}_spool_dropped", "Batches dropped, by the reason.", labels=["reason"])
        for reason, tally in state.dropped.by_reason.items():
            dropped.add_metric([reason.value], tally.batches)
        yield dropped
        yield GaugeMetricFamily(f"{PREFIX}_spool_bytes", "Bytes of the spool on the disk.", state.bytes)
        yield GaugeMetricFamily(f"{PREFIX}_spool_records", "Batches that wait.", state.records)
        yield GaugeMetricFamily(
            f"{PREFIX}_spool_oldest_seconds", "Age of the batch that waits longest.", state.oldest_age_s or 0.0
        )


@contextlib.contextmanager
def shipping(
    delivery: DeliverySettings, *, node: str, window_s: float, agent_version: str, names: Callable[[], Status]
) -> Iterator[Shipping]:
    """Ship while the agent runs. What is in the spool in the end is sent in its next life."""
    receiver = Aggregator(
        Address(
            url=delivery.aggregator,
            token_file=delivery.token_file,
            ca_file=delivery.ca_file,
            certificate=delivery.certificate,
            key=delivery.key,
        )
    )
    boot = BOOT_ID.read_text(encoding="ascii").strip()
    spool = Spool.open(delivery.spool, limits=SpoolLimits(bytes=delivery.spool_bytes), boot=boot, now_s=time.time())
    packer = Packer(names, last_end_s=spool.last_window_end_s)
    outbox = Outbox(spool, packer, node=node, agent_version=agent_version, wall_s=time.time)
    sender = Sender(
        spool,
        receiver,
        offset_s=offset_of(node, window_s=window_s),
        window_s=window_s,
        spooled=outbox.spooled,
        lose=outbox.lose,
        wall_s=time.time,
    )
    outbox.start()
    sender.start()
    try:
        yield Shipping(spool, outbox, sender)
    finally:
        _end(spool, outbox, sender)


def _end(spool: Spool, outbox: Outbox, sender: Sender, *, spooling_s: float = SPOOLING_S) -> None:
    """Spool and send what there is, as far as there is time."""
    is_spooled = outbox.finish(spooling_s)
    if not is_spooled:
        log.error(
            "spool_hangs", effect="what waits for the disk is lost, and the next life counts it", remedy=HANGING_REMEDY
        )
    sender.finish(SENDING_S if is_spooled else 0.0)
    if is_spooled:  # else it would wait for the disk for as long as the thread that does
        spool.close()
