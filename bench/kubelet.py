"""
Who tells the agent of pods in a bench: the kubelet, or the API server, that the tests of the agent talk to.

Flow: pods -> **kubelet** -> agent. They answer over TLS on loopback, what and as a real one (1.36) was recorded to.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/agent"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/agent/pods"))

from api_playback import PlaybackApiServer  # type: ignore[import-not-found]
from asking import jwt  # type: ignore[import-not-found]
from playback import PlaybackKubelet  # type: ignore[import-not-found]
from recordings import GRANTED, NODE, recorded_pods, recording, with_ids  # type: ignore[import-not-found]

__all__ = [
    "ApiServer",
    "Json",
    "Kubelet",
    "Nobody",
    "Teller",
    "apiserver_of",
    "kubelet_of",
    "recorded_pods",
    "with_ids",
]

Json = dict[str, Any]


class Teller(Protocol):
    """Somewhere the agent hears of pods."""

    @property
    def requests_s(self) -> Sequence[float]:
        """When each request came, on the monotonic clock."""

    def tell(self, pod: Json) -> None:
        """The pod is described like this from now on."""

    def forget(self, pod: Json) -> None:
        """The pod is listed no longer."""

    @property
    def listing_bytes(self) -> int:
        """How long a list of all pods is, the longest that there was."""


class Nobody:
    """Nobody is told, and the agent asks nobody."""

    requests_s: Sequence[float] = ()
    listing_bytes = 0

    def tell(self, pod: Json) -> None:
        """Untold."""

    def forget(self, pod: Json) -> None:
        """Untold."""


class Kubelet:
    """
    A kubelet. What it is told is in its answers at most `WRITTEN_S` later.

    The order of the pods is another in each answer: the real one keeps them in a map, and the recordings show it.
    """

    WRITTEN_S: Final = 0.1
    """A list of some hundred pods takes milliseconds to write: not after each of fifty changes a second."""

    def __init__(self, kubelet: Any, account: Path) -> None:
        self._kubelet = kubelet
        self._texts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._stale = threading.Event()
        self._writer = threading.Thread(target=self._write_often, daemon=True)
        self._headers: Mapping[str, str] = recording(GRANTED).headers
        self.listing_bytes = 0
        self.requests_s: list[float] = []
        self.options = (
            *("--names", "kubernetes", "--node", NODE),
            *("--kubelet", kubelet.address, "--service-account", str(account)),
        )

    def __enter__(self) -> Self:
        self._kubelet.before_answer = self._asked
        self._write()
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._writer.join()

    def tell(self, pod: Json) -> None:
        """The pod is described like this from now on."""
        text = json.dumps(pod)
        with self._lock:
            self._texts[pod["metadata"]["uid"]] = text
        self._stale.set()

    def forget(self, pod: Json) -> None:
        """The pod is listed no longer."""
        with self._lock:
            del self._texts[pod["metadata"]["uid"]]
        self._stale.set()

    def _asked(self) -> None:
        self.requests_s.append(time.monotonic())
        self._stale.set()

    def _write_often(self) -> None:
        while not self._over.wait(self.WRITTEN_S):
            if self._stale.is_set():
                self._stale.clear()
                self._write()

    def _write(self) -> None:
        with self._lock:
            texts = list(self._texts.values())
        random.shuffle(texts)
        body = f'{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{",".join(texts)}]}}'.encode()
        self._kubelet.answer(200, body, self._headers)
        self.listing_bytes = max(self.listing_bytes, len(body))


class ApiServer:
    """An API server, which is asked for one list, and tells the rest by a watch."""

    def __init__(self, api: Any, folder: Path) -> None:
        self._api = api
        self._bytes: dict[str, int] = {}
        self.listing_bytes = 0
        self.options = (
            *("--names", "kubernetes", "--node", NODE, "--service-account", str(folder / "none")),
            *("--kubeconfig", str(api.kubeconfig(folder / "kubeconfig"))),
        )

    @property
    def requests_s(self) -> Sequence[float]:
        """Their number; the moments are not known."""
        return [0.0] * len(self._api.requests)

    def tell(self, pod: Json) -> None:
        """The pod is described like this from now on."""
        uid = pod["metadata"]["uid"]
        self._api.push("MODIFIED" if uid in self._bytes else "ADDED", pod)
        self._bytes[uid] = len(json.dumps(pod))
        self.listing_bytes = max(self.listing_bytes, sum(self._bytes.values()))

    def forget(self, pod: Json) -> None:
        """The pod is listed no longer."""
        self._api.push("DELETED", pod)
        del self._bytes[pod["metadata"]["uid"]]


@contextmanager
def kubelet_of(folder: Path) -> Iterator[Kubelet]:
    """A kubelet that lists no pod yet, and a ServiceAccount's folder for it."""
    account = folder / "account"
    account.mkdir()
    with PlaybackKubelet(folder) as kubelet:
        (account / "token").write_text(jwt())
        (account / "ca.crt").write_bytes(kubelet.ca_file.read_bytes())
        with Kubelet(kubelet, account) as teller:
            yield teller


@contextmanager
def apiserver_of(folder: Path) -> Iterator[ApiServer]:
    """An API server that lists no pod yet."""
    with PlaybackApiServer(folder) as api:
        api.pods = []
        yield ApiServer(api, folder)
