"""
Understand what the aggregator says of a batch, and tell it from what others say who stand at its address or on the way.

Flow: aggregator -> **answer** -> sender. docs/api.md tells what it answers. A batch is let go of only if the aggregator
itself says so: the page of an ingress with status 200 is no acknowledgement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from kinwatch.errors import PeerError
from kinwatch.printable import printable

RETRY_AFTER_MAX_S: Final = 300.0
"""How long the aggregator may have us wait, in seconds."""
WORDS: Final = 300
"""Characters of what somebody else says that are told on."""
_TAKEN: Final = frozenset({HTTPStatus.CREATED, HTTPStatus.OK})
_FOR_GOOD: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""The batch is at fault, and will be tomorrow."""
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Outcome(StrEnum):
    """What became of a batch."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """It had it already: our acknowledgement was lost."""
    REFUSED = "refused"
    """It will never take it: the batch is to be dropped, and said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the aggregator says of a batch."""

    outcome: Outcome
    problem: str = ""


class NotNowError(PeerError):
    """The batch is to be sent again later."""

    def __init__(self, problem: str, *, remedy: str, lasting: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(problem, remedy=remedy, lasting=lasting)
        self.retry_after_s = retry_after_s
        """For how long the aggregator wants to be left alone; 0: it doesn't say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer of HTTP."""

    status: int
    retry_after: str
    """The header, or nothing."""
    body: bytes

    @property
    def told(self) -> Mapping[str, Any]:
        """What the aggregator's JSON has; nothing if it is somebody else's answer."""
        try:
            told = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    @property
    def words(self) -> str:
        """Its words, for a person."""
        problem = self.told.get("problem")
        text = problem if isinstance(problem, str) else self.body.decode(errors="replace").strip()
        return f"HTTP {self.status}" + (f", {printable(text[:WORDS])}" if text else "")

    @property
    def retry_after_s(self) -> float:
        """Seconds, as RFC 9110 (10.2.3) has it; a date is not what our aggregator sends."""
        is_number = self.retry_after.isascii() and self.retry_after.isdigit()
        return min(float(self.retry_after), RETRY_AFTER_MAX_S) if is_number else 0.0


def understood(said: Said) -> Answer:
    """What became of the batch; NotNowError if it is to be sent again later."""
    if said.status in _TAKEN and said.told.get("outcome") in (Outcome.STORED, Outcome.DUPLICATE):
        return Answer(outcome=Outcome(said.told["outcome"]))
    if said.status in _FOR_GOOD and _is_to_be_believed(said):
        return Answer(outcome=Outcome.REFUSED, problem=said.words)
    raise _not_now(said)


def _is_to_be_believed(said: Said) -> bool:
    """Whether it is the aggregator that refuses; or some proxy for which a batch is too large, and ever will be."""
    return "reason" in said.told or said.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _not_now(said: Said) -> NotNowError:
    if said.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NotNowError(
            f"the aggregator refuses this agent ({said.words})",
            remedy="see that the agent's ServiceAccount is the one that the aggregator was told of, its token has the "
            "audience kinwatch-aggregator, and --node is this node's name",
            lasting=True,
            retry_after_s=said.retry_after_s,
        )
    if said.status in _PASSING or said.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        remedy = said.told.get("remedy")
        return NotNowError(
            f"the aggregator does not take batches now ({said.words})",
            remedy=remedy if isinstance(remedy, str) else "nothing if it passes; else see the aggregator's log",
            retry_after_s=said.retry_after_s,
        )
    return NotNowError(
        f"there is no aggregator at this address ({said.words})",
        remedy="see that --aggregator is the Service's address, without a path, and that what stands between passes "
        "requests on as they are",
        lasting=True,
    )
