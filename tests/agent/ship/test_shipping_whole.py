"""What ships, put together as the agent puts it, and a server that answers as it is told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cargo
import pytest
from cargo import NODE
from ship_server import Hang, Reply, ShipServer, serving

from agent.health import Reason, Remark
from agent.settings import DeliverySettings
from agent.ship.shipping import SENDING_S, SPOOLING_S, Shipping, shipping
from agent.values import Closed
from kinwatch.batch import Batch
from kinwatch.errors import InputError, NodeError
from kinwatch.wire import decode

PATIENCE_S = 30.0
OPEN = (datetime.now(UTC) - cargo.BEGIN) // timedelta(seconds=cargo.WINDOW_S)
"""Number of the window that was open when the tests began."""


@pytest.fixture(name="server")
def _server() -> Iterator[ShipServer]:
    with serving() as server:
        yield server


def shipping_to(server: ShipServer, folder: Path) -> AbstractContextManager[Shipping]:
    delivery = DeliverySettings(aggregator=server.url, spool=folder / "spool")
    return shipping(delivery, node=NODE, window_s=cargo.WINDOW_S, agent_version="1", names=cargo.names)


def closed(ago: int) -> Closed:
    """The window so many before the one in which the tests began."""
    return cargo.closed(OPEN - ago)


def came(server: ShipServer) -> list[Batch]:
    return [decode(body) for _, _, body in server.requests]


def await_that(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def counted(outlet: Shipping, name: str, **labels: str) -> float:
    """A metric of the agent."""
    return next(
        sample.value
        for family in outlet.collect()
        for sample in family.samples
        if (sample.name, sample.labels) == (f"kinwatch_agent_{name}", labels)
    )


def test_window_arrives(server: ShipServer, tmp_path: Path) -> None:
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(5))
        await_that(lambda: counted(outlet, "batches_total", outcome="stored") == 1)
        outlet.check()
        assert list(outlet.refused()) == list(outlet.notes()) == []
        assert counted(outlet, "spool_records") == 0
    (batch,) = came(server)
    assert (batch.window, batch.key.node, batch.key.sequence) == (closed(5).window, NODE, 1)


def test_window_whose_moment_has_not_come_is_sent_at_the_end(server: ShipServer, tmp_path: Path) -> None:
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(0))
    assert len(came(server)) == 1


def test_what_could_not_be_sent_is_sent_in_the_next_life(server: ShipServer, tmp_path: Path) -> None:
    """In order, under the same boot, and the windows between the lives are told as missed."""
    server.reply = Reply.refusing(503)
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(9))
        outlet.closed(closed(8))
        await_that(lambda: counted(outlet, "batches_total", outcome="failed"))
        assert counted(outlet, "spool_oldest_seconds") > 8 * cargo.WINDOW_S
    server.requests.clear()
    server.reply = Reply()
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(4))
    batches = came(server)
    assert [one.window for one in batches] == [closed(9).window, closed(8).window, closed(4).window]
    assert [one.key.sequence for one in batches] == [1, 2, 3]
    assert len({one.key.boot for one in batches}) == 1
    assert [one.coverage.lost for one in batches] == [{}, {}, {"windows": 3}]


def test_refused_batch_is_told_by_the_next(server: ShipServer, tmp_path: Path) -> None:
    server.reply = Reply.refusing(422)
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(9))
        await_that(lambda: counted(outlet, "batches_total", outcome="refused") == 1)
        server.reply = Reply()
        outlet.closed(closed(8))
        await_that(lambda: counted(outlet, "batches_total", outcome="stored") == 1)
    assert [one.coverage.lost for one in came(server)] == [{}, {"refused": 1}]


@pytest.mark.parametrize(
    ("reply", "hindered", "noted"),
    [
        (Reply.refusing(401), [Reason.AGGREGATOR_REFUSES], []),
        (Reply(status=404, body=b"nobody here"), [Reason.AGGREGATOR_REFUSES], []),
        (Reply.refusing(507), [], [Reason.AGGREGATOR_AWAY]),
    ],
    ids=["not let in", "wrong address", "full"],
)
def test_readiness_says_what_does_not_pass_and_notes_what_does(
    server: ShipServer, tmp_path: Path, reply: Reply, hindered: list[Reason], noted: list[Reason]
) -> None:
    def said(remarks: Callable[[], object]) -> list[Remark]:
        return list(remarks())  # type: ignore[call-overload, no-any-return]

    server.reply = reply
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(9))
        await_that(lambda: counted(outlet, "batches_total", outcome="failed"))
        assert [one.reason for one in said(outlet.refused)] == hindered
        assert [one.reason for one in said(outlet.notes)] == noted
        server.reply = Reply()
        await_that(lambda: counted(outlet, "batches_total", outcome="stored"))
        assert said(outlet.refused) == said(outlet.notes) == []


def test_end_does_not_wait_for_an_aggregator_that_hangs(server: ShipServer, tmp_path: Path) -> None:
    """Longer than it is given; the batch is sent in the next life."""
    server.reply = Hang()
    with shipping_to(server, tmp_path) as outlet:
        outlet.closed(closed(9))
        await_that(lambda: server.requests)
        began = time.monotonic()
    assert time.monotonic() - began < SPOOLING_S + SENDING_S
    server.reply = Reply()
    server.requests.clear()
    with shipping_to(server, tmp_path):
        await_that(lambda: server.requests)
    assert came(server)[0].key.sequence == 1


def test_what_can_not_work_is_refused_at_the_start(tmp_path: Path) -> None:
    """An address that is none, and a spool where there can be none."""
    for aggregator, spool, error in (
        ("aggregator:8443", tmp_path, InputError),
        ("http://aggregator", Path("/proc/spool"), NodeError),
    ):
        delivery = DeliverySettings(aggregator=aggregator, spool=spool)
        with (
            pytest.raises(error),
            shipping(delivery, node=NODE, window_s=30, agent_version="1", names=cargo.names),
        ):
            pass
