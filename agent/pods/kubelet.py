"""
The kubelet of this node as a source of pods: its /pods, asked again and again.

Flow: kubelet_address, token -> **kubelet** -> sources. The kubelet has neither watch nor ETag for its pods, so it is
polled; what it answers is parsed only when it differs from the last answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet_address import address_of
from agent.pods.kubelet_channel import Answer, Channel, Limits
from agent.pods.kubelet_peer import Peer
from agent.pods.pace import Pace
from agent.pods.pod import Pod, PodFormatError, pods_of
from agent.pods.refusals import refusal
from agent.pods.token import CLUSTER_CA, TOKEN_FILE, Token, read_token
from kinwatch.errors import InputError

PATH: Final = "/pods"
BACKOFF_S: Final = (1.0, 2.0, 4.0)
"""Between two attempts at what may pass, in seconds: a kubelet that is started anew is back within about five."""

Reachable = Callable[[], bool | None]
"""Whether the API server can be reached; None if unknown. Asked only to say why the kubelet refuses a token."""


class Kubelet:
    """
    The pods of this node, by its kubelet; see `Source` for what it promises.

    The token is read anew for each request, and once more when it is refused, so that a renewed one is used at once.
    With `insecure` the server's certificate is not checked, and the token goes to whoever answers at the address: who
    can answer there can use it as long as it is valid.
    """

    def __init__(
        self,
        address: str,
        *,
        node: str,
        pace: Pace,
        token_file: Path = TOKEN_FILE,
        ca_file: Path = CLUSTER_CA,
        insecure: bool = False,
        limits: Limits | None = None,
        apiserver_reachable: Reachable | None = None,
    ) -> None:
        if not node and not insecure:
            raise InputError(
                "the kubelet's certificate can't be checked without the node's name, which it has to carry",
                remedy="give the node's name, in a pod from spec.nodeName by the downward API",
            )
        self._peer = Peer(address=address_of(address), node=node, ca_file=None if insecure else ca_file)
        self._channel = Channel(self._peer, limits=limits or Limits())
        self._token_file = token_file
        self._pace = pace
        self._apiserver_reachable = apiserver_reachable
        self._digest = b""
        self._pods: tuple[Pod, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return "kubelet"

    @property
    def url(self) -> str:
        """What is asked."""
        return f"https://{self._peer.address}{PATH}"

    def listings(self) -> Iterator[tuple[Pod, ...]]:
        """
        All pods of this node, at once and after each wait of the pace, until it is over.

        What may pass (no answer, 429, 5xx) is tried again after 1, 2 and 4 seconds; raises KubeletError when it doesn't
        pass, and at once when trying again is pointless.
        """
        try:
            while not self._pace.stopped:
                pods = self._persistently()
                if pods is None:
                    return
                yield pods
                self._pace.wait()
        finally:
            self.close()

    def pods(self) -> tuple[Pod, ...]:
        """All pods of this node, asked once; raises KubeletError, whose hurdle tells how far the request came."""
        token = read_token(self._token_file)
        answer = self._channel.get(PATH, token=token.text)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            token = read_token(self._token_file)
            answer = self._channel.get(PATH, token=token.text)
        if answer.status != HTTPStatus.OK:
            raise self._refusal(answer, token)
        return self._parsed(answer.body)

    def close(self) -> None:
        """Close the connection; asked again, it opens another."""
        self._channel.close()

    def _persistently(self) -> tuple[Pod, ...] | None:
        """The pods, however many attempts it takes; None when it is over."""
        for backoff_s in BACKOFF_S:
            try:
                return self.pods()
            except KubeletError as error:
                if error.lasting:
                    raise
            self._pace.rest(backoff_s)
            if self._pace.stopped:
                return None
        return self.pods()

    def _refusal(self, answer: Answer, token: Token) -> KubeletError:
        wants_reason = answer.status == HTTPStatus.UNAUTHORIZED and self._apiserver_reachable is not None
        return refusal(
            answer.status,
            answer.body.decode(errors="replace"),
            url=self.url,
            token=token,
            now=datetime.now(UTC),
            apiserver=self._apiserver_reachable() if wants_reason and self._apiserver_reachable else None,
        )

    def _parsed(self, body: bytes) -> tuple[Pod, ...]:
        digest = hashlib.sha256(body).digest()
        if digest != self._digest:
            self._pods = self._read(body)
            self._digest = digest
        return self._pods

    def _read(self, body: bytes) -> tuple[Pod, ...]:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._no_list(f"is not JSON: {error}") from error
        try:
            return pods_of(_with_items(document))
        except PodFormatError as error:
            raise self._no_list(f"is JSON, and {error}") from error

    def _no_list(self, what: str) -> KubeletError:
        return KubeletError(
            f"the answer of {self.url} {what}",
            remedy="see that the address is the kubelet's own; if it is, this version of the agent can't read its "
            "pods: have them told by the API server, and report it",
            hurdle=Hurdle.ANSWER,
            lasting=True,
        )


def _with_items(document: Any) -> Any:
    """The document, whose items are a list or none: Go writes an empty list as null."""
    if isinstance(document, dict) and not isinstance(document.get("items"), list | None):
        raise PodFormatError("its items are no list")
    return document
