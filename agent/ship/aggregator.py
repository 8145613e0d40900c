"""
Send a batch to the aggregator, and say what it answers.

Flow: sender -> **aggregator** ══ answer. The one module that speaks HTTP to it.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from agent.pods.token import read_token
from agent.ship.answer import Answer, NotNowError, Said, understood
from kinwatch.errors import InputError

PATH: Final = "/v1/batches"
CONTENT_TYPE: Final = "application/vnd.kinwatch.batch"
CONNECT_S: Final = 5.0
READ_S: Final = 30.0
"""The aggregator answers when it has stored: mostly within a quarter of a second, but its disk may be slow."""
_ANSWER_BYTES: Final = 4096
_CUT_SHORT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""The other side went away in the middle of TLS, as one does that is restarted."""
_ADDRESS: Final = "give https://HOST:PORT, such as https://aggregator.kinwatch.svc:8443"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the aggregator is, and how the agent makes itself known."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    certificate: Path | None = None
    """Our own, for mutual TLS, in PEM, with the chain."""
    key: Path | None = None

    def __post_init__(self) -> None:
        if not self.url.lower().startswith(("https://", "http://")):
            raise InputError(f"--aggregator {self.url!r} has no scheme that is known", remedy=_ADDRESS)
        if not _has_host(self.url):
            raise InputError(f"--aggregator {self.url!r} is no address", remedy=_ADDRESS)
        if self.token_file and not self.is_https:
            raise InputError(
                f"--aggregator {self.url} would have the token travel in the clear",
                remedy="give its https:// address, or leave --aggregator-token out",
            )
        if (self.certificate is None) != (self.key is None):
            raise InputError(
                "a client certificate wants its key", remedy="give both --aggregator-cert and --aggregator-key"
            )

    @property
    def is_https(self) -> bool:
        """Whether what is sent can't be read on its way."""
        return self.url.lower().startswith("https://")


class Aggregator:
    """The aggregator; for one thread. One connection is kept open."""

    def __init__(self, address: Address, *, connect_s: float = CONNECT_S, read_s: float = READ_S) -> None:
        """Raises InputError when a certificate can't be used."""
        self._address = address
        self._url = address.url.rstrip("/") + PATH
        self._timeout = urllib3.Timeout(connect=connect_s, read=read_s)
        self._pool: urllib3.PoolManager | None = _pool(address)

    def send(self, body: bytes) -> Answer:
        """Send a batch; raises NotNowError when it is to be sent again later."""
        headers = self._headers()
        try:
            said = self._asked(body, headers)
        except HTTPError as error:
            raise _unreached(self._url, error) from error
        return understood(said)

    def _asked(self, body: bytes, headers: dict[str, str]) -> Said:
        response = self._opened().request(
            "POST",
            self._url,
            body=body,
            headers=headers,
            preload_content=False,
            redirect=False,
            timeout=self._timeout,
        )
        with contextlib.closing(response):  # an answer without an end is not read to it; one that was read is let go
            text = response.read(_ANSWER_BYTES)
            return Said(status=response.status, retry_after=response.headers.get("Retry-After", ""), body=text)

    def renew(self) -> None:
        """Connect anew with the next batch, and read CA and certificate anew for it."""
        if self._pool:
            self._pool.clear()
        self._pool = None

    def _opened(self) -> urllib3.PoolManager:
        try:
            self._pool = self._pool or _pool(self._address)
        except InputError as error:
            raise NotNowError(error.problem, remedy=error.remedy, lasting=True) from error
        return self._pool

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "kinwatch-agent"}
        if self._address.token_file:
            token = read_token(self._address.token_file)
            if not token.text:
                raise NotNowError(
                    f"the agent has no token for the aggregator: {token.absence}",
                    remedy="mount a projected token with the audience kinwatch-aggregator, and name its file by "
                    "--aggregator-token",
                    lasting=True,
                )
            headers["Authorization"] = f"Bearer {token.text}"
        return headers


def _pool(address: Address) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        num_pools=1,
        maxsize=1,
        ssl_context=_context(address),
        retries=False,
    )


def _has_host(url: str) -> bool:
    try:
        return bool(urllib3.util.parse_url(url).host)
    except LocationValueError:
        return False


def _context(address: Address) -> ssl.SSLContext | None:
    if not address.is_https:
        return None
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # by default from Python 3.13 on, where it refuses many a CA
        if address.certificate and address.key:
            context.load_cert_chain(address.certificate, address.key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"reading the certificates for the aggregator: {reason}",
            remedy="name files in PEM by --aggregator-ca, --aggregator-cert and --aggregator-key",
        ) from error
    return context


def _unreached(url: str, error: HTTPError) -> NotNowError:
    cause = _innermost(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NotNowError(
            f"the certificate at {url} is not to be trusted: {cause.verify_message}",
            remedy="name the CA that signed it by --aggregator-ca; it has to carry the name in --aggregator",
            lasting=True,
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, _CUT_SHORT):
        return NotNowError(
            f"{url} and this agent find no way to speak TLS: {cause.reason or cause}",
            remedy="see that the aggregator has --tls-cert, and that its --client-ca is the CA of --aggregator-cert",
            lasting=True,
        )
    reason = (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__
    return NotNowError(
        f"{url} is not reached: {reason}",
        remedy="see that the aggregator runs, and that no NetworkPolicy keeps the node from it; batches wait in the "
        "spool",
    )


def _innermost(error: BaseException) -> BaseException:
    """What an error was made from; urllib3 hands that on as an argument or as the cause."""
    inner = [one for one in (*error.args, error.__cause__) if isinstance(one, BaseException)]
    return _innermost(inner[-1]) if inner else error
