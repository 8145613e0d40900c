"""
Have a few lines to the API server, each for one thread at a time, and leave it alone for a while when it is away.

Flow: reviews -> **lines** -> kinwatch.apiserver. Their number is the bound on what the aggregator asks at once: a
flood of tokens is not passed on to the API server. While it is away, who asks hears so at once instead of waiting with
a thread of the server's: those threads are needed for whoever is still remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Final

from aggregator.auth.clock import Clock
from aggregator.auth.refused import AuthError, Reason
from kinwatch.apiserver.connection import Connection
from kinwatch.apiserver.refused import RefusedError, UnreadableError
from kinwatch.errors import InputError, PeerError

LINES: Final = 4
"""A review takes 2 to 20 ms, so four lines are at least 200 a second: enough for 5,000 nodes, each asked for once a
minute, twice over."""
FREE_S: Final = 2.0
"""For how long one waits for a line."""
AWAY_S: Final = 5.0
"""For how long an API server that did not answer is not asked; and what Retry-After says at least."""
LONGEST_AWAY_S: Final = 60.0
"""The same, if the API server itself names a time."""


class Lines:
    """Connections, made when they are first used."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        lines: int = LINES,
        free_s: float = FREE_S,
        clock: Clock | None = None,
    ) -> None:
        self._connect = connect
        self._lines = lines
        self._free_s = free_s
        self._clock = clock or Clock()
        self._away: tuple[PeerError, float] | None = None
        """Why the API server is left alone, and until when by the steady clock."""
        self._free: LifoQueue[Connection | None] = LifoQueue()  # last in, first out: a warm connection is used again
        for _ in range(lines):
            self._free.put(None)

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection of one's own; raises AuthError of status 503 if there is none now."""
        connection = self._taken()
        try:
            self._check_there()  # only now: it may have gone while we waited
            connection = connection or self._connected()
            yield connection
        except PeerError as error:
            self._leave_alone(error)
            raise unanswered(error) from error
        finally:
            self._free.put(connection)

    def close(self) -> None:
        """Close the connections, of which none must be in use any more."""
        for connection in list(self._free.queue):
            if connection is not None:
                connection.renew()

    def _connected(self) -> Connection:
        try:
            return self._connect()
        except InputError as error:  # a kubeconfig that was right when the aggregator started
            raise PeerError(error.problem, remedy=error.remedy, lasting=True) from error

    def _taken(self) -> Connection | None:
        try:
            return self._free.get(timeout=self._free_s)
        except Empty:
            raise AuthError(
                Reason.BUSY,
                f"all {self._lines} lines to the API server have been in use for {self._free_s:g} s",
                remedy="look at how fast the API server answers reviews, and at who sends tokens that nobody knows: "
                "the log line `refused` names peers",
                retry_after_s=AWAY_S,
            ) from None

    def _check_there(self) -> None:
        away = self._away
        if away is None:
            return
        error, until_s = away
        left_s = until_s - self._clock.steady_s()
        if left_s > 0:
            raise unanswered(error, retry_after_s=left_s)

    def _leave_alone(self, error: PeerError) -> None:
        """Unless it answered: then it is there, whatever it said of this one question."""
        answered = isinstance(error, RefusedError | UnreadableError)
        away_s = _named_s(error) if answered else AWAY_S
        if away_s:
            self._away = (error, self._clock.steady_s() + away_s)


def unanswered(error: PeerError, *, retry_after_s: float | None = None) -> AuthError:
    """What somebody is told whom the API server would have to know."""
    lacking = isinstance(error, RefusedError) and error.code in (401, 403)  # the aggregator's credentials, or rights
    return AuthError(
        Reason.NOT_PERMITTED if lacking else Reason.UNAVAILABLE,
        error.problem,
        remedy=error.remedy,
        retry_after_s=retry_after_s or _named_s(error) or AWAY_S,
    )


def _named_s(error: PeerError) -> float:
    """For how long the API server wants to be left alone; 0 if it doesn't say."""
    return min(error.retry_after_s, LONGEST_AWAY_S) if isinstance(error, RefusedError) else 0
