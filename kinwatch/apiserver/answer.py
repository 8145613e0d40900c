"""
Read what the API server answers, whole or line by line, and word what keeps it from answering.

Flow: connection -> **answer** -> apiserver, owners. What urllib3 raises ends here and in connection.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from kinwatch.apiserver.refused import Asked, RefusedError, UnreadableError, refused
from kinwatch.errors import PeerError

READ_ERRORS: Final = (HTTPError, OSError, ValueError)
"""What reading raises; the last two where the connection was shut while it was read."""
OK: Final = 200
_DONE: Final = (OK, 201)
"""201 answers a review: what is posted counts as made, though the API server keeps nothing of it."""


class Answer:
    """The answer to one request; its body can be read once."""

    def __init__(self, response: urllib3.BaseHTTPResponse, *, server: str) -> None:
        self._response = response
        self._server = server
        self.status = response.status

    def document(self, asked: Asked) -> Any:
        """The body as JSON; raises RefusedError if the status is not 200 or 201, UnreadableError if it is no JSON."""
        body = self._body()
        if self.status not in _DONE:
            raise self._refused(body, asked)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UnreadableError("what is no JSON", asked=asked) from error

    def lines(self) -> Iterator[bytes]:
        """The body's lines as they come; raises PeerError if they break off."""
        try:
            yield from self._response
        except READ_ERRORS as error:
            raise self._broken_off(error) from error

    def end(self) -> None:
        """Read no more of it; ends `lines` in another thread too."""
        with suppress(OSError, RuntimeError, ValueError):  # it may have ended by itself
            self._response.shutdown()

    def close(self) -> None:
        """Let go of the connection, if the body was not read to its end."""
        self._response.close()

    def _body(self) -> bytes:
        try:
            return self._response.data
        except READ_ERRORS as error:
            raise self._broken_off(error) from error

    def _broken_off(self, error: Exception) -> PeerError:
        return PeerError(
            f"the API server at {self._server} broke off its answer: {_innermost(error)}",
            remedy="nothing if it passes, as when the API server is restarted; if it stays, see what stands between "
            "and ends connections that are quiet for long",
        )

    def _refused(self, body: bytes, asked: Asked) -> RefusedError:
        try:
            status = json.loads(body)
        except ValueError:
            status = body.decode(errors="replace")
        seconds = self._response.headers.get("Retry-After", "")
        # The API server gives seconds; a date, which the header may also hold, is taken for no word.
        return refused(self.status, status, asked=asked, retry_after_s=int(seconds) if seconds.isdecimal() else 0)


def failure(error: Exception, *, server: str) -> PeerError:
    """The error of a request that got no answer."""
    certificate = next((one for one in _causes(error) if isinstance(one, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return PeerError(
            f"the certificate of the API server at {server} is not to be trusted: {certificate.verify_message}",
            remedy="see that the CA is the cluster's (ca.crt beside the token, or certificate-authority in the "
            "kubeconfig), and that the certificate names the address",
            lasting=True,
        )
    if isinstance(error, SSLError):
        return PeerError(
            f"no TLS connection to the API server at {server}: {error}",
            remedy="see that address and port are the API server's, and that CA and client certificate are whole",
            lasting=True,
        )
    return PeerError(
        f"the API server at {server} is not reached: {_innermost(error)}",
        remedy="see that the node's network, its service proxy and network policies let this process reach the address",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those it was made from; urllib3 hands them on as arguments."""
    yield error
    for inner in (*error.args, getattr(error, "original_error", None), error.__cause__):
        if isinstance(inner, BaseException):
            yield from _causes(inner)


def _innermost(error: BaseException) -> str:
    *_, last = _causes(error)
    return str(last) or type(last).__name__
