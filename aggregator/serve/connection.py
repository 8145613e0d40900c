"""
One connection: who is at its other end, and how long that may take for everything.

Flow: server -> **connection** -> app. uvicorn speaks HTTP/1.1 with h11; what it lacks is here: it does not hand the
client's certificate to the app, and it waits for ever for a first request, for the rest of its headers, and for the
rest of a body that was refused already.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

CERTIFICATE: Final = "client_certificate"
"""Its name in `request.state`."""
HEADERS_S: Final = 10.0
"""How long a client may take for the line and the headers of a request, from the first byte of its connection on."""
LINGER_S: Final = 2.0
"""How long one that was refused may go on with its body: closing at once might take the answer from it. Also how long
the other end of TLS may take to say goodbye, for which asyncio would wait 30 s."""
KEEP_ALIVE_S: Final = 75
"""How long a connection may idle. Agents send each 30 s, and a TLS handshake costs as much as a batch."""
HEADER_BYTES: Final = 24 * 1024
"""Of the line and the headers of a request together: a token of 16 KiB, the longest that is looked at, and others."""


class Connection(H11Protocol):
    """uvicorn's protocol, with the client's certificate in `request.state`, and no patience without an end."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience: asyncio.TimerHandle | None = None
        self._waits_for: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """TLS, if any, is done."""
        tls = transport.get_extra_info("ssl_object")
        self.app_state = {**self.app_state, CERTIFICATE: (tls and tls.getpeercert()) or None}
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._wait_for(None, 0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """An answer was given, perhaps before the whole request was there."""
        super().on_response_complete()
        self._look()

    def shutdown(self) -> None:
        """End when there is nothing left to answer. Who idles is not asked to say goodbye in TLS: it doesn't listen."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the words in which everything is refused."""
        if self.conn.our_state is not h11.IDLE:  # in the middle of a body, or of an answer
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.abort()
            return
        said = {"reason": "http", "problem": msg, "remedy": "send HTTP/1.1, with headers of at most 24 KiB"}
        body = json.dumps(said).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        answer = h11.Response(status_code=HTTPStatus.BAD_REQUEST, headers=headers, reason=b"Bad Request")
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look(self) -> None:
        """Set how long is waited for what has to come next."""
        if self.transport.is_closing():
            self._wait_for("goodbye", LINGER_S)
        elif self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._wait_for("headers", HEADERS_S)
        elif self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete:
            self._unset_keepalive_if_required()
            self._wait_for("rest of the body", LINGER_S)
        else:
            self._wait_for(None, 0)

    def _wait_for(self, what: object, seconds: float) -> None:
        """Be patient for so long, counted from when one began to wait for this."""
        if what == self._waits_for:
            return
        if self._patience is not None:
            self._patience.cancel()
        self._waits_for = what
        self._patience = self.loop.call_later(seconds, self._out_of_patience) if what else None

    def _out_of_patience(self) -> None:
        self._patience = None
        self.transport.abort()
