"""
Why somebody is not let in, and what to do about it.

Flow: beside **auth**. The status is that of the HTTP answer: 401 asks for other credentials, 403 says that these are
known and don't suffice, 503 that nobody can tell now.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

REALM: Final = "kinwatch"
_UNAUTHORIZED: Final = 401
_UNAVAILABLE: Final = 503


class Reason(StrEnum):
    """Why; what refusals are counted by."""

    NO_CREDENTIAL = "no_credential"
    """No token, and no certificate."""
    BAD_TOKEN = "bad_token"  # noqa: S105 - no password, nor is the next
    """No token that anybody here knows: forged, revoked, or of a pod that is gone."""
    EXPIRED = "expired"
    WRONG_AUDIENCE = "wrong_audience"
    """A token that is meant for somebody else."""
    AUDIENCE_UNCHECKED = "audience_unchecked"
    """The API server did not say whom the token is meant for: it ignores audiences."""
    OTHER_ACCOUNT = "other_account"
    """A ServiceAccount, or a user, that is not the agents'."""
    OTHER_ROLE = "other_role"
    """A reader that sends, or an agent that reads."""
    NO_NODE = "no_node"
    """It is known who it is, but not of which node."""
    OTHER_NODE = "other_node"
    """A batch of another node than the sender's."""
    FORBIDDEN = "forbidden"
    """A reader that has not been granted this path."""
    UNAVAILABLE = "unavailable"
    """The API server, or the file of tokens, can't be asked now."""
    NOT_PERMITTED = "not_permitted"
    """The aggregator itself lacks a permission to ask."""
    BUSY = "busy"
    """More is to be asked than the API server answers in time."""


_STATUS: Final = {
    Reason.NO_CREDENTIAL: 401,
    Reason.BAD_TOKEN: 401,
    Reason.EXPIRED: 401,
    Reason.WRONG_AUDIENCE: 401,
    Reason.AUDIENCE_UNCHECKED: 401,
    Reason.OTHER_ACCOUNT: 403,
    Reason.OTHER_ROLE: 403,
    Reason.NO_NODE: 403,
    Reason.OTHER_NODE: 403,
    Reason.FORBIDDEN: 403,
    Reason.UNAVAILABLE: 503,
    Reason.NOT_PERMITTED: 503,
    Reason.BUSY: 503,
}


class AuthError(Exception):
    """Somebody is not let in. What it says holds no token."""

    def __init__(
        self,
        reason: Reason,
        problem: str,
        *,
        remedy: str,
        principal: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{problem} ({remedy})")
        self.reason = reason
        self.problem = problem
        """For the operator's log; `told` is for who was refused."""
        self.remedy = remedy
        self.principal = principal
        """Who it is, where that is proved."""
        self.retry_after_s = retry_after_s
        """When to ask again, if the status is 503."""

    @property
    def status(self) -> int:
        """Of the HTTP answer."""
        return _STATUS[self.reason]

    @property
    def told(self) -> str:
        """What may be said to who was refused: nothing of what the aggregator lacks, for anybody can make it fail."""
        if self.status == _UNAVAILABLE:
            return "who you are can't be checked now; try again later"
        return f"{self.problem} ({self.remedy})"

    @property
    def www_authenticate(self) -> str | None:
        """The header that goes with 401 (RFC 6750, section 3); None with any other status."""
        if self.status != _UNAUTHORIZED:
            return None
        if self.reason is Reason.NO_CREDENTIAL:
            return f'Bearer realm="{REALM}"'
        return f'Bearer realm="{REALM}", error="invalid_token", error_description="{self.reason}"'

    def again(self) -> AuthError:
        """The same error to raise once more: one that was raised before drags along where that was."""
        return AuthError(
            self.reason,
            self.problem,
            remedy=self.remedy,
            principal=self.principal,
            retry_after_s=self.retry_after_s,
        )
