"""
Play the demo: three replicas at work, one attacked, the agent watching, the aggregator judging.

Flow: containers -> shop -> traffic -> programs -> **stage**. The order of events, and nothing else.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from demo import programs
from demo.containers import Container, Containers
from demo.shop import COMMAND, add_shop
from demo.traffic import ATTACK, Load, Visitor, injected

PREFIX = "/kinwatch-demo"
COHORT = "shop"
REPLICAS = ("shop-7c9f-a", "shop-7c9f-b", "shop-7c9f-c")
WINDOWS = 2
"""Whole ones: the attack comes in the first, or in the second if the agent began at the very start of one."""
INTO_THE_WINDOW_S = 0.5


class Teller(Protocol):
    """Says what is going on, while it goes on."""

    def step(self, text: str) -> None:
        """Something begins."""

    def detail(self, text: str) -> None:
        """A line about what has just begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done to whom, and what Kinwatch made of it."""

    attacked: str
    named: frozenset[str]
    """The replicas that any verdict calls anomalous."""
    snapshots: tuple[str, ...]
    """The agent's lines."""
    verdicts: str
    """The aggregator's JSON lines."""

    @property
    def right(self) -> bool:
        """Whether the attacked replica was named, and no other."""
        return self.named == {self.attacked}


def play(*, attacked: str, window_s: int, teller: Teller) -> Outcome:
    """Play the demo to its end; raises OperatorError where this node can't. Leaves nothing behind."""
    with ExitStack() as stack:
        node = stack.enter_context(Containers(prefix=PREFIX, hostname=COHORT))
        notes = Path(stack.enter_context(TemporaryDirectory(prefix="kinwatch-demo-"))) / "agent"
        teller.step("Starting three containers of a small web shop, alike to the last byte")
        visitors = dict(zip(REPLICAS, _open_shops(node, stack), strict=True))
        teller.detail(", ".join(REPLICAS))
        teller.step("Sending all three the same visitors")
        load = stack.enter_context(Load(list(visitors.values())))
        teller.step(f"Watching them with the agent, in windows of {window_s} s")
        options = programs.agent_options(cgroup=f"{PREFIX}/*", cohort=COHORT, window_s=window_s, windows=WINDOWS)
        with programs.agent(options, notes=notes) as lines:
            teller.detail(shlex.join(["agent", *options]))
            snapshots: list[str] = []
            for line in lines:
                # The first line tells that a window has just closed: the next one, a whole one, has begun.
                if not snapshots:
                    time.sleep(INTO_THE_WINDOW_S)
                    teller.step("Attacking one of them through its search box")
                    _attack(visitors[attacked], teller)
                snapshots.append(line)
        load.check()
    teller.step("Judging")
    verdicts = programs.judge(snapshots)
    return Outcome(attacked=attacked, named=programs.named(verdicts), snapshots=tuple(snapshots), verdicts=verdicts)


def _open_shops(node: Containers, stack: ExitStack) -> Sequence[Visitor]:
    add_shop(node.rootfs())
    containers = [node.start(name, COMMAND) for name in REPLICAS]
    return [_visitor(container, stack) for container in containers]


def _visitor(container: Container, stack: ExitStack) -> Visitor:
    visitor = stack.enter_context(Visitor(pid=container.pid))
    visitor.wait_for_shop()
    return visitor


def _attack(visitor: Visitor, teller: Teller) -> None:
    for command in ATTACK:
        teller.detail(command.replace("\n", "\\n"))
        visitor.ask(injected(command)).result()
