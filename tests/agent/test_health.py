"""The agent says of itself whether it lives, whether it does its work, and in numbers what it does."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ground import AGENT
from node import Node, NodeWatch
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from agent import listen
from agent.health import Health, Reason, Remark, lesser_source, no_source
from agent.identify import Globs
from agent.identity import Given
from agent.listen import AT_ONCE, answering
from agent.metrics import LOST_OF_A_REPLICA, LOST_OF_THE_NODE, OWNER_QUESTIONS, SOURCES, WINDOWS_KEPT, Metrics
from agent.pods.sources import Status
from agent.settings import DeliverySettings, Listen, listen_on
from agent.ship.shipping import shipping
from agent.start import names_of
from kinwatch.errors import InputError, NodeError
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

START = datetime(2026, 11, 23, 2, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
LOOPBACK = Listen(host="127.0.0.1", port=0)
KUBELET = Status(source="kubelet", problem="")
SILENT = Status(
    problem="kubelet: 403 for get nodes/pods; apiserver: no answer from 192.0.2.1", remedy="grant it; open the port"
)


class Agent:
    """What stands around the endpoint: a clock, where names come from, what the API server was asked, more reasons."""

    def __init__(self, *, window_s: float = 30) -> None:
        self.now_s = 1000.0
        self.names = KUBELET
        self.questions = {"asked": 3, "refused": 1}
        self.more: list[Remark] = []
        about = {"version": "1", "node": "n1", "kernel": "6.1.0", "hierarchy": "unified"}
        self.metrics = Metrics(about, window_s=window_s, names=lambda: self.names, owner_questions=self.questions)
        self.health = Health(
            self.metrics,
            monotonic_s=lambda: self.now_s,
            window_s=window_s,
            conditions=[no_source(lambda: self.names), lambda: self.more],
            notes=[lesser_source(lambda: self.names)],
        )
        self.at = LOOPBACK

    def value(self, name: str, **labels: str) -> float | None:
        """A metric as it stands."""
        return self.metrics.registry.get_sample_value(f"kinwatch_agent_{name}", labels)

    def get(self, path: str, *, method: str = "GET", accept: str = "") -> tuple[int, str]:
        """Status and text of an answer."""
        return get(self.at, path, method=method, accept=accept)


def get(at: Listen, path: str, *, method: str = "GET", accept: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection(at.host, at.port, timeout=10)
    try:
        connection.request(method, path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def snapshot(
    *,
    window: int = 0,
    observed_s: float = 30,
    cgroup: str | None = "/a",
    events: int = 0,
    lost: dict[str, int] | None = None,
    truncated: dict[str, int] | None = None,
    resolved: bool = True,
) -> Snapshot:
    coverage = Coverage(
        observed_s=observed_s, events=events, lost=lost or {}, truncated=truncated or {}, resolved=resolved
    )
    return Snapshot(
        window=Window(start=START + window * timedelta(seconds=30), seconds=30),
        node="n1",
        replica=Replica(cgroup=cgroup),
        workload=Workload(),
        aspects={},
        coverage=coverage,
    )


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an endpoint ends at once."""
    monkeypatch.setattr(listen, "LOOK_S", 0.01)


@pytest.fixture
def agent() -> Iterator[Agent]:
    """An agent that has opened its first window, and answers."""
    agent = Agent()
    agent.health.opened()
    with answering(LOOPBACK, agent.health) as at:
        assert at
        agent.at = at
        yield agent


# --- Alive ----------------------------------------------------------------------------------------------------------


def test_agent_whose_loop_turns_is_alive(agent: Agent) -> None:
    agent.now_s += 1000
    agent.health.turned()
    agent.now_s += 90
    assert agent.get("/healthz") == (200, "alive\n")


def test_agent_whose_loop_stands_still_is_not_and_says_for_how_long(agent: Agent) -> None:
    """For three windows; then it is not ready either."""
    agent.now_s += 91
    line = "the loop has not turned for 91 s; 90 s are its limit (remedy: restart the agent, and report its log)\n"
    assert agent.get("/healthz") == (503, line)
    assert agent.get("/readyz") == (503, line)


def test_short_windows_do_not_make_it_impatient() -> None:
    """A minute is given in any case."""
    agent = Agent(window_s=1)
    agent.now_s += 60
    assert agent.health.stalled() == []
    agent.now_s += 1
    assert [remark.reason for remark in agent.health.stalled()] == [Reason.STALLED]


# --- Ready ----------------------------------------------------------------------------------------------------------


def test_agent_that_watches_and_names_is_ready(agent: Agent) -> None:
    assert agent.get("/readyz") == (200, "ready\n")


def test_agent_that_does_not_watch_yet_is_alive_and_not_ready() -> None:
    agent = Agent()
    with answering(LOOPBACK, agent.health) as agent.at:
        assert agent.get("/readyz") == (503, "not watching yet\n")
        assert agent.get("/healthz") == (200, "alive\n")
        agent.health.opened()
        assert agent.get("/readyz") == (200, "ready\n")


def test_agent_that_nobody_tells_names_says_why_and_what_would_mend_it(agent: Agent) -> None:
    agent.names = SILENT
    reason = "kubelet: 403 for get nodes/pods; apiserver: no answer from 192.0.2.1 (remedy: grant it; open the port)"
    assert agent.get("/readyz") == (503, f"no source of pods answers: {reason}\n")
    assert agent.get("/healthz") == (200, "alive\n")


def test_agent_that_has_not_heard_of_any_pod_yet_says_so(agent: Agent) -> None:
    agent.names = Status()
    assert agent.get("/readyz") == (503, "no source of pods has answered yet\n")


def test_agent_that_follows_the_api_server_instead_is_ready_and_says_so(agent: Agent) -> None:
    agent.names = Status(source="apiserver", problem="kubelet: 403", remedy="grant it")
    note = "note: pods are told by the apiserver instead: kubelet: 403 (remedy: grant it)\n"
    assert agent.get("/readyz") == (200, f"ready\n{note}")


def test_each_reason_is_a_line(agent: Agent) -> None:
    """Whatever a peer put into it."""
    agent.names = SILENT
    agent.more = [Remark(reason=Reason.NO_SOURCE, problem="two\nlines \x1b[31m")]
    _, text = agent.get("/readyz")
    assert text.splitlines()[1:] == [r"two\nlines \x1b[31m"]


def test_readiness_is_told_in_json_too(agent: Agent) -> None:
    agent.names = SILENT
    status, text = agent.get("/readyz?format=json")
    assert status == 503
    (reason,) = json.loads(text)["reasons"]
    assert reason == {
        "reason": "no_source",
        "problem": f"no source of pods answers: {SILENT.problem}",
        "remedy": SILENT.remedy,
    }
    assert json.loads(agent.get("/healthz?format=json")[1]) == {"alive": True, "reasons": [], "notes": []}


# --- Metrics --------------------------------------------------------------------------------------------------------


def test_snapshots_that_go_out_are_counted(agent: Agent) -> None:
    """With what they missed."""
    agent.health.told([snapshot(events=5, lost={"files": 2}), snapshot(events=7, resolved=False)])
    agent.health.told([snapshot(window=1, lost={"files": 1}, truncated={"cwds": 4})])
    assert (agent.value("snapshots_total", resolved="true"), agent.value("snapshots_total", resolved="false")) == (2, 1)
    assert agent.value("events_total") == 12
    assert agent.value("lost_total", what="files") == 3
    assert agent.value("truncated_total", aspect="cwds") == 4


def test_what_was_lost_of_the_node_is_counted_once_for_a_window(agent: Agent) -> None:
    """Though each of its snapshots says so, and some of them late."""
    agent.health.told([snapshot(lost={"threads": 3}), snapshot(lost={"threads": 3}), snapshot()])
    agent.health.told([snapshot(window=1, lost={"threads": 2}), snapshot(window=0, lost={"threads": 3})])
    assert agent.value("lost_total", what="threads") == 5


def test_windows_that_are_remembered_for_that_are_bounded(agent: Agent) -> None:
    agent.health.told([snapshot(window=window, lost={"threads": 1}) for window in range(2 * WINDOWS_KEPT)])
    assert len(agent.metrics._node_lost) == WINDOWS_KEPT
    assert agent.value("lost_total", what="threads") == 2 * WINDOWS_KEPT


def test_container_that_nobody_saw_is_counted_as_unseen(agent: Agent) -> None:
    """One whose cgroup was made while its window was being closed was seen, for no time."""
    agent.health.told([snapshot(observed_s=0, cgroup=None), snapshot(observed_s=0), snapshot()])
    assert agent.value("unseen_total") == 1


def test_windows_are_counted_and_timed(agent: Agent) -> None:
    agent.health.closed(watched=4, waiting=2, took_s=0.02)
    agent.health.closed(watched=5, waiting=1, took_s=2)
    assert (agent.value("windows_total"), agent.value("window_seconds")) == (2, 30)
    assert (agent.value("replicas_watched"), agent.value("replicas_waiting")) == (5, 1)
    assert (agent.value("window_close_seconds_sum"), agent.value("window_close_seconds_bucket", le="0.03")) == (2.02, 1)


def test_source_of_names_is_told_and_its_changes_are_counted(agent: Agent) -> None:
    """A problem that changes is no change of the source."""
    for agent.names in (KUBELET, SILENT, Status(problem="other"), KUBELET):
        agent.health.turned()
    assert agent.value("names_changes_total") == 2
    assert {source for source in SOURCES if agent.value("names_source", source=source)} == {"kubelet"}
    agent.names = SILENT
    assert {source for source in SOURCES if agent.value("names_source", source=source)} == {"none"}


def test_questions_for_owners_are_told_as_they_are_counted_elsewhere(agent: Agent) -> None:
    assert {result: agent.value("owners_questions_total", result=result) for result in OWNER_QUESTIONS} == {
        "asked": 3,
        "refused": 1,
        "deferred": 0,
        "dropped": 0,
    }


def test_agent_that_asks_nobody_for_owners_tells_no_number_of_questions() -> None:
    """Which is not the number nought."""
    metrics = Metrics({}, window_s=30, names=lambda: KUBELET)
    assert metrics.registry.get_sample_value("kinwatch_agent_owners_questions_total", {"result": "asked"}) is None


def test_names_that_were_given_need_no_source() -> None:
    """With `--cgroup` the agent is ready without a cluster."""
    status = names_of(Given(Globs(["/demo/*"], cohort="shop")))()
    assert (status.source, list(no_source(lambda: status)())) == ("given", [])


@pytest.mark.parametrize(
    ("accept", "read"),
    [
        ("", text_string_to_metric_families),
        ("text/plain", text_string_to_metric_families),
        ("application/openmetrics-text; version=1.0.0", openmetrics.text_string_to_metric_families),
    ],
)
def test_metrics_can_be_read_by_prometheus(agent: Agent, accept: str, read: Callable[[str], Iterable[Metric]]) -> None:
    """In whichever format it asks for, and without a second series for each that says when it began."""
    status, text = agent.get("/metrics", accept=accept)
    samples = {sample.name: sample for family in read(text) for sample in family.samples}
    assert status == 200
    assert samples["kinwatch_agent_info"].labels == {
        "version": "1",
        "node": "n1",
        "kernel": "6.1.0",
        "hierarchy": "unified",
    }
    assert samples["process_resident_memory_bytes"].value > 0
    assert [name for name in samples if name.endswith("_created")] == []


# --- Over HTTP ------------------------------------------------------------------------------------------------------


def test_unknown_path_is_answered_with_what_there_is(agent: Agent) -> None:
    assert agent.get("/") == (404, "/healthz\n/readyz\n/metrics\n")


def test_head_is_answered_without_the_text(agent: Agent) -> None:
    assert agent.get("/readyz", method="HEAD") == (200, "")


def test_other_methods_are_refused_in_plain_words(agent: Agent) -> None:
    status, text = agent.get("/readyz", method="POST")
    assert (status, "GET and HEAD" in text) == (501, True)


def test_slow_client_is_hung_up_on(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are answered meanwhile; a byte now and then buys no time."""
    monkeypatch.setattr(listen, "TIMEOUT_S", 0.3)
    with socket.create_connection((agent.at.host, agent.at.port), timeout=0.05) as slow:
        began_s = time.monotonic()
        is_over = False
        while not is_over and time.monotonic() - began_s < 4:
            assert agent.get("/healthz")[0] == 200
            is_over = is_hung_up(slow)
    assert is_over


def is_hung_up(client: socket.socket) -> bool:
    """Whether a client that sends one byte more is told that it is over."""
    try:
        client.send(b"G")
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_clients_beyond_the_room_are_hung_up_on_and_counted(agent: Agent) -> None:
    """And there is room again when others have gone."""
    silent = [socket.create_connection((agent.at.host, agent.at.port), timeout=10) for _ in range(AT_ONCE)]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        agent.get("/healthz")
    assert agent.value("requests_refused_total") == 1
    for one in silent:
        one.close()
    while not is_answered(agent):  # their threads are about to hear of it
        pass


def is_answered(agent: Agent) -> bool:
    try:
        return agent.get("/healthz") == (200, "alive\n")
    except (http.client.RemoteDisconnected, ConnectionError):
        return False


def test_bug_in_a_condition_is_logged_and_the_next_question_answered(agent: Agent) -> None:
    agent.more = None  # type: ignore[assignment]
    with capture_logs() as logged, pytest.raises(http.client.RemoteDisconnected):
        agent.get("/readyz")
    assert [line["event"] for line in logged] == ["request_failed"]
    assert "NoneType" in logged[0]["traceback"]
    assert agent.get("/healthz")[0] == 200


# --- Where ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464, "127.0.0.1:9464"),
        ("[::1]:9464", "::1", 9464, "[::1]:9464"),
        ("2001:db8::7:9464", "2001:db8::7", 9464, "[2001:db8::7]:9464"),
        (":9464", "", 9464, ":9464"),
        ("localhost:0", "localhost", 0, "localhost:0"),
    ],
)
def test_address_and_port_are_read(text: str, host: str, port: int, shown: str) -> None:
    assert listen_on(text) == Listen(host=host, port=port)
    assert str(listen_on(text)) == shown


@pytest.mark.parametrize(
    "text", ["9464", "127.0.0.1", "127.0.0.1:", "a:65536", "a:-1", "a:٣", "http://a:1", "[::1:9", "a b:9", "[::1]"]
)
def test_what_is_no_address_and_port_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"not ADDRESS:PORT.*127\.0\.0\.1:9464"):
        listen_on(text)


def test_command_line_that_is_wrong_is_refused_before_anything_starts() -> None:
    ended = subprocess.run([AGENT, "--dry-run", "--listen", "nonsense"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "remedy: give an address" in ended.stderr


@pytest.mark.parametrize("host", ["::1", "", "localhost"])
def test_ipv6_all_addresses_and_names_are_listened_on(host: str) -> None:
    if host == "::1" and not has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    with answering(Listen(host=host, port=0), Agent().health) as at:
        assert at
        asked = at.host if host else "127.0.0.1"
        assert get(Listen(host=asked, port=at.port), "/healthz") == (200, "alive\n")


def has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_where_it_listens_is_logged() -> None:
    with capture_logs() as logged, answering(LOOPBACK, Agent().health) as at:
        assert logged == [{"event": "listening", "address": str(at), "log_level": "info"}]


def test_port_in_use_is_refused_with_a_remedy(agent: Agent) -> None:
    with pytest.raises(NodeError, match=r"Address already in use.*ss -ltnp"), answering(agent.at, Agent().health):
        pass


def test_address_of_another_node_is_refused_with_a_remedy() -> None:
    with pytest.raises(NodeError, match="ip address"), answering(Listen(host="192.0.2.1", port=0), Agent().health):
        pass


def test_name_that_can_not_be_one_is_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match="no such address"), answering(Listen(host="a" * 64, port=0), Agent().health):
        pass


def test_port_is_free_again_when_the_agent_has_ended() -> None:
    with answering(LOOPBACK, Agent().health) as at:
        assert at
        get(at, "/healthz")
    with answering(at, Agent().health) as again:
        assert again == at


# --- The page -------------------------------------------------------------------------------------------------------


def rows(columns: int) -> dict[str, list[str]]:
    """The rows of docs/metrics.md that begin with a name, of the tables with so many columns."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells if len(row) == columns}


def test_every_metric_is_documented_with_its_type_and_labels_and_no_other(agent: Agent, tmp_path: Path) -> None:
    """Those of an agent that ships included."""
    delivery = DeliverySettings(aggregator="http://127.0.0.1:1", spool=tmp_path)
    with shipping(delivery, node="n1", window_s=30, agent_version="0", names=Status) as ships:
        agent.metrics.registry.register(ships)
        there = exposed(agent)
    documented = {
        name: (type_, set(filter(None, labels.replace("`", "").split(", "))))
        for name, (type_, labels, meaning) in rows(4).items()
        if meaning and name not in set(Reason)
    }
    assert documented == there


def exposed(agent: Agent) -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric."""
    suffixes = {"counter": "_total", "info": "_info"}
    return {
        metric.name + suffixes.get(metric.type, ""): (
            metric.type.replace("info", "gauge"),
            {label for sample in metric.samples for label in sample.labels} - {"le"},
        )
        for metric in agent.metrics.registry.collect()
    }


def test_every_value_of_a_label_is_documented() -> None:
    values = (*SOURCES, *OWNER_QUESTIONS, *LOST_OF_A_REPLICA, *LOST_OF_THE_NODE)
    assert [value for value in values if f"`{value}`" not in PAGE] == []


def test_every_reason_is_documented_with_what_to_do_and_no_other() -> None:
    documented = {name: row for name, row in rows(4).items() if "/readyz" in row[0]}
    assert documented.keys() == set(Reason)
    assert all(all(row) for row in documented.values())


def test_every_path_is_documented(agent: Agent) -> None:
    assert rows(2).keys() >= set(agent.get("/")[1].split())


# --- A real agent ---------------------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without pods."""
    with Node(tmp_path) as node:
        yield node


def told_by(watch: NodeWatch, source: str | None) -> None:
    """Wait until the agent has its names from somewhere, or from nowhere."""
    while source not in {line["source"] for line in watch.events("pods_source")[-1:]}:
        watch.await_event("pods_source")


@pytest.mark.kernel
def test_agent_goes_on_when_the_kubelet_refuses_and_says_so(node: Node) -> None:
    """In readiness with the reason, and in the metrics; it stays alive."""
    pod = node.pod("web-a", owner=("ReplicaSet", "web-7bdb4cc484"), labels={"pod-template-hash": "7bdb4cc484"})
    pod.start("web").run("pass")
    with node.watch("--listen", "127.0.0.1:0", window_s=1) as watch:
        at = listen_on(watch.events("listening")[0]["address"])
        told_by(watch, "kubelet")
        assert get(at, "/readyz") == (200, "ready\n")
        node.kubelet.tokens[node.token] = "pods-no-permission"
        pod.start("late", listed=False)  # has the kubelet asked soon
        told_by(watch, None)
        status, text = get(at, "/readyz")
        assert status == 503
        assert text.startswith("no source of pods answers: kubelet: ")
        assert "nodes/pods" in text
        assert text.count("\n") == 1
        watch.await_event("window_closed")
        assert get(at, "/healthz") == (200, "alive\n")
        samples = {
            (sample.name.removeprefix("kinwatch_agent_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(get(at, "/metrics")[1])
            for sample in family.samples
        }
    assert (samples["names_source", "none"], samples["names_source", "kubelet"]) == (1, 0)
    assert samples["names_changes_total",] == 2
    assert samples["windows_total",] >= 1
    assert samples["snapshots_total", "true"] >= 1
    assert samples["replicas_waiting",] >= 1
    assert samples["window_close_seconds_count",] == samples["windows_total",]
