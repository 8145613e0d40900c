"""
Remember for a short while what was answered, and let one ask for all who ask the same.

Flow: token_review, access_review -> **remembered** -> reviews. Without it each batch would be a request to the API
server, and a token that fifty connections show at once would be fifty.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

from aggregator.auth.answers import Answers
from aggregator.auth.clock import Clock
from aggregator.auth.refused import AuthError, Reason

ACCEPTED_S: Final = 60.0
"""For how long somebody who was let in is let in without asking: so late a revoked token may be noticed."""
REFUSED_S: Final = 10.0
"""The same for somebody who was refused: so late a permission that was granted may be noticed."""
MOST_ACCEPTED: Final = 8192
"""More than the 5,000 nodes that Kubernetes is made for: with fewer, agents that take turns push each other out."""
MOST_REFUSED: Final = 4096
"""Kept apart, so that a flood of forged tokens pushes out nobody who was let in."""
AWAIT_S: Final = 20.0
"""For how long one waits for who asks the same."""
RETRY_S: Final = 5.0
_UNAVAILABLE: Final = 503

T = TypeVar("T")
U = TypeVar("U")


@dataclass(slots=True)
class Tally:
    """What became of the questions."""

    remembered: int = 0
    asked: int = 0
    awaited: int = 0
    """Those that somebody else was asking just then."""
    pushed_out: int = 0
    """Answers that went before their time: the bound is too low, or somebody floods."""


class Remembered(Generic[T]):
    """Answers by their questions, for any number of threads."""

    def __init__(
        self, *, clock: Clock | None = None, most_accepted: int = MOST_ACCEPTED, most_refused: int = MOST_REFUSED
    ) -> None:
        self._clock = clock or Clock()
        self._lock = Lock()
        self._accepted = Answers[T](most_accepted)
        self._refused = Answers[AuthError](most_refused)
        self._asking: dict[Hashable, Future[T]] = {}
        self.tally = Tally()

    def get(self, question: Hashable, ask: Callable[[], T], *, expires_s: float | None = None) -> T:
        """
        The answer to a question; raises AuthError, which is remembered too unless its status is 503.

        `expires_s` is when what was shown ends by itself, in seconds since the epoch: no answer holds longer.
        """
        own = Future[T]()
        with self._lock:
            refused = self._refused.get(question, now_s=self._clock.steady_s())
            accepted = self._accepted.get(question, now_s=self._clock.steady_s())
            asking = self._asking.get(question)
            if refused is not None or accepted is not None:
                self.tally.remembered += 1
            elif asking is not None:
                self.tally.awaited += 1
            else:
                self.tally.asked += 1
                self._asking[question] = own
        if refused is not None:
            raise refused.again()
        if accepted is not None:
            return accepted
        return self._ask(question, ask, own, expires_s) if asking is None else _awaited(asking)

    def _ask(self, question: Hashable, ask: Callable[[], T], own: Future[T], expires_s: float | None) -> T:
        asked_s = self._clock.steady_s()  # an answer is as old as its question
        try:
            answer = ask()
        except BaseException as error:
            if isinstance(error, AuthError) and error.status != _UNAVAILABLE:
                self._keep(self._refused, question, error.again(), asked_s + REFUSED_S)
            self._end(question)
            own.set_exception(error)
            raise
        until_s = asked_s + ACCEPTED_S
        if expires_s is not None:
            until_s = min(until_s, self._clock.steady_s() + expires_s - self._clock.wall_s())
        self._keep(self._accepted, question, answer, until_s)
        self._end(question)
        own.set_result(answer)
        return answer

    def _keep(self, answers: Answers[U], question: Hashable, answer: U, until_s: float) -> None:
        with self._lock:
            now_s = self._clock.steady_s()
            if until_s > now_s:
                self.tally.pushed_out += answers.put(question, answer, until_s=until_s, now_s=now_s)

    def _end(self, question: Hashable) -> None:
        with self._lock:
            del self._asking[question]


def _awaited(asking: Future[T]) -> T:
    try:
        return asking.result(AWAIT_S)
    except AuthError as error:
        raise error.again() from None
    except TimeoutError:
        raise AuthError(
            Reason.BUSY,
            f"the API server has not answered the same question of another request for {AWAIT_S:g} s",
            remedy="look at the API server: `kubectl get --raw '/readyz?verbose'`",
            retry_after_s=RETRY_S,
        ) from None
