"""What becomes of real containers when the kubelet does not tell their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_playback import PlaybackApiServer
from certificates import Certificate
from node import Node, identities

from kinwatch.aspects import Aspect

pytestmark = pytest.mark.kernel

TOUCH = "os.close(os.open(name, os.O_RDONLY | os.O_CREAT))"
WEB = {"owner": ("ReplicaSet", "web-7bdb4cc484"), "labels": {"pod-template-hash": "7bdb4cc484", "app": "web"}}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without pods."""
    with Node(tmp_path) as node:
        yield node


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("pods-no-permission", "nodes/pods"),
        ("pods-bad-token", "refuses the token"),
        (Certificate.SELF_SIGNED, "signed itself"),
    ],
)
def test_agent_goes_on_capturing_and_says_why_nothing_is_named(
    node: Node, tmp_path: Path, fault: str, said: str
) -> None:
    if isinstance(fault, Certificate):
        node.kubelet.show(fault)
    else:
        node.kubelet.tokens[node.token] = fault
    pod = node.pod("web-a", **WEB)
    web = pod.start("web")
    with node.watch() as agent:
        if not agent.events("pods_source"):
            agent.await_event("pods_source")
        web.run(TOUCH, name=str(tmp_path / "seen"))
    (told,) = agent.events("pods_source")
    assert told["source"] is None
    assert said in told["problem"]
    assert told["remedy"]
    snapshots = [one for one in agent.told if one.replica.cgroup == web.path]
    assert "seen" in set().union(*(one.features(Aspect.FILENAMES) for one in snapshots))
    assert {one.coverage.resolved for one in snapshots} == {False}
    assert {one.replica.pod_uid for one in snapshots} == {pod.uid}


def test_api_server_tells_the_names_that_the_kubelet_refuses(node: Node, tmp_path: Path) -> None:
    """It is watched: a pod that comes later is named too. No more is asked of it than the pods of this node."""
    node.kubelet.tokens[node.token] = "pods-no-permission"
    (tmp_path / "api").mkdir()
    with PlaybackApiServer(tmp_path / "api") as server:
        environ = server.service_account(tmp_path / "unused", bearer=node.token)
        with (node.account / "ca.crt").open("ab") as bundle:
            bundle.write(server.ca_file.read_bytes())
        server.tokens = {node.token}
        node.pod("web-a", **WEB).start("web")
        server.pods = node.documents
        with node.watch(environ=environ, window_s=1) as agent:
            agent.await_event("window_closed")
            node.pod("web-b", **WEB).start("web")
            server.pods = node.documents
            for _ in range(3):
                agent.await_event("window_closed")
        pod_requests = [request for request in server.requests if request.path.endswith("/pods")]
    (told,) = agent.events("pods_source")
    assert (told["source"], told["before"]) == ("apiserver", None)
    assert told["problem"].startswith("kubelet: ")
    assert identities(agent.told) == {
        ("shop", name, "web", "app", "Deployment", "web", "7bdb4cc484") for name in ("web-a", "web-b")
    }
    assert pod_requests
    assert {request.query["fieldSelector"] for request in pod_requests} == {f"spec.nodeName={node.kubelet.node}"}


def test_what_was_known_stays_known_when_the_kubelet_falls_silent(node: Node, tmp_path: Path) -> None:
    web = node.pod("web-a", **WEB).start("web")
    with node.watch(window_s=1) as agent:
        agent.await_event("window_closed")
        node.kubelet.tokens[node.token] = "pods-bad-token"
        node.pod("web-b", **WEB).start("web", listed=False)  # so that it is asked soon
        while not [event for event in agent.events("pods_source") if event["source"] is None]:
            agent.await_event("pods_source")
        web.run(TOUCH, name=str(tmp_path / "after"))
        agent.await_event("window_closed")
    assert "after" in set().union(*(one.features(Aspect.FILENAMES) for one in agent.named("web-a")))
    assert all(one.coverage.resolved for one in agent.named("web-a"))
