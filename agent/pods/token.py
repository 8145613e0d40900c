"""
The token by which the agent makes itself known, and what can be read of it without its issuer's key.

Flow: projected file -> **token** -> kubelet, unauthorised. The text goes into one header and into no message.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its ServiceAccount's token and the cluster's CA, unless automountServiceAccountToken is off."""
TOKEN_FILE: Final = SERVICE_ACCOUNT / "token"
CLUSTER_CA: Final = SERVICE_ACCOUNT / "ca.crt"

TOKEN_BYTES: Final = 64 << 10
"""Longest token that is read; those of ServiceAccounts have about 1 KiB, and Go takes headers up to 1 MiB."""

_TEXT: Final = re.compile(r"[!-~]+")
"""What fits into a header, without spaces (RFC 6750)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token file holds at one moment."""

    file: Path
    text: str = ""
    """What is sent; empty when there is none."""
    absence: str = ""
    """Why there is none, with the file's name; empty when there is one."""
    claims: Mapping[str, Any] | None = None
    """What it claims, unverified (RFC 7519); None when it is no JWT."""

    def __repr__(self) -> str:
        return f"Token(file={self.file!r})"

    @property
    def subject(self) -> str:
        """Whose it is, such as `system:serviceaccount:kinwatch:agent`; empty when it doesn't say."""
        return self._claim("sub")

    @property
    def issuer(self) -> str:
        """Who issued it: the API server's --service-account-issuer; empty when it doesn't say."""
        return self._claim("iss")

    @property
    def audiences(self) -> tuple[str, ...]:
        """For whom it is meant; empty when it doesn't say."""
        audiences = (self.claims or {}).get("aud")
        listed = audiences if isinstance(audiences, list) else [audiences]
        return tuple(audience for audience in listed if isinstance(audience, str))

    @property
    def expires(self) -> datetime | None:
        """When it expires; None when it doesn't say."""
        seconds = (self.claims or {}).get("exp")
        try:
            return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
        except (OverflowError, ValueError, OSError):
            return None

    def _claim(self, name: str) -> str:
        claim = (self.claims or {}).get(name)
        return claim if isinstance(claim, str) else ""


def read_token(file: Path) -> Token:
    """What the file holds now: the kubelet's volume swaps a new token in when four fifths of its time are over."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(TOKEN_BYTES + 1)
    except FileNotFoundError:
        return Token(file=file, absence=f"there is no file {file}")
    except OSError as error:
        return Token(file=file, absence=f"reading {file}: {error.strerror}")
    if not raw.strip():
        return Token(file=file, absence=f"{file} is empty")
    text = raw.strip().decode("latin-1")
    if len(raw) > TOKEN_BYTES or not _TEXT.fullmatch(text):
        return Token(file=file, absence=f"what {file} holds is no token: it has spaces, control characters or no end")
    return Token(file=file, text=text, claims=claims_of(text))


def claims_of(text: str) -> Mapping[str, Any] | None:
    """What a JWT claims, its signature unverified; None when the text is no JWT (RFC 7515, compact serialisation)."""
    parts = text.split(".")
    if len(parts) != len(("header", "payload", "signature")):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
