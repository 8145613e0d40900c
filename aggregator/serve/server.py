"""
Run the app on uvicorn until a signal comes, and then to the end of what it has taken.

Flow: start -> **server** -> connection. uvicorn itself would log in its own words, and die by the signal at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from aggregator.serve.connection import HEADER_BYTES, KEEP_ALIVE_S, Connection

GRACE_S: Final = 8
"""How long requests may still take after a signal; the store is closed within 10 s in all."""
BACKLOG: Final = 512

log = structlog.get_logger()


class Server(uvicorn.Server):
    """A server that SIGTERM and SIGINT stop, and that says so to the app before it waits for the last requests."""

    def __init__(
        self, app: FastAPI, *, tls: ssl.SSLContext | None, listening: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(_config(app, tls))
        self._listening, self._stopping = listening, stopping

    def stop(self) -> None:
        """Begin to stop; the second time, don't wait for anybody."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; from then on connections are taken."""
        await super().startup(sockets)
        self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more, and wait for what is being answered."""
        log.info("stopping")
        self._stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop by a signal, and not die by it."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for one in signals:
            loop.add_signal_handler(one, self.stop)
        try:
            yield
        finally:
            for one in signals:
                loop.remove_signal_handler(one)


def _config(app: FastAPI, tls: ssl.SSLContext | None) -> uvicorn.Config:
    _log_uvicorn()
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
    )


class _Errors(logging.Handler):
    """uvicorn's errors, as events of our log; what clients do wrong it calls warnings, and we count that."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        log.error("server_error", problem=record.getMessage().strip(), exc_info=error)


def _log_uvicorn() -> None:
    for name, level in (("uvicorn", logging.ERROR), ("asyncio", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Errors(level)], False
        logger.setLevel(level)
