"""
A kubelet to be talked to over real TLS: it plays back what a real one answered, and misbehaves when told to.

    with PlaybackKubelet(folder) as kubelet:
        kubelet.tokens["a-token"] = "pods-no-permission"   # which recording a credential gets, changed at any time
        kubelet.pods = with_ids(recorded_pods(), {"old uid": "new uid"})  # of recordings.py
        ...
        assert kubelet.requests == 2
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from certificates import Authority, Certificate
from playback_server import Conduct, PlaybackServer, Played
from recordings import NODE, Json, Recording, pod_list, recording


class PlaybackKubelet:
    """A kubelet on 127.0.0.1, in threads of its own while the context lasts."""

    def __init__(
        self, folder: Path, *, node: str = NODE, certificate: Certificate = Certificate.CLUSTER, tls: bool = True
    ) -> None:
        self.node = node
        self._authority = Authority(folder)
        self._played = Played()
        self._context = self._authority.context(certificate, node=node) if tls else None
        self._server = PlaybackServer(self._played, self._context)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.over.set()
        self._server.shutdown()
        self.drop_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.server_address[1]

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What is asked for the pods."""
        return f"https://{self.address}/pods"

    @property
    def ca_file(self) -> Path:
        """The cluster's CA."""
        return self._authority.ca_file

    @property
    def tokens(self) -> dict[str | None, str]:
        """Which recording a token gets, by its name; None is no token. One that isn't listed gets `REFUSED`."""
        return self._played.tokens

    @property
    def pods(self) -> list[Json] | None:
        """The pods that are told in place of the recorded ones, and to the same credentials; set it to change them."""
        items: list[Json] | None = json.loads(self._played.pods)["items"] if self._played.pods else None
        return items

    @pods.setter
    def pods(self, pods: list[Json] | None) -> None:
        self._played.pods = None if pods is None else pod_list(pods)

    @property
    def conduct(self) -> Conduct:
        """What it does with a request."""
        return self._played.conduct

    @conduct.setter
    def conduct(self, conduct: Conduct) -> None:
        self._played.conduct = conduct

    def once(self, conduct: Conduct) -> None:
        """Do this with the next request, and then go on as before."""
        self._played.once.append(conduct)

    @property
    def before_answer(self) -> Callable[[], object]:
        """Called when it is decided what a request gets, and before it gets it."""
        return self._played.before_answer

    @before_answer.setter
    def before_answer(self, call: Callable[[], object]) -> None:
        self._played.before_answer = call

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self._played.authorizations)

    @property
    def authorizations(self) -> list[str | None]:
        """The Authorization headers of all requests, in their order."""
        return self._played.authorizations

    @property
    def connections(self) -> int:
        """How many were opened."""
        return self._played.connections

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer every request with this from now on."""
        self._played.override = Recording(name="override", status=status, headers=headers or {}, body=body)

    def write(self, wire: bytes) -> None:
        """Write these bytes for an answer from now on, and end the connection."""
        self._played.wire = wire
        self._played.conduct = Conduct.WIRE

    def play(self, name: str | None) -> None:
        """Answer every request with this recording from now on, or by the token again if None."""
        self._played.override = recording(name) if name else None

    def show(self, certificate: Certificate) -> None:
        """Show this certificate to those who connect from now on."""
        self._server.context = self._authority.context(certificate, node=self.node)

    def want_client_certificate(self, version: ssl.TLSVersion) -> None:
        """Break the handshake off, with a TLS alert, with those who connect from now on by this version of TLS."""
        context = self._authority.context(Certificate.CLUSTER, node=self.node)
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.ca_file)
        self._server.context = context

    def drop_connections(self) -> None:
        """Close the connections that are open, as a kubelet does that is started anew."""
        self._server.drop_connections()
