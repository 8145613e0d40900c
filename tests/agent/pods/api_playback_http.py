"""The HTTP of the API server that plays back: who is let in, lists by pages, watches by chunks."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import trustme
from api_playback_replies import ANONYMOUS, NOT_FOUND, TOO_OLD_TO_WATCH, UNAUTHORIZED, Reply, Request

if TYPE_CHECKING:
    from api_playback import PlaybackApiServer

PODS = "/api/v1/pods"
GLANCE_S = 0.05
"""How soon it is seen that a client is gone."""


class Server(ThreadingHTTPServer):
    """HTTPS on a port of 127.0.0.1 that is free."""

    daemon_threads = True

    def __init__(self, api: PlaybackApiServer, certificate: trustme.LeafCert) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.api = api
        self.port = self.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        # The handshake is left to each connection's thread, so that one that hangs holds up no other.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._open: set[socket.socket] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the server and all its connections."""
        self.shutdown()
        self._thread.join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or that does not trust the certificate, is its own affair."""


class Connection(BaseHTTPRequestHandler):
    """One connection to the server."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the library has it
        """Be quiet."""

    def do_GET(self) -> None:
        api = self.server.api
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        with api.changed:
            reply = self._received(address.path, query)
            if api.stopped:
                self.close_connection = True
                return
        if reply is not None:
            self._send(reply.status, reply.body, reply.headers)
        elif address.path == PODS and query.get("watch") == "true":
            asked_s = float(query.get("timeoutSeconds", 1800))
            self._watch(int(query["resourceVersion"]), asked_s if api.watch_s is None else min(asked_s, api.watch_s))
        elif address.path == PODS:
            self._list(query)
        else:
            self._object(address.path)

    def _received(self, path: str, query: dict[str, str]) -> Reply | None:
        """Note the request, hang if it is to, and give the reply that is given instead of the usual one, if any."""
        api = self.server.api
        request = Request(path=path, query=query, headers={key.lower(): value for key, value in self.headers.items()})
        api.requests.append(request)
        api.changed.notify_all()
        api.changed.wait_for(lambda: api.stopped or not any(map(self.path.startswith, api.hanging)))
        for index, (beginning, reply) in enumerate(api.replies):
            if self.path.startswith(beginning):
                del api.replies[index]
                return reply
        for beginning, reply in api.always.items():
            if self.path.startswith(beginning):
                return reply
        if api.tokens is None or request.bearer in api.tokens:
            return None
        return ANONYMOUS if request.bearer is None else UNAUTHORIZED

    def _list(self, query: dict[str, str]) -> None:
        api = self.server.api
        with api.changed:
            begin = int(query.get("continue", 0))
            end = begin + (api.page or len(api.pods))
            metadata = {"resourceVersion": str(api.version)}
            if end < len(api.pods):
                metadata["continue"] = str(end)
            document = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": api.pods[begin:end]}
        self._send(200, json.dumps(document).encode(), {})

    def _object(self, path: str) -> None:
        found = self.server.api.objects.get(path)
        if found is None:
            self._send(NOT_FOUND.status, NOT_FOUND.body, {})
        elif "as=PartialObjectMetadata" in self.headers.get("Accept", ""):
            partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": found["metadata"]}
            self._send(200, json.dumps(partial).encode(), {})
        else:
            self._send(200, json.dumps(found).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def _watch(self, version: int, timeout_s: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        api = self.server.api
        with api.changed:
            api.watching += 1
            api.changed.notify_all()
        try:
            self._stream(version, timeout_s)
        finally:
            with api.changed:
                api.watching -= 1
                api.changed.notify_all()

    def _stream(self, version: int, timeout_s: float) -> None:
        api = self.server.api
        with api.changed:
            cuts, sent = -1 if api.breaking else api.cuts, _index_after(api.events, version)
            is_too_old = version < api.forgotten
        if is_too_old:
            self._chunk(TOO_OLD_TO_WATCH + b"\n")
            self._chunk(b"")
            return
        if api.greeting is not None:
            self._chunk(api.greeting.encode() + b"\n")
        while True:
            lines, fresh, is_cut = self._awaited(sent, cuts, timeout_s)
            for line in (*lines, *map(json.dumps, fresh)):
                self._chunk(line.encode() + b"\n")
            sent += len(fresh)
            if is_cut:
                self._break_off()
                return
            if not (lines or fresh):
                self._chunk(b"")
                return

    def _awaited(self, sent: int, cuts: int, timeout_s: float) -> tuple[list[str], list[Any], bool]:
        """The lines and events that are to be sent, none if none came in time; and whether the stream is to be cut."""
        api = self.server.api
        until_s = time.monotonic() + timeout_s
        with api.changed:
            while not (api.stopped or api.cuts > cuts or api.lines or len(api.events) > sent):
                if time.monotonic() > until_s or self._client_is_gone():
                    return [], [], False
                api.changed.wait(min(GLANCE_S, timeout_s))
            lines, api.lines = api.lines, []
            return lines, api.events[sent:], api.stopped or api.cuts > cuts

    def _client_is_gone(self) -> bool:
        """Whether it closed the connection: while it reads a watch, it sends nothing."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable)

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def _break_off(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b'40\r\n{"type":"MODIF')
        self.close_connection = True


def _index_after(events: list[Any], version: int) -> int:
    """Index of the first event that is newer than a version."""
    newer = (i for i, event in enumerate(events) if int(event["object"]["metadata"]["resourceVersion"]) > version)
    return next(newer, len(events))
