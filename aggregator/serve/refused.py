"""
Why a request is not answered as asked, in words for whoever mends it.

Flow: beside it. Whoever can't go on raises a Refused; `app` makes an answer of it. Its JSON has `reason`, `problem`
and `remedy`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi.responses import JSONResponse

from aggregator.auth.refused import AuthError
from aggregator.store.faults import StoreBusy, StoreError, StoreFull
from kinwatch.wire import Refusal, WireError

LEAST_RETRY_S: Final = 1
MOST_RETRY_S: Final = 60
"""Of a Retry-After: an agent that waits for longer than two windows is taken for dead."""
FULL_RETRY_S: Final = 30
"""Room on a disk comes by retention or by a person, not within seconds."""
STORE_RETRY_S: Final = 5
"""A database, or an API server, that can't be reached is mostly back within seconds."""

_WIRE: Final[Mapping[Refusal, tuple[HTTPStatus, str]]] = {
    Refusal.COMPRESSED_SIZE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "send fewer replicas in a batch"),
    Refusal.DECOMPRESSED_SIZE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "send fewer replicas in a batch"),
    Refusal.LIMIT: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "keep to the limits in docs/wire.md"),
    Refusal.FRAME: (HTTPStatus.BAD_REQUEST, "send one whole zstd frame, as docs/wire.md has it"),
    Refusal.SHAPE: (HTTPStatus.BAD_REQUEST, "send what docs/wire.md has"),
    Refusal.VERSION: (HTTPStatus.UNPROCESSABLE_ENTITY, "run agent and aggregator of versions that fit each other"),
    Refusal.VALUE: (HTTPStatus.UNPROCESSABLE_ENTITY, "see docs/wire.md for what is taken in this place"),
    Refusal.SPELLING: (HTTPStatus.UNPROCESSABLE_ENTITY, "write a batch in the one way that docs/wire.md has"),
}


class Refused(Exception):  # noqa: N818 - named by what is so, not by being an error
    """An answer that is not the one asked for."""

    def __init__(
        self,
        status: int,
        reason: str,
        problem: str,
        *,
        remedy: str,
        retry_after_s: float | None = None,
        www_authenticate: str | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {problem}")
        self.status = status
        self.reason = reason
        self.problem = problem
        self.remedy = remedy
        self.retry_after_s = retry_after_s
        self._www_authenticate = www_authenticate

    def answer(self) -> JSONResponse:
        """The answer to who asked."""
        said = {"reason": self.reason, "problem": self.problem, "remedy": self.remedy}
        return JSONResponse(said, status_code=self.status, headers=dict(self._headers()))

    def _headers(self) -> list[tuple[str, str]]:
        headers = []
        if self.retry_after_s is not None:
            headers.append(("Retry-After", str(whole_seconds(self.retry_after_s))))
        if self._www_authenticate is not None:
            headers.append(("WWW-Authenticate", self._www_authenticate))
        return headers


def whole_seconds(seconds: float) -> int:
    """What Retry-After says for a wait of so many seconds."""
    return min(max(math.ceil(seconds), LEAST_RETRY_S), MOST_RETRY_S)


def not_let_in(error: AuthError) -> Refused:
    """Who asks is not known, or may not; nothing is told of what the aggregator lacks, which the log has."""
    is_ours = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return Refused(
        error.status,
        error.reason.value,
        "who you are can't be checked now" if is_ours else error.problem,
        remedy="try again after Retry-After" if is_ours else error.remedy,
        retry_after_s=(error.retry_after_s or STORE_RETRY_S) if is_ours else None,
        www_authenticate=error.www_authenticate,
    )


def no_batch(error: WireError) -> Refused:
    """The body is not a batch."""
    status, remedy = _WIRE[error.reason]
    return Refused(status, error.reason.value, error.message, remedy=remedy)


def not_stored(error: StoreError) -> Refused:
    """The store can't take a batch now; nothing of it is stored."""
    if isinstance(error, StoreFull):
        return Refused(
            HTTPStatus.INSUFFICIENT_STORAGE,
            "store_full",
            error.problem,
            remedy=error.remedy,
            retry_after_s=FULL_RETRY_S,
        )
    reason = "store_busy" if isinstance(error, StoreBusy) else "store_lost"
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE, reason, error.problem, remedy=error.remedy, retry_after_s=STORE_RETRY_S
    )


def behind(problem: str, retry_after_s: float) -> Refused:
    """More comes in than is stored."""
    return Refused(
        HTTPStatus.TOO_MANY_REQUESTS,
        "behind",
        problem,
        remedy="try again after Retry-After; if it lasts, give the aggregator a faster disk or more CPU",
        retry_after_s=retry_after_s,
    )


def stopping() -> Refused:
    """The aggregator is about to end."""
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "stopping",
        "this aggregator is stopping",
        remedy="try again after Retry-After: another one takes over, or this one comes back",
        retry_after_s=LEAST_RETRY_S,
    )
