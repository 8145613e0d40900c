"""
Put the server together, run it, and take it apart in the order in which nothing is lost.

Flow: main -> **start**. Store, judging, intake, upkeep, and the network last; at the end the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Final

import structlog

from aggregator.serve.access import Access
from aggregator.serve.app import app_of
from aggregator.serve.batches import Batches
from aggregator.serve.body import Bodies
from aggregator.serve.gaps import Gaps
from aggregator.serve.guards import guards_of
from aggregator.serve.health import Health
from aggregator.serve.intake import Intake
from aggregator.serve.judging import HandOver, Judging, Unjudged
from aggregator.serve.ledger import Ledger
from aggregator.serve.listening import Listener, bound, is_loopback
from aggregator.serve.metrics import Metrics
from aggregator.serve.server import Server
from aggregator.serve.settings import DAY_S, ServeSettings
from aggregator.serve.tls import Tls
from aggregator.serve.upkeep import Keep, Upkeep
from aggregator.store.store import Store
from kinwatch import logs
from kinwatch.batch import Batch

END_S: Final = 10.0
"""From a signal to the end, in seconds: Kubernetes gives 30."""
SWITCH_S: Final = 0.001
"""For how long a thread may keep the others from Python, in seconds: with Python's own 5 ms, each step of an answer
would wait so long for the thread that decodes."""
GARBAGE: Final = 50_000
"""New objects between two looks for garbage in cycles, in place of 700: a batch is thousands of objects without a
cycle, and to look through them again and again holds up whoever waits for an answer."""

log = structlog.get_logger()


def serve(settings: ServeSettings, judging: Judging | None = None) -> int:
    """Take batches until SIGTERM or SIGINT; the exit code. Raises OperatorError if it can't begin."""
    logs.configure()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(settings.log_level))
    sys.setswitchinterval(SWITCH_S)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bound(settings.listen))
        settings.check_address(loopback=is_loopback(listener))
        tls = Tls(settings.tls) if settings.tls else None
        store = Store.open(settings.database_url, settings.data_dir)
        stack.callback(store.close)
        Serving(settings, store, judging or Unjudged(), listener, tls).run()
    return 0


class Serving:
    """The parts of a server, and their beginning and end."""

    def __init__(
        self, settings: ServeSettings, store: Store, judging: Judging, listener: Listener, tls: Tls | None
    ) -> None:
        self._listener, self._tls = listener, tls
        self._loop: asyncio.AbstractEventLoop | None = None
        version = metadata.version("kinwatch")
        self.metrics = Metrics(version=version)
        self._hand_over = HandOver(judging, self.metrics, on_death=self._died)
        self._ledger = Ledger(Gaps(store.nodes()), self.metrics)
        self._intake = Intake(store, self._stored, arrived=settings.queue, on_death=self._died)
        keep = Keep(seconds=settings.keep_days * DAY_S, bytes=settings.keep_bytes)
        self._upkeep = Upkeep(store, keep, self._ledger, self.metrics, on_death=self._died)
        self._health = Health(self._intake)
        self._guards = guards_of(settings)
        self._access = Access(self._guards.agents, self._guards.readers)
        self._batches = Batches(self._access, Bodies(), self._intake, self.metrics)
        app = app_of(
            batches=self._batches,
            store=store,
            access=self._access,
            health=self._health,
            metrics=self.metrics,
            version=version,
            is_metrics_open=not settings.metrics_token,
        )
        self._server = Server(app, tls=tls.context if tls else None, listening=self._listening, stopping=self._stopping)
        self._have_asked()

    def run(self) -> None:
        """Serve until a signal comes, or a thread ends by a bug, which is raised."""
        with self._threads():
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        following = asyncio.create_task(self._tls.follow()) if self._tls else None
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            self._loop = None
            if following:
                following.cancel()

    @contextlib.contextmanager
    def _threads(self) -> Iterator[None]:
        parts = (self._hand_over, self._intake, self._upkeep)
        for part in parts:
            part.start()
        try:
            yield
        finally:
            self._access.stop()
            self._guards.close()
            until_s = time.monotonic() + END_S / len(parts)
            for part in (self._intake, self._upkeep, self._hand_over):
                part.stop(max(until_s - time.monotonic(), 0.1))
            self._ledger.settle(everything=True)
        for part in parts:
            part.check()
        log.info("stopped")

    def _stored(self, batch: Batch) -> None:
        self._ledger.note(batch)
        self._hand_over.hand(batch)

    def _listening(self) -> None:
        gc.freeze()
        gc.set_threshold(GARBAGE)
        log.info("listening", address=str(self._listener.address), tls=self._tls is not None)

    def _stopping(self) -> None:
        self._health.stop()
        self._batches.bodies.stop()

    def _died(self) -> None:
        """A thread has ended by a bug: stop the rest."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._server.stop)

    def _have_asked(self) -> None:
        """What Prometheus is told of what others keep."""
        metrics, listener = self.metrics, self._listener
        metrics.gauge("waiting", "Batches that were taken and are not answered yet.", lambda: self._intake.waiting)
        metrics.gauge("bodies_held_bytes", "Memory of bodies.", lambda: self._batches.room.used_bytes)
        metrics.gauge("connections", "Connections.", lambda: listener.connections)
        metrics.gauge("ready", "1 if /readyz says so.", lambda: not self._health.hindrances())
        metrics.counted("connections_refused", "Clients hung up on for want of room.", lambda: listener.hung_up)
