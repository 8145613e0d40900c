"""The shop serves its visitors, and its hole is real."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from demo.containers import Container, Containers
from demo.shop import COMMAND, add_shop
from demo.traffic import ATTACK, ROUND, Load, Visitor, injected

PREFIX = f"/kinwatch-test-shop-{os.getpid()}"

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def shops() -> Iterator[list[Container]]:
    """Two replicas of the shop."""
    with Containers(prefix=PREFIX, hostname="shop") as node:
        add_shop(node.rootfs())
        yield [node.start(name, COMMAND) for name in ("a", "b")]


@pytest.fixture
def visitors(shops: list[Container]) -> Iterator[list[Visitor]]:
    """One visitor for each replica, before open doors."""
    first, second = shops
    with Visitor(pid=first.pid) as one, Visitor(pid=second.pid) as two:
        one.wait_for_shop()
        two.wait_for_shop()
        yield [one, two]


def test_visitor_finds_the_furniture(visitors: list[Visitor]) -> None:
    assert visitors[0].ask(ROUND[2]).result() == "1001 oak chair 89.00\n1002 beech chair 69.00\n"


def test_each_replica_answers_alike(visitors: list[Visitor]) -> None:
    for request in ROUND:
        one, two = [visitor.ask(request).result() for visitor in visitors]
        assert one == two


def test_injected_command_runs_in_the_container(shops: list[Container], visitors: list[Visitor]) -> None:
    """It is executed, not echoed: it leaves a file in this replica, and none in the other."""
    answer = visitors[0].ask(injected("id; echo 6 | tr 6 7 > /tmp/mark")).result()
    assert "uid=0(root)" in answer
    assert (shops[0].root / "tmp/mark").read_text() == "7\n"
    assert not (shops[1].root / "tmp/mark").exists()


def test_attack_gets_what_attackers_want(visitors: list[Visitor]) -> None:
    loot = "".join(visitors[0].ask(injected(command)).result() for command in ATTACK)
    for sign in ("uid=0(root)", "root:$6$", "etc\n", "Linux shop", "/tmp/.x"):
        assert sign in loot


def test_order_is_no_hole(shops: list[Container], visitors: list[Visitor]) -> None:
    """Only the search is vulnerable, so that the attack has one way in."""
    order = type(ROUND[0])(path="/cgi-bin/order", form="item=$(touch /tmp/no);`touch /tmp/no`")
    assert "Thank you" in visitors[0].ask(order).result()
    assert not (shops[0].root / "tmp/no").exists()


def test_load_that_finds_a_shop_closed_says_so(visitors: list[Visitor]) -> None:
    """The replicas then did not do the same work, so there is nothing to judge."""
    with Containers(prefix=f"{PREFIX}-closed") as node, Visitor(pid=node.start("c", ["sleep", "60"]).pid) as lonely:
        load = Load([visitors[0], lonely])
        with load:
            load.wait(timeout_s=10)
        with pytest.raises(Exception, match="stopped answering"):
            load.check()
