"""
Know agents and readers by tokens that the operator wrote into a file: for nodes outside of a cluster.

Flow: credential -> **static_tokens** -> principal. The file is read anew when it changes. While it can't be used, its
tokens let nobody in: a token that was taken out must not go on because of a slip of the pen in another line.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import structlog

from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.token_file import Holder, Role, Version, read, version_of
from aggregator.auth.tokens import checked, digest
from aggregator.auth.values import Credential, Principal, Via
from kinwatch.errors import InputError

log = structlog.get_logger()

RETRY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """What the file said when it was read last."""

    version: Version | None
    holders: tuple[Holder, ...]
    """Of the last time that it could be used."""
    error: InputError | None


class StaticTokens:
    """Those in the file; raises InputError when it is made, if the file can't be used."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._listed = self._read()

    def takes(self, credential: Credential) -> bool:
        """Whether the token is one of the file's."""
        return bool(credential.token) and self._holder(self._now(), credential.token or "") is not None

    def authenticate(self, credential: Credential) -> Principal:
        """Which agent of the file sends."""
        return self._principal(credential, Role.AGENT)

    def authorise(self, credential: Credential, *, verb: str, path: str) -> Principal:  # noqa: ARG002 - a reader's token reads all
        """Which reader of the file reads; it may read everything, and write nothing."""
        return self._principal(credential, Role.READER)

    def _principal(self, credential: Credential, role: Role) -> Principal:
        token = checked(credential.token)
        listed = self._now()
        if listed.error is not None:
            raise AuthError(Reason.UNAVAILABLE, listed.error.problem, remedy=listed.error.remedy, retry_after_s=RETRY_S)
        holder = self._holder(listed, token)
        if holder is None:
            raise AuthError(
                Reason.BAD_TOKEN,
                f"the token is not in {self._file.name}",
                remedy="put it there, or let the sender use one that is",
            )
        if holder.role is not role:
            raise AuthError(
                Reason.OTHER_ROLE,
                f"the token of {holder.name} is for the role {holder.role}, not {role}",
                remedy=f"give it a token of its own under `{role}s`",
                principal=holder.name,
            )
        return Principal(name=holder.name, node=holder.node, via=Via.STATIC_TOKEN)

    def _holder(self, listed: _Listed, token: str) -> Holder | None:
        """Compares with all, each in a time that doesn't tell how much of it is right."""
        shown = digest(token)
        found = None
        for holder in listed.holders:
            if hmac.compare_digest(holder.digest, shown):
                found = holder
        return found

    def _now(self) -> _Listed:
        """What the file says now; it is read only if it changed since it was read, be it in vain."""
        with self._lock:
            version = None
            try:
                version = version_of(self._file)
                if version != self._listed.version:
                    self._listed = self._read()
            except InputError as error:
                self._doubt(error, version)
            return self._listed

    def _read(self) -> _Listed:
        version, holders = read(self._file)
        log.info("static_tokens", file=str(self._file), tokens=len(holders))
        return _Listed(version=version, holders=holders, error=None)

    def _doubt(self, error: InputError, version: Version | None) -> None:
        """Let nobody in until the file is right; said once for each thing that is wrong."""
        if self._listed.error is None or self._listed.error.problem != error.problem:
            log.error("static_tokens_unusable", problem=error.problem, remedy=error.remedy)
        self._listed = _Listed(version=version, holders=self._listed.holders, error=error)
