"""
Send a batch to the aggregator, and say what it answers.

Flow: sender -> **aggregator** ══. The one module that speaks HTTP to it; docs/api.md tells what it answers.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from agent.pods.token import read_token
from kinwatch.errors import InputError, PeerError

PATH: Final = "/v1/batches"
CONTENT_TYPE: Final = "application/vnd.kinwatch.batch"
CONNECT_S: Final = 5.0
READ_S: Final = 30.0
"""The aggregator answers when it has stored: mostly within a quarter of a second, but its disk may be slow."""
RETRY_AFTER_MAX_S: Final = 300.0
"""How long the aggregator may have us wait, in seconds."""
_ANSWER_BYTES: Final = 4096
_TAKEN: Final = {HTTPStatus.CREATED: "stored", HTTPStatus.OK: "duplicate"}


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
            raise InputError(
                f"--aggregator {self.url!r} has no scheme that is known",
                remedy="give https://HOST:PORT, such as https://aggregator.kinwatch.svc:8443",
            )
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

    def __init__(self, address: Address) -> None:
        """Raises InputError when a certificate can't be used."""
        self._address = address
        self._url = address.url.rstrip("/") + PATH
        self._pool: urllib3.PoolManager | None = _pool(address)

    def send(self, body: bytes) -> Answer:
        """Send a batch; raises NotNowError when it is to be sent again later."""
        headers = self._headers()
        try:
            response = self._opened().request(
                "POST", self._url, body=body, headers=headers, preload_content=False, redirect=False
            )
            said = response.read(_ANSWER_BYTES, decode_content=True)
            response.drain_conn()
        except HTTPError as error:
            raise _unreached(self._url, error) from error
        return _answer(response.status, said, response.headers)

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


def _answer(status: int, said: bytes, headers: Any) -> Answer:
    words = said.decode(errors="replace").strip()
    if status in _TAKEN:
        return Answer(outcome=Outcome(_TAKEN[HTTPStatus(status)]))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NotNowError(
            f"the aggregator refuses this agent (HTTP {status}): {words}",
            remedy="see that the agent's ServiceAccount is the one that the aggregator was told of, its token has the "
            "audience kinwatch-aggregator, and --node is this node's name",
            lasting=True,
            retry_after_s=_retry_after_s(headers),
        )
    if status == HTTPStatus.NOT_FOUND or status // 100 == 3:  # noqa: PLR2004 - a redirection
        raise NotNowError(
            f"there is no aggregator at this address (HTTP {status}): {words}",
            remedy="see that --aggregator is the Service's address, without a path",
            lasting=True,
        )
    is_for_good = status // 100 == 4 and status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)  # noqa: PLR2004
    if is_for_good:
        return Answer(outcome=Outcome.REFUSED, problem=f"HTTP {status}: {words}")
    raise NotNowError(
        f"the aggregator does not take batches now (HTTP {status}): {words}",
        remedy="nothing if it passes; else see the aggregator's log",
        retry_after_s=_retry_after_s(headers),
    )


def _retry_after_s(headers: Any) -> float:
    """Seconds, as RFC 9110 (10.2.3) has it; a date is not what our aggregator sends."""
    told = headers.get("Retry-After", "")
    return min(float(told), RETRY_AFTER_MAX_S) if told.isascii() and told.isdigit() else 0.0


def _pool(address: Address) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        num_pools=1,
        maxsize=1,
        ssl_context=_context(address),
        retries=False,
        timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
    )


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
