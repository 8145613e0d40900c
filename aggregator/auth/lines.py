"""
Have a few lines to the API server, each for one thread at a time.

Flow: reviews -> **lines** -> kinwatch.apiserver. Their number is the bound on what the aggregator asks at once: a flood
of tokens is not passed on to the API server, and a server thread that finds no line free soon answers «later».
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Final

from aggregator.auth.refused import AuthError, Reason
from kinwatch.apiserver.connection import Connection

LINES: Final = 4
"""A review takes 2 to 20 ms, so four lines are at least 200 a second: enough for 5,000 nodes, each asked for once a
minute, twice over."""
FREE_S: Final = 2.0
"""For how long one waits for a line."""
RETRY_S: Final = 5.0


class Lines:
    """Connections, made when they are first used."""

    def __init__(self, connect: Callable[[], Connection], *, lines: int = LINES, free_s: float = FREE_S) -> None:
        self._connect = connect
        self._lines = lines
        self._free_s = free_s
        self._free: LifoQueue[Connection | None] = LifoQueue()  # last in, first out: a warm connection is used again
        for _ in range(lines):
            self._free.put(None)

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection of one's own; raises AuthError if none is free soon, and PeerError if it can't be made."""
        try:
            connection = self._free.get(timeout=self._free_s)
        except Empty:
            raise AuthError(
                Reason.BUSY,
                f"all {self._lines} lines to the API server have been in use for {self._free_s:g} s",
                remedy="look at how fast the API server answers reviews, and at who sends tokens that nobody knows: "
                "the log line `refused` names peers",
                retry_after_s=RETRY_S,
            ) from None
        try:
            connection = connection or self._connect()
            yield connection
        finally:
            self._free.put(connection)

    def close(self) -> None:
        """Close the connections that are free."""
        for connection in list(self._free.queue):
            if connection is not None:
                connection.renew()
