"""
Speak TLS, by a certificate that may change while we run.

Flow: start -> **tls** -> server. Certificates are renewed within hours or months (cert-manager, the chart's own): the
files are looked at again and again, and each connection that is made after a change sees the new one. A pair that can't
be used leaves the old one in its place.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from kinwatch.errors import InputError

LOOK_S: Final = 10.0
"""How often the files are looked at, in seconds. The kubelet takes a minute or two to bring a changed Secret."""
_REMEDY: Final = (
    "give PEM files: the certificate with its chain by --tls-cert, and its key, without a password, by --tls-key"
)
_ABSENT: Final = b""
"""The digest of files that can't be read."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where TLS finds what it needs."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Of clients' certificates, which are asked for if it is given; a client may come without one."""

    def digest(self) -> bytes:
        """Of their contents; raises OSError."""
        files = [self.certificate, self.key, *([self.client_ca] if self.client_ca else [])]
        return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).digest()


class Tls:
    """A context, and the files behind it."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; raises InputError if they can't be used."""
        self._files = files
        try:
            self._digest = files.digest()
            self.context = _context(files)
        except (OSError, ValueError) as error:
            raise InputError(_problem(files, error), remedy=_REMEDY) from error

    async def follow(self) -> None:
        """Look at the files for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Take what is new in the files, if it can be used."""
        try:
            digest = self._files.digest()
            if digest == self._digest:
                return
            self._digest = digest
            _context(self._files)  # a pair that does not fit would leave the context that is in use without a key
            _load(self.context, self._files)
        except (OSError, ValueError) as error:
            self._refuse(error)
        else:
            log.info("certificate_renewed", file=str(self._files.certificate))

    def _refuse(self, error: Exception) -> None:
        """Say so, once for each state of the files."""
        if not isinstance(error, ssl.SSLError) and isinstance(error, OSError):
            if self._digest == _ABSENT:
                return
            self._digest = _ABSENT
        problem = _problem(self._files, error)
        log.error("certificate_refused", problem=problem, remedy=f"{_REMEDY}; until then the one before is in use")


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.client_ca:
        context.verify_mode = ssl.CERT_OPTIONAL
    _load(context, files)
    return context


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    # Without a password of our own, OpenSSL would ask for one on the terminal.
    context.load_cert_chain(files.certificate, files.key, password="")
    if files.client_ca:
        context.load_verify_locations(files.client_ca)


def _problem(files: TlsFiles, error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        named = [files.certificate, files.key, *([files.client_ca] if files.client_ca else [])]
        return f"reading {', '.join(map(str, named))}: {error}"
    return f"reading {error.filename}: {error.strerror}"
