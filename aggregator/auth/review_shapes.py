"""
Read what the API server answers to a review.

Flow: reviews -> **review_shapes** -> token_review, access_review. Pure. The shapes are those of
authentication.k8s.io/v1, authorization.k8s.io/v1 and v1; raises UnreadableError for any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kinwatch.apiserver.refused import Asked, UnreadableError

_LONGEST: Final = 300
"""Characters of the API server's own words that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who a token belongs to: UserInfo."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def only(self, key: str) -> str | None:
        """The value of an extra that has exactly one."""
        values = self.extra.get(key, ())
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What the API server says of a token: TokenReviewStatus."""

    user: User | None
    """None: it doesn't know the token, for the audiences that were asked for."""
    audiences: frozenset[str]
    """Of those that were asked for, the ones that the token is meant for."""
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Whether somebody may do something: SubjectAccessReviewStatus."""

    allowed: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Which pod runs where."""

    uid: str
    node: str | None


def reviewed(document: Any, *, asked: Asked) -> Reviewed:
    """The answer to a TokenReview."""
    status = _mapping(document, "status", asked)
    known = status.get("authenticated") is True
    return Reviewed(
        user=_user(_mapping(status, "user", asked), asked) if known else None,
        audiences=frozenset(_texts(status.get("audiences"))),
        error=str(status.get("error") or "")[:_LONGEST],
    )


def allowed(document: Any, *, asked: Asked) -> Allowed:
    """The answer to a SubjectAccessReview."""
    status = _mapping(document, "status", asked)
    said = (status.get("reason"), status.get("evaluationError"))
    return Allowed(allowed=status.get("allowed") is True, why="; ".join(str(one) for one in said if one)[:_LONGEST])


def placed(document: Any, *, asked: Asked) -> Placed:
    """A pod."""
    uid = _mapping(document, "metadata", asked).get("uid")
    node = _mapping(document, "spec", asked).get("nodeName")
    if not isinstance(uid, str):
        raise UnreadableError("a pod without uid", asked=asked)
    return Placed(uid=uid, node=node if isinstance(node, str) and node else None)


def _user(told: Mapping[str, Any], asked: Asked) -> User:
    name, uid, extra = told.get("username"), told.get("uid"), told.get("extra")
    if not isinstance(name, str) or not name:
        raise UnreadableError("a token that is nobody's", asked=asked)
    return User(
        name=name,
        uid=uid if isinstance(uid, str) else "",
        groups=_texts(told.get("groups")),
        extra={str(key): _texts(values) for key, values in extra.items()} if isinstance(extra, Mapping) else {},
    )


def _mapping(document: Any, key: str, asked: Asked) -> Mapping[str, Any]:
    found = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(found, Mapping):
        raise UnreadableError(f"without `{key}`", asked=asked)
    return found


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
