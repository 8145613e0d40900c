"""
The aggregator is away for a long time: all windows of it wait, and come when it is back.

Flow: synthetic_agent -> **delivery_away** -> delivery. Ten hours of windows at once, 1,200 of 30 s for each node: what
the wall's clock says makes no difference to outbox, spool and sender but for when a window is due.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.ship.shipping import Shipping
from bench.aggregator_beside import aggregator_beside
from bench.bars import Bar
from bench.delivered import Delivered, judged
from bench.scenario import Scenario, await_that, metric
from bench.stored import stored
from bench.synthetic_agent import closed, shipping_of, window_of

NODES: Final = ("n1", "n2", "n3")
WINDOWS: Final = 1200
WINDOW_S: Final = 30.0
BACK_S: Final = 180.0
"""Until the last is delivered: a sender waits for up to 60 s between two attempts; 3,600 batches take their time."""
AHEAD: Final = 32
"""Windows handed on before they are on the disk; more than 64 would be dropped."""


def away(folder: Path) -> Scenario:
    """Hand windows on while nobody answers, then let the aggregator start."""
    numbers = _numbers()
    with aggregator_beside(folder) as aggregator, contextlib.ExitStack() as stack:
        outlets = [
            stack.enter_context(
                shipping_of(
                    node, url=aggregator.url, credentials=folder, spool=folder / f"spool-{node}", window_s=WINDOW_S
                )
            )
            for node in NODES
        ]
        for node, outlet in zip(NODES, outlets, strict=True):
            _hand_on(node, outlet, numbers)
        aggregator.start()
        aggregator.await_listening()
        began = time.monotonic()
        await_that(lambda: not any(metric(one, "spool_records") for one in outlets), "all batches delivered")
        took_s = time.monotonic() - began
        aggregator.stop()
        marks = {node: [f"{node}/{number}-{node}" for number in numbers] for node in NODES}
        found = judged(stored(aggregator.data), marks, window_s=WINDOW_S)
    return _scenario(found, took_s)


def _numbers() -> Sequence[int]:
    """Of the windows: the last ten hours, whose moments to be sent have passed."""
    last = int(time.time() // WINDOW_S) - 2
    return range(last - WINDOWS + 1, last + 1)


def _hand_on(node: str, outlet: Shipping, numbers: Sequence[int]) -> None:
    for handed, number in enumerate(numbers):
        window = window_of(number, seconds=WINDOW_S)
        await_that(lambda handed=handed: metric(outlet, "spool_records") > handed - AHEAD, "a batch spooled")  # type: ignore[misc]
        outlet.closed(closed(window, node=node, mark=f"{number}-{node}"))
    await_that(lambda: metric(outlet, "spool_records") == len(numbers), "all batches spooled")


def _scenario(found: Delivered, took_s: float) -> Scenario:
    bars = [
        Bar(what=f"away for {WINDOWS} windows: batches lost", measured=found.missing, at_most=0),
        Bar(what="the same: batches twice in the store", measured=found.twice, at_most=0),
        Bar(what="the same: batches out of their node's order", measured=found.disordered, at_most=0),
        Bar(what="the same: windows told as lost that are not", measured=found.told + found.untold, at_most=0),
        Bar(what="the same: s until all were delivered", measured=took_s, at_most=BACK_S),
    ]
    return Scenario(
        what=f"aggregator away for {WINDOWS} windows, {len(NODES)} nodes",
        closed=found.closed,
        arrived=found.stored,
        told=found.told,
        seconds=took_s,
        bars=bars,
    )
