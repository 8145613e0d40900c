"""
An API server on this machine, which plays back what a real one (1.36) answered, and can be made to fail.

HTTPS on 127.0.0.1, with pods of one node, owners by name, watches with a history, and a record of what it was asked.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
import yaml
from api_playback_http import Server

RECORDINGS = Path(__file__).parents[2] / "fixtures/kubernetes/apiserver"
NODE = "knode-1"
"""Name of the node that was recorded."""
FIRST_WATCHED = "watch-pods-from-list.jsonl"
"""The events that followed the recorded list of pods."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the server was asked."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def token(self) -> str | None:
        """The bearer token, if one was sent."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else None

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer that is given instead of the usual one."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def recorded(cls, status: int, name: str, **headers: str) -> Reply:
        """One whose body is a recording, without its headers if it has them."""
        body = (RECORDINGS / name).read_bytes()
        return cls(status=status, body=body[body.index(b"{") :], headers=headers)


ANONYMOUS = Reply.recorded(403, "anonymous-pods-403.json")
UNAUTHORIZED = Reply.recorded(401, "bad-token-401.json")
NOT_FOUND = Reply.recorded(404, "notfound-pod.json")
TOO_OLD_TO_LIST = Reply.recorded(410, "list-too-old-410.txt")
TOO_OLD_TO_WATCH = (RECORDINGS / "watch-too-old.txt").read_bytes().split(b"\n\n", 1)[-1].split(b"\r\n\r\n")[-1].strip()


def forbidden(doing: str) -> Reply:
    """403 as the API server words it, such as `list resource "pods"`."""
    status = json.loads((RECORDINGS / "forbidden-secrets.json").read_text())
    status["message"] = status["message"].replace('list resource "secrets"', doing)
    return Reply(status=403, body=json.dumps(status).encode())


def recorded(name: str) -> Any:
    """A recording of JSON."""
    return json.loads((RECORDINGS / name).read_text())


def recorded_events(name: str = FIRST_WATCHED) -> list[Any]:
    """The events of a recorded watch."""
    return [json.loads(line) for line in (RECORDINGS / name).read_text().splitlines()]


class PlaybackApiServer:
    """
    An API server of one node.

    What it knows may be changed while it runs, from any thread: `pods`, `push`, `forget`; and so may how it fails:
    `replies`, `tokens`, `hang`, `cut`. `requests` are all that it was asked.
    """

    def __init__(self, *, ca: trustme.CA | None = None, certified: str = "127.0.0.1") -> None:
        self._ca = ca or trustme.CA()
        self._server = Server(self, self._ca.issue_cert(certified))
        self.changed = threading.Condition()
        """Notified when there is something new to tell, or a new request; also the lock of what follows."""
        self.requests: list[Request] = []
        self.replies: list[tuple[str, Reply]] = []
        """Beginnings of path and query, each with the reply to give to the next request; used up one by one."""
        self.always: dict[str, Reply] = {}
        """The same, for every request."""
        self.tokens: set[str] | None = None
        """Tokens that are let in; None: whoever asks."""
        self.hanging: set[str] = set()
        """Beginnings of path and query that get no answer while they stand here."""
        self.page: int | None = None
        """Pods on a page of a list at most, whatever limit is asked for."""
        self.events: list[Any] = []
        """All events since `forgotten`, oldest first."""
        self.forgotten = 0
        """Versions up to this one are too old to watch from."""
        self.cuts = 0
        """How often the streams that run were cut."""
        self.stopped = False
        self.watching = 0
        """How many watches are open."""
        self.objects: dict[str, Any] = {}
        """Objects by path."""
        listed = recorded("pods-of-node.json")
        self.version = int(listed["metadata"]["resourceVersion"])
        self._pods = {_key(pod): pod for pod in listed["items"]}
        for name in ("replicasets", "jobs"):
            self.hold(recorded(f"{name}.json"), plural=name)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self._server.stop()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.port}"

    @property
    def ca(self) -> bytes:
        """The CA's certificate, PEM."""
        return self._ca.cert_pem.bytes()

    def kubeconfig(self, path: Path, *, token: str = "let-me-in", **cluster: Any) -> Path:  # noqa: S107 - made up
        """Write a kubeconfig for this server to a file."""
        cluster = {
            "server": self.url,
            "certificate-authority-data": base64.b64encode(self.ca).decode(),
            **cluster,
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "agent"}}],
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "agent", "user": {"token": token} if token else {}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def service_account(self, folder: Path, *, token: str = "let-me-in") -> dict[str, str]:  # noqa: S107 - made up
        """Write `token` and `ca.crt` as the kubelet does, and give the environment of a pod."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_bytes(self.ca)
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self._server.port)}

    @property
    def pods(self) -> list[Any]:
        """The pods as they are now, as JSON objects; may be replaced, whereat watches are told."""
        return list(self._pods.values())

    @pods.setter
    def pods(self, pods: Iterable[Any]) -> None:
        wanted = {_key(pod): pod for pod in pods}
        with self.changed:
            for key in set(self._pods) - set(wanted):
                self.push("DELETED", self._pods[key])
            for key, pod in wanted.items():
                if pod != self._pods.get(key):
                    self.push("MODIFIED" if key in self._pods else "ADDED", pod)

    def push(self, kind: str, pod: Any) -> int:
        """Change a pod, tell those who watch, and give the version that this makes."""
        with self.changed:
            self.version += 1
            told = {**pod, "kind": "Pod", "apiVersion": "v1"}
            told["metadata"] = {**pod["metadata"], "resourceVersion": str(self.version)}
            self._apply(kind, told)
            self.events.append({"type": kind, "object": told})
            self.changed.notify_all()
            return self.version

    def play(self, events: Iterable[Any]) -> None:
        """Push recorded events with the versions that they have."""
        with self.changed:
            for event in events:
                self._apply(event["type"], event["object"])
                self.version = int(event["object"]["metadata"]["resourceVersion"])
                self.events.append(event)
            self.changed.notify_all()

    def tell(self, line: Any) -> None:
        """Send one line to those who watch that changes nothing; a str goes as it is, all else as JSON."""
        with self.changed:
            self.events.append(line)
            self.changed.notify_all()

    def forget(self) -> None:
        """Compact the store: no version before the present one can be watched from."""
        with self.changed:
            self.forgotten = self.version
            self.cut()

    def cut(self) -> None:
        """Break off all streams, each in the middle of a line."""
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    def hold(self, listed: Any, *, plural: str) -> None:
        """Have the objects of a list."""
        version = listed["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for item in listed["items"]:
            metadata = item["metadata"]
            self.objects[f"{root}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"] = item

    def wait_for(self, what: Any, *, timeout_s: float = 10.0) -> None:
        """Wait until `what(self)` holds; it is tried whenever something happens here."""
        with self.changed:
            assert self.changed.wait_for(lambda: what(self), timeout_s), "the API server waited in vain"

    def _apply(self, kind: str, item: Any) -> None:
        if kind == "DELETED":
            self._pods.pop(_key(item), None)
        elif kind in ("ADDED", "MODIFIED"):
            self._pods[_key(item)] = item


def _key(pod: Any) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
