"""The real agent ships to a real aggregator: over TLS, with a token, to the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError

import pytest
from ground import AGENT, PATIENCE_S
from node import Node
from recordings import NODE

from bench.aggregator_beside import AggregatorBeside, aggregator_beside
from bench.stored import stored
from kinwatch.aspects import Aspect
from kinwatch.batch import Batch

pytestmark = pytest.mark.kernel

END_S = 10.0
"""Kubernetes gives 30 s; the spool and the aggregator have 6 of these."""


class Shipper:
    """An agent that watches a node and ships."""

    def __init__(self, node: Node, aggregator: AggregatorBeside, folder: Path, *, window_s: float = 1.0) -> None:
        delivery = [
            *("--aggregator", aggregator.url, "--aggregator-ca", aggregator.ca_file),
            *("--aggregator-token", aggregator.token_file, "--spool", folder / "spool"),
        ]
        names = [
            *("--node", NODE, "--names", "kubernetes"),
            *("--kubelet", node.kubelet.address, "--service-account", node.account),
        ]
        rest = ["--window", f"{window_s:g}", "--run-dir", folder, "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            list(map(str, [AGENT, *delivery, *names, *rest])),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.log: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def __enter__(self) -> Self:
        self.await_that(lambda: bool(self.events("watching")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()
        if self._process.stderr:
            self._process.stderr.close()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it logged under a name."""
        return [line for line in self.log if line["event"] == name]

    def await_that(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, (self.ask("/readyz"), self.log)
            time.sleep(0.02)

    def metric(self, name: str) -> float:
        """What it counts."""
        lines = self.ask("/metrics").splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    def ask(self, path: str) -> str:
        """What it answers, whatever the status."""
        address = self.events("listening")[0]["address"]
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            return error.read().decode()

    def terminate(self) -> float:
        """End it by SIGTERM; how long that took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE_S) == 0
        return time.monotonic() - began

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(json.loads(line) if line.startswith("{") else {"event": line})


@pytest.fixture(name="node")
def _node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "node").mkdir()
    with Node(tmp_path / "node") as node:
        yield node


@pytest.fixture(name="aggregator")
def _aggregator(tmp_path: Path) -> Iterator[AggregatorBeside]:
    (tmp_path / "aggregator").mkdir()
    with aggregator_beside(tmp_path / "aggregator") as aggregator:
        yield aggregator


def batches(aggregator: AggregatorBeside) -> list[Batch]:
    """What has come, in its order; the aggregator has ended."""
    return [one.batch for one in stored(aggregator.data)]


def files(batches: list[Batch], pod: str) -> set[str]:
    """Names of the files that a pod used."""
    told = [one for batch in batches for one in batch.snapshots if one.replica.pod == pod]
    return set().union(*(one.features(Aspect.FILENAMES) for one in told))


def test_container_arrives_named_at_the_aggregator(node: Node, aggregator: AggregatorBeside, tmp_path: Path) -> None:
    aggregator.start()
    aggregator.await_listening()
    pod = node.pod("web-a", owner=("ReplicaSet", "web-7bdb4cc484"), labels={"pod-template-hash": "7bdb4cc484"})
    web = pod.start("web")
    with Shipper(node, aggregator, tmp_path) as agent:
        web.run("os.close(os.open('/etc/hosts', os.O_RDONLY))")
        agent.await_that(lambda: agent.metric('kinwatch_agent_batches_total{outcome="stored"}') >= 3)
        assert agent.ask("/readyz").startswith("ready\n")
        assert agent.terminate() < END_S
    aggregator.stop()
    told = batches(aggregator)
    assert "hosts" in files(told, "web-a")
    (one, *_) = [one for batch in told for one in batch.snapshots if one.replica.pod == "web-a"]
    assert (one.node, one.replica.namespace, one.replica.container) == (NODE, "shop", "web")
    assert (one.workload.kind, one.workload.name, one.workload.revision) == ("Deployment", "web", "7bdb4cc484")
    assert "web-a" in {expected.replica.pod for batch in told for expected in batch.expected}
    assert [batch.key.sequence for batch in told] == list(range(1, len(told) + 1))
    assert {batch.coverage.names_source for batch in told} == {"kubelet"}


def test_end_flushes_the_open_window(node: Node, aggregator: AggregatorBeside, tmp_path: Path) -> None:
    """And sends it, though its moment has not come; within END_S."""
    aggregator.start()
    aggregator.await_listening()
    web = node.pod("web-a", owner=("ReplicaSet", "web-1"), labels={"pod-template-hash": "1"}).start("web")
    with Shipper(node, aggregator, tmp_path, window_s=600.0) as agent:
        web.run("os.close(os.open('/etc/hosts', os.O_RDONLY))")
        assert agent.terminate() < END_S
    aggregator.stop()
    told = batches(aggregator)
    assert "hosts" in files(told, "web-a")
    assert 0 < told[0].coverage.observed_s < 600


def test_what_was_seen_while_the_aggregator_was_away_comes_in_the_next_life(
    node: Node, aggregator: AggregatorBeside, tmp_path: Path
) -> None:
    """Ends are within END_S then, too; and the windows between the lives are told as missed."""
    web = node.pod("web-a", owner=("ReplicaSet", "web-1"), labels={"pod-template-hash": "1"}).start("web")
    with Shipper(node, aggregator, tmp_path) as agent:
        web.run("os.close(os.open('/etc/hosts', os.O_RDONLY))")
        agent.await_that(lambda: agent.metric("kinwatch_agent_spool_records") >= 3)
        agent.await_that(lambda: away(agent))
        assert agent.ask("/readyz").startswith("ready\n")
        assert agent.terminate() < END_S
    aggregator.start()
    aggregator.await_listening()
    with Shipper(node, aggregator, tmp_path) as agent:
        agent.await_that(lambda: agent.metric('kinwatch_agent_batches_total{outcome="stored"}') >= 5)
        agent.terminate()
    aggregator.stop()
    told = batches(aggregator)
    assert "hosts" in files(told, "web-a")
    assert len({batch.key.boot for batch in told}) == 1
    assert [batch.key.sequence for batch in told] == list(range(1, len(told) + 1))
    windows = sorted({batch.window.start for batch in told})
    missed = (windows[-1] - windows[0]).total_seconds() + 1 - len(windows)
    assert sum(batch.coverage.lost.get("windows", 0) for batch in told) == missed > 0


def away(agent: Shipper) -> bool:
    """Whether readiness says, as a note, that the aggregator is away."""
    notes = json.loads(agent.ask("/readyz?format=json"))["notes"]
    return [note["reason"] for note in notes] == ["aggregator_away"]


def test_agent_that_is_not_let_in_is_not_ready_and_says_why(
    node: Node, aggregator: AggregatorBeside, tmp_path: Path
) -> None:
    """Until its token is the right one."""
    right = aggregator.token_file.read_text()
    aggregator.token_file.write_text("x" * 64)
    aggregator.start()
    aggregator.await_listening()
    with Shipper(node, aggregator, tmp_path) as agent:
        agent.await_that(lambda: "HTTP 401" in agent.ask("/readyz"))
        (reason,) = json.loads(agent.ask("/readyz?format=json"))["reasons"]
        assert reason["reason"] == "aggregator_refuses"
        assert "kinwatch-aggregator" in reason["remedy"]
        assert right not in json.dumps(agent.log)
        aggregator.token_file.write_text(right)
        agent.await_that(lambda: agent.ask("/readyz").startswith("ready\n"))
        assert agent.terminate() < END_S
    aggregator.stop()
    assert batches(aggregator)[0].key.sequence == 1
