"""
A thousand nodes that send their batches, each over a connection of its own, as agents do.

Flow: **fleet** -> ingest. The bodies are made before anything is measured: making one costs more than taking it.
"""

from __future__ import annotations

import http.client
import queue
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from bench.wire_batches import busy_node
from kinwatch.batch import Batch
from kinwatch.wire import encode

SENDERS = 48
"""Threads that send; a node's next batch is sent by whichever is free."""


@dataclass(slots=True)
class Sent:
    """How a run of batches went."""

    acknowledged_s: list[float] = field(default_factory=list)
    """From the first byte sent to the answer, of each."""
    statuses: Counter[int] = field(default_factory=Counter)
    late_s: float = 0.0
    """The most by which a batch was sent after its time."""
    began_s: float = 0.0
    ended_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Batches a second."""
        return len(self.acknowledged_s) / max(self.ended_s - self.began_s, 1e-9)

    def percentile_ms(self, share: float) -> float:
        """How soon this share was acknowledged, in milliseconds."""
        ordered = sorted(self.acknowledged_s)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Fleet:
    """The nodes."""

    def __init__(
        self, *, nodes: int, replicas: int, address: tuple[str, int], context: ssl.SSLContext, token: str
    ) -> None:
        rng = random.Random(7)  # noqa: S311 - the same every time
        self._names = [f"node-{number:04}" for number in range(nodes)]
        self._boots = [str(UUID(int=rng.getrandbits(128))) for _ in range(nodes)]
        self._sequences = [0] * nodes
        self._samples = [busy_node(replicas=replicas, seed=seed) for seed in range(8)]
        self._address = address
        self._context = context
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/vnd.kinwatch.batch"}
        self._connections: dict[int, http.client.HTTPSConnection] = {}

    def bodies(self, count: int) -> list[tuple[int, bytes]]:
        """The next batches, node by node, with the number of their node."""
        return [self._body(index % len(self._names)) for index in range(count)]

    def _body(self, node: int) -> tuple[int, bytes]:
        self._sequences[node] += 1
        sample = self._samples[node % len(self._samples)]
        return node, encode(
            _as_of(sample, node=self._names[node], boot=self._boots[node], sequence=self._sequences[node])
        )

    def send(self, bodies: Sequence[tuple[int, bytes]], *, per_s: float | None) -> Sent:
        """Send at this rate, or as fast as they are taken; each node waits for its answer before it sends again."""
        sent, lock = Sent(began_s=time.monotonic()), threading.Lock()
        waiting: queue.SimpleQueue[tuple[float, int, bytes] | None] = queue.SimpleQueue()

        def work() -> None:
            while (job := waiting.get()) is not None:
                due_s, node, body = job
                began_s = time.monotonic()
                status = self._post(node, body)
                with lock:
                    sent.acknowledged_s.append(time.monotonic() - began_s)
                    sent.statuses[status] += 1
                    sent.late_s = max(sent.late_s, began_s - due_s)

        threads = [threading.Thread(target=work) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for due_s, (node, body) in zip(_times(sent.began_s, per_s), bodies, strict=False):
            time.sleep(max(0.0, due_s - time.monotonic()))
            waiting.put((due_s, node, body))
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            thread.join()
        sent.ended_s = time.monotonic()
        return sent

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def _post(self, node: int, body: bytes) -> int:
        connection = self._connections.get(node)
        if connection is None:
            connection = http.client.HTTPSConnection(*self._address, context=self._context, timeout=60)
            self._connections[node] = connection
        try:
            connection.request("POST", "/v1/batches", body=body, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError):
            connection.close()
            return 0
        return answer.status


def _times(began_s: float, per_s: float | None) -> Iterator[float]:
    """When each batch is due."""
    number = 0
    while True:
        yield began_s + (number / per_s if per_s else 0.0)
        number += 1


def _as_of(sample: Batch, *, node: str, boot: str, sequence: int) -> Batch:
    """A batch like the sample, of another node and window."""
    window = replace(sample.window, start=sample.window.start + timedelta(seconds=sample.window.seconds * sequence))
    return replace(
        sample,
        key=replace(sample.key, node=node, boot=boot, sequence=sequence),
        window=window,
        snapshots=tuple(replace(one, window=window, node=node) for one in sample.snapshots),
    )
