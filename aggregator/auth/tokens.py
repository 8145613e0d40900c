"""
Look at a bearer token without asking anybody.

Flow: credential -> **tokens** -> token_review, access_review, static_tokens. What a token says of itself is not
verified here: it chooses what the API server is asked, shortens how long its answer is kept, and refuses what can't be
right; it never lets anybody in. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aggregator.auth.refused import AuthError, Reason

LONGEST: Final = 16_384
"""Characters of a token; a ServiceAccount's has 1,000 to 2,000."""
_PARTS: Final = 3
_NEW: Final = "let it read its token anew from the file that the kubelet keeps fresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a JWT says of itself (RFC 7519, section 4.1), unverified."""

    audiences: frozenset[str]
    expires_s: float | None
    """Seconds since the epoch; None if it doesn't say."""


def checked(token: str | None) -> str:
    """The token, if there is one and it can be one; raises AuthError."""
    if not token:
        raise AuthError(
            Reason.NO_CREDENTIAL,
            "the request has no token",
            remedy="send the header `Authorization: Bearer <token>`",
        )
    if len(token) > LONGEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise AuthError(Reason.BAD_TOKEN, "what was sent is no token", remedy=_NEW)
    return token


def digest(token: str) -> bytes:
    """Its SHA-256, under which it is remembered: the token itself is kept nowhere."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def claims(token: str) -> Claims | None:
    """What a JWT says of itself; None if it is none."""
    parts = token.split(".")
    if len(parts) != _PARTS:
        return None
    try:
        payload = json.loads(base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):  # recursion: the JSON of someone who nests brackets on purpose
        return None
    if not isinstance(payload, Mapping):
        return None
    return Claims(audiences=_audiences(payload.get("aud")), expires_s=_seconds(payload.get("exp")))


def _audiences(told: Any) -> frozenset[str]:
    several = told if isinstance(told, list) else [told]
    return frozenset(one for one in several if isinstance(one, str))


def _seconds(told: Any) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    try:
        seconds = float(told)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None
