"""
A cluster on this machine: an API server that issues and reviews tokens as Kubernetes does, and can be made to fail.

HTTPS on 127.0.0.1: TokenReview, SubjectAccessReview, GET of a pod. Its words are those of Kubernetes 1.36
(pkg/serviceaccount/jwt.go, validator.go; pkg/registry/authentication/tokenreview), its users' extras those of the
recorded audit log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from played_cluster_http import Reply, Request, Server

AUDIENCE = "kinwatch-aggregator"
ITSELF = "https://kubernetes.default.svc.cluster.local"
"""The audience of the API server."""
AGENT = "system:serviceaccount:kinwatch:kinwatch-agent"
AGGREGATOR = "system:serviceaccount:kinwatch:kinwatch-aggregator"
NODE = "knode-1"
NODE_UID = "f9ee58e4-3223-49a0-bccf-429780567437"
HOUR_S = 3600
DISCOVERY = ("system:authenticated", "get", "/api/*")
"""What everybody may by the ClusterRole system:discovery."""


@dataclass(kw_only=True)
class Pod:
    """A pod that is there; a token may be bound to it."""

    name: str = "kinwatch-agent-x7k2p"
    namespace: str = "kinwatch"
    uid: str = "be5132d3-46a0-4424-84f8-993736e50556"
    node: str | None = NODE

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def document(self) -> Any:
        spec = {} if self.node is None else {"nodeName": self.node}
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": self.name, "namespace": self.namespace, "uid": self.uid},
            "spec": {"containers": [], **spec},
        }


@dataclass
class PlayedCluster:
    """What it knows and how it fails may be changed while it runs; `requests` are all that it was asked."""

    folder: Path
    now_s: Callable[[], float]
    tells_node: bool = True
    """Whether tokens of pods tell the node, as since Kubernetes 1.30."""
    minds_audiences: bool = True
    lags: bool = False
    """Whether tokens of pods that are gone are still accepted, as in the moments before it is noticed."""
    pods: dict[str, Pod] = field(default_factory=dict)
    rules: list[tuple[str, str, str]] = field(default_factory=lambda: [DISCOVERY])
    """Who (a user or a group), verb, path: what is granted of paths that are no resources."""
    forbidden: set[str] = field(default_factory=set)
    """What the aggregator may not do, as `create tokenreviews`."""
    own_tokens: set[str] = field(default_factory=lambda: {"aggregators-own"})
    always: dict[str, Reply] = field(default_factory=dict)
    """Beginnings of paths, each with the reply that is given instead of the usual one."""
    hanging: bool = False
    away: bool = False
    """Whether connections are closed without an answer."""
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        ca = trustme.CA()
        self.changed = threading.Condition()
        self._key = b"the cluster's signing key"
        self._server = Server(self, ca.issue_cert("127.0.0.1"))
        self._ca = ca.cert_pem.bytes()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on()
        self._server.stop()

    def service_account(self, folder: Path) -> dict[str, str]:
        """Write the aggregator's token and the CA as the kubelet does, and give the environment of its pod."""
        folder.mkdir()
        (folder / "token").write_text("aggregators-own")
        (folder / "ca.crt").write_bytes(self._ca)
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self._server.port)}

    def hang(self) -> None:
        """Take requests, and don't answer them."""
        with self.changed:
            self.hanging = True

    def go_on(self) -> None:
        with self.changed:
            self.hanging = False
            self.changed.notify_all()

    def wait_for_requests(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= number, 10)

    def asked(self, resource: str) -> list[Request]:
        """What it was asked of a resource, such as `tokenreviews`."""
        return [request for request in self.requests if request.resource == resource]

    def start(self, pod: Pod) -> Pod:
        """Have a pod, in place of the one of the same name if there is one."""
        self.pods[pod.path] = pod
        return pod

    def issue(
        self,
        account: str = AGENT,
        *,
        pod: Pod | None = None,
        audiences: tuple[str, ...] = (AUDIENCE,),
        lasts_s: float = HOUR_S,
        **claims: Any,
    ) -> str:
        """A token as TokenRequest issues it, bound to a pod if there is one; claims are put into it as they are."""
        _, _, namespace, name = account.split(":")
        private: dict[str, Any] = {"namespace": namespace, "serviceaccount": {"name": name, "uid": f"uid of {name}"}}
        if pod is not None:
            private["pod"] = {"name": pod.name, "uid": pod.uid}
            if self.tells_node and pod.node:
                private["node"] = {"name": pod.node, "uid": NODE_UID}
        whole = {
            "aud": list(audiences),
            "exp": int(self.now_s() + lasts_s),
            "iat": int(self.now_s()),
            "iss": ITSELF,
            "kubernetes.io": private,
            "nbf": int(self.now_s()),
            "sub": account,
        }
        signed = ".".join(map(encoded, ({"alg": "HS256"}, whole | claims)))
        return f"{signed}.{self.signature(signed)}"

    def signature(self, signed: str) -> str:
        return unpadded(hmac.digest(self._key, signed.encode(), hashlib.sha256))


def encoded(part: Any) -> str:
    return unpadded(json.dumps(part).encode())


def unpadded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")
