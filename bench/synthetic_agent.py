"""
An agent without its probe: made-up windows, shipped by the very `agent.ship` and `agent.spool` of the real one.

Flow: **synthetic_agent** -> delivery. It starts in a second where the real one takes three, so that it can be killed a
hundred times. As a program it closes windows by the clock, and writes each into a journal before it hands it on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from agent.pods.sources import Status
from agent.settings import DeliverySettings
from agent.ship.shipping import Shipping, shipping
from agent.values import Closed, Named
from kinwatch import logs
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

WINDOW_S: Final = 0.25
"""Of the program's windows: in so short ones, few kills come while nothing is under way. A whole number of ms."""
REPLICA: Final = Replica(namespace="bench", pod="web-0", container="web")
WORKLOAD: Final = Workload(kind="Deployment", name="web", revision="1")
_FEATURE_BYTES: Final = 64


def window_of(number: int, *, seconds: float = WINDOW_S) -> Window:
    """The window of this number since the epoch."""
    return Window(start=datetime(1970, 1, 1, tzinfo=UTC) + number * timedelta(seconds=seconds), seconds=seconds)


def closed(window: Window, *, node: str, mark: str, body_bytes: int = 0) -> Closed:
    """What comes of a window: one snapshot, with a mark by which it is known again, and noise to make it large."""
    noise = {hashlib.sha256(f"{mark}/{part}".encode()).hexdigest() for part in range(2 * body_bytes // _FEATURE_BYTES)}
    snapshot = Snapshot(
        window=window,
        node=node,
        replica=REPLICA,
        workload=WORKLOAD,
        aspects={Aspect.FILENAMES: frozenset({mark, *noise})},
        coverage=Coverage(observed_s=window.seconds, events=1, lost={}, truncated={}, resolved=True),
    )
    expected = [Named(replica=REPLICA, workload=WORKLOAD)]
    return Closed(window=window, snapshots=[snapshot], late=[], expected=expected, observed_s=window.seconds, lost={})


@contextmanager
def shipping_of(node: str, *, url: str, credentials: Path, spool: Path, window_s: float) -> Iterator[Shipping]:
    """What ships, as the real agent puts it together; `credentials` has `ca.crt` and `token`."""
    delivery = DeliverySettings(
        aggregator=url, token_file=credentials / "token", ca_file=credentials / "ca.crt", spool=spool
    )
    names = Status(source="given", problem="")
    with shipping(delivery, node=node, window_s=window_s, agent_version="bench", names=lambda: names) as outlet:
        yield outlet


def main(arguments: Sequence[str] | None = None) -> int:
    """Ship windows until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser(prog="bench.synthetic_agent")
    for name in ("--node", "--url"):
        parser.add_argument(name, required=True)
    for name in ("--credentials", "--spool", "--journal"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args(arguments)
    logs.configure()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with (
        given.journal.open("a", encoding="ascii") as journal,
        shipping_of(
            given.node, url=given.url, credentials=given.credentials, spool=given.spool, window_s=WINDOW_S
        ) as outlet,
    ):
        while not stopping.is_set():
            window = Window.containing(datetime.now(UTC), seconds=WINDOW_S)
            stopping.wait((window.end - datetime.now(UTC)).total_seconds())
            mark = f"{window.start.timestamp() / WINDOW_S:.0f}-{os.getpid()}"
            journal.write(f"{mark}\n")
            journal.flush()
            outlet.closed(closed(window, node=given.node, mark=mark))
            outlet.check()
    return 0


if __name__ == "__main__":
    sys.exit(main())
