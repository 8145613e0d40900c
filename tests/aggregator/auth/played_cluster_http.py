"""The HTTP of the played cluster."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import trustme
from played_cluster_reviews import access_reviewed, token_reviewed

if TYPE_CHECKING:
    from played_cluster import PlayedCluster


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    document: Any

    @property
    def resource(self) -> str:
        """As in RBAC."""
        return self.path.split("/")[-2] if self.method == "GET" else self.path.rpartition("/")[2]

    @property
    def bearer(self) -> str | None:
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer."""

    status: int
    document: Any
    retry_after: str | None = None


def failed(code: int, reason: str, message: str, *, retry_after: str | None = None) -> Reply:
    """A Status (apimachinery/pkg/apis/meta/v1)."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    document = {**status, "message": message, "reason": reason, "code": code}
    return Reply(status=code, document=document, retry_after=retry_after)


class Server(ThreadingHTTPServer):
    """HTTPS on a port of 127.0.0.1 that is free."""

    daemon_threads = True

    def __init__(self, cluster: PlayedCluster, certificate: trustme.LeafCert) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.cluster = cluster
        self.port = self.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._open: set[socket.socket] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
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
        """A client that goes away is its own affair."""


class Connection(BaseHTTPRequestHandler):
    """One connection to the server."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the library has it
        """Be quiet."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, document: Any) -> None:
        cluster = self.server.cluster
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(method=self.command, path=self.path, headers=headers, document=document)
        with cluster.changed:
            cluster.requests.append(request)
            cluster.changed.notify_all()
            cluster.changed.wait_for(lambda: not cluster.hanging)
            reply, self.close_connection = _reply(cluster, request), cluster.away
        if not self.close_connection:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        body = reply.document if isinstance(reply.document, bytes) else json.dumps(reply.document).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if reply.retry_after is not None:
            self.send_header("Retry-After", reply.retry_after)
        self.end_headers()
        self.wfile.write(body)


def _reply(cluster: PlayedCluster, request: Request) -> Reply:
    for beginning, reply in cluster.always.items():
        if request.path.startswith(beginning):
            return reply
    if request.bearer not in cluster.own_tokens:
        return failed(401, "Unauthorized", "Unauthorized")
    verb = {"GET": "get", "POST": "create"}[request.method]
    if f"{verb} {request.resource}" in cluster.forbidden:
        user = "system:serviceaccount:kinwatch:kinwatch-aggregator"
        message = f'{request.resource} is forbidden: User "{user}" cannot {verb} resource "{request.resource}"'
        return failed(403, "Forbidden", f"{message} at the cluster scope")
    if request.method == "GET":
        return _pod(cluster, request.path)
    return _review(cluster, request)


def _pod(cluster: PlayedCluster, path: str) -> Reply:
    if path in cluster.pods:
        return Reply(status=200, document=cluster.pods[path].document)
    return failed(404, "NotFound", f'pods "{path.rpartition("/")[2]}" not found')


def _review(cluster: PlayedCluster, request: Request) -> Reply:
    sent = request.document
    known = {
        ("/apis/authentication.k8s.io/v1/tokenreviews", "authentication.k8s.io/v1", "TokenReview"): token_reviewed,
        ("/apis/authorization.k8s.io/v1/subjectaccessreviews", "authorization.k8s.io/v1", "SubjectAccessReview"): (
            access_reviewed
        ),
    }
    review = known.get((request.path, sent.get("apiVersion"), sent.get("kind")))
    if review is None or request.headers["content-type"] != "application/json":
        return failed(400, "BadRequest", "the object provided is unrecognized")
    status = review(cluster, sent["spec"])
    if status is None:
        return failed(400, "BadRequest", "the review is not valid")
    return Reply(status=201, document={**sent, "metadata": {}, "status": status})
