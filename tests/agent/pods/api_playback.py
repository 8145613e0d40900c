"""
An API server on this machine, which plays back what a real one (1.36) answered, and can be made to fail.

HTTPS on 127.0.0.1, with pods of one node, owners by name, watches with a history, and a record of what it was asked.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
import yaml
from api_playback_http import Server
from api_playback_replies import Reply, Request, recorded


class PlaybackApiServer:
    """
    An API server of one node.

    What it knows may be changed while it runs, from any thread: `pods`, `push`, `forget`; and so may how it fails:
    `replies`, `always`, `tokens`, `hang`, `cut`, `breaking`. `requests` are all that it was asked.
    """

    def __init__(self, folder: Path, *, certified: str = "127.0.0.1") -> None:
        ca = trustme.CA()
        self._server = Server(self, ca.issue_cert(certified))
        self.ca_file = folder / "api-ca.crt"
        """The CA that its certificate can be verified with."""
        ca.cert_pem.write_to_path(self.ca_file)
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
        """Beginnings of path and query that get no answer, by `hang` and `go_on`."""
        self.page: int | None = None
        """Pods on a page of a list at most, whatever limit is asked for."""
        self.events: list[Any] = []
        """All events since `forgotten`, oldest first."""
        self.lines: list[str] = []
        """Lines that are still to be sent, by `tell`."""
        self.forgotten = 0
        """Versions up to this one are too old to watch from."""
        self.cuts = 0
        """How often the streams that run were cut."""
        self.breaking = False
        """Whether streams are cut as soon as they begin."""
        self.greeting: str | None = None
        """A line that every stream begins with."""
        self.watch_s: float | None = None
        """After how long a quiet watch ends, if that is sooner than it was asked to."""
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

    def kubeconfig(self, path: Path, *, bearer: str = "let-me-in", **cluster: Any) -> Path:
        """Write a kubeconfig for this server to a file."""
        cluster = {
            "server": self.url,
            "certificate-authority-data": base64.b64encode(self.ca_file.read_bytes()).decode(),
            **cluster,
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "agent"}}],
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "agent", "user": {"token": bearer} if bearer else {}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def service_account(self, folder: Path, *, bearer: str = "let-me-in") -> dict[str, str]:
        """Write `token` and `ca.crt` as the kubelet does, and give the environment of a pod."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(bearer)
        (folder / "ca.crt").write_bytes(self.ca_file.read_bytes())
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

    def tell(self, line: str) -> None:
        """Send a line to whoever watches first from now on, ahead of the events that it hasn't got yet."""
        with self.changed:
            self.lines.append(line)
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

    def hang(self, beginning: str) -> None:
        """Take requests whose path and query begin like this, and don't answer them."""
        with self.changed:
            self.hanging.add(beginning)

    def go_on(self) -> None:
        """Answer again, those who wait first."""
        with self.changed:
            self.hanging.clear()
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
