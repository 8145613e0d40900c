"""
The replicas of a node are named as the cluster's API has them.

On a stand of our own: real containers with the kubelet's paths, an API server on loopback. With the marker `cluster`
(`make test-cluster`): on a node of a real cluster, as root, with KUBECONFIG in the environment, and NODE_NAME if the
node is not called as its host is.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_playback import PlaybackApiServer
from ground import Watch
from node import Node, identities
from recordings import NODE

from kinwatch.apiserver.connection import Connection, by_kubeconfig
from kinwatch.apiserver.refused import Asked

Json = Mapping[str, Any]
ASKED = Asked(doing="read what is true", permission="`get` and `list` on pods, replicasets and jobs")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How the cluster is asked, and which of its nodes this is."""

    kubeconfig: Path
    node: str


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Cluster]:
    """A node of our own, and an API server that has its pods."""
    with Node(tmp_path) as node, PlaybackApiServer(tmp_path) as server:
        labels = {"pod-template-hash": "7bdb4cc484"}
        for name in ("a", "b", "c"):
            node.pod(f"web-7bdb4cc484-{name}", owner=("ReplicaSet", "web-7bdb4cc484"), labels=labels).start("web")
        labels = {"controller-revision-hash": "cache-57677f96ff"}
        pod = node.pod("cache-0", owner=("StatefulSet", "cache"), labels=labels)
        pod.start("log-tail", role="initContainers", restartPolicy="Always")
        pod.start("cache")
        node.pod("orders-1", owner=("ReplicaSet", "orders-68bc66c8b7")).start("orders")
        server.pods = node.documents
        yield Cluster(kubeconfig=server.kubeconfig(tmp_path / "kubeconfig"), node=NODE)


@pytest.fixture
def cluster() -> Cluster:
    """The cluster of KUBECONFIG."""
    assert "KUBECONFIG" in os.environ, "set KUBECONFIG, on a node of the cluster"
    return Cluster(kubeconfig=Path(os.environ["KUBECONFIG"]), node=os.environ.get("NODE_NAME", platform.node()))


@pytest.mark.kernel
def test_replicas_of_the_stand_are_named_as_its_api_has_them(stand: Cluster, tmp_path: Path) -> None:
    """Also the one whose Deployment only its ReplicaSet knows."""
    told = watched(stand, tmp_path)
    assert told == running_by_the_api(stand)
    assert len(told) == 6
    assert ("shop", "orders-1", "orders", "app", "Deployment", "orders", None) in told


@pytest.mark.cluster
def test_replicas_of_a_real_node_are_named_as_its_api_has_them(cluster: Cluster, tmp_path: Path) -> None:
    """All that ran before and ran after, and nothing else but what came or went meanwhile."""
    before = running_by_the_api(cluster)
    told = watched(cluster, tmp_path)
    after = running_by_the_api(cluster)
    assert before, "no pod runs on this node"
    assert before & after <= told <= before | after


def watched(cluster: Cluster, folder: Path) -> set[tuple[str | None, ...]]:
    """Who the agent says the replicas are, in two windows."""
    options = {
        "--run-dir": folder,
        "--node": cluster.node,
        "--names": "kubernetes",
        "--kubeconfig": cluster.kubeconfig,
        "--service-account": folder / "none",
        "--window": 5,
    }
    with Watch([str(word) for option in options.items() for word in option], prefix="") as agent:
        agent.await_event("window_closed")
        agent.await_event("window_closed")
    return identities([one for one in agent.snapshots if one.coverage.resolved])


def running_by_the_api(cluster: Cluster) -> set[tuple[str | None, ...]]:
    """The containers that run, with the owners that the API names one after the other."""
    connection = by_kubeconfig(cluster.kubeconfig)
    query = {"fieldSelector": f"spec.nodeName={cluster.node}"}
    return {
        (pod["metadata"]["namespace"], pod["metadata"]["name"], status["name"], role, *root_by_the_api(connection, pod))
        for pod in connection.get("/api/v1/pods", query).document(ASKED)["items"]
        for status, role in statuses_of(pod)
        if "running" in status["state"]
    }


def statuses_of(pod: Json) -> Iterator[tuple[Json, str]]:
    """Status and role of each container."""
    sidecars = {one["name"] for one in pod["spec"].get("initContainers", ()) if one.get("restartPolicy") == "Always"}
    for status in pod["status"].get("initContainerStatuses", ()):
        yield status, "sidecar" if status["name"] in sidecars else "init"
    for status in pod["status"].get("containerStatuses", ()):
        yield status, "app"
    for status in pod["status"].get("ephemeralContainerStatuses", ()):
        yield status, "ephemeral"


def root_by_the_api(connection: Connection, pod: Json) -> tuple[str, str, str | None]:
    """Kind and name of the workload, and the revision."""
    labels = pod["metadata"].get("labels", {})
    revision = labels.get("pod-template-hash") or labels.get("controller-revision-hash")
    owner = controller(pod)
    if owner is None:
        return "Pod", pod["metadata"]["name"], None
    if owner["kind"] == "Node":
        return "StaticPod", pod["metadata"]["name"].removesuffix(f"-{owner['name']}"), None
    if plural := {"ReplicaSet": "replicasets", "Job": "jobs"}.get(owner["kind"]):
        path = f"/apis/{owner['apiVersion']}/namespaces/{pod['metadata']['namespace']}/{plural}/{owner['name']}"
        owner = controller(connection.get(path).document(ASKED)) or owner
    return owner["kind"], owner["name"], revision


def controller(owned: Json) -> Json | None:
    """The owner that manages an object."""
    return next((one for one in owned["metadata"].get("ownerReferences", ()) if one.get("controller")), None)
