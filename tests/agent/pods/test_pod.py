"""A pod is read from the JSON of the kubelet and of the API server, and is the same by both."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.pods.pod import Container, Owner, Pod, PodFormatError, Role, controller_of, pod_of, pods_of

FIXTURES = Path(__file__).parents[2] / "fixtures/kubernetes"
BY_KUBELET = pods_of(json.loads((FIXTURES / "kubelet/pods-nodes-pods.body").read_bytes()))
BY_APISERVER = pods_of(json.loads((FIXTURES / "apiserver/pods-of-node.json").read_bytes()))

Json = dict[str, Any]


def named(pods: tuple[Pod, ...], name: str) -> Pod:
    return next(pod for pod in pods if pod.name == name)


def pod(*, status: Json | None = None, **metadata: Any) -> Json:
    """The JSON of a pod with one container, `web`."""
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", **metadata},
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "shop/web:1"}]},
        "status": {"containerStatuses": [{"name": "web", **status}]} if status else {},
    }


def container(status: Json) -> Container:
    """The one container, with this status."""
    (only,) = pod_of(pod(status=status)).containers
    return only


def test_recorded_pods_are_read_with_all_their_containers() -> None:
    assert {(one.namespace, one.name, len(one.containers)) for one in BY_KUBELET} == {
        ("kube-system", "node-cache-knode-1", 1),
        ("monitoring", "node-agent-7kzjh", 1),
        ("shop", "cache-0", 2),
        ("shop", "crash-loop", 1),
        ("shop", "no-image", 1),
        ("shop", "orders-68bc66c8b7-whfdw", 3),
        ("shop", "report-29922353-gfllk", 1),
        ("shop", "web-7bdb4cc484-fx9gb", 1),
        ("shop", "web-7bdb4cc484-lfvhs", 1),
        ("shop", "web-7bdb4cc484-s9s9h", 1),
    }


def test_kubelet_and_api_server_tell_of_the_same_pods() -> None:
    """The static one too, though the API server knows it by another uid and shows it as owned by the node."""

    def gist(one: Pod) -> tuple[object, ...]:
        return one.uid, one.namespace, one.name, one.node, one.labels, one.owner, one.static, one.containers

    assert sorted(map(gist, BY_KUBELET), key=str) == sorted(map(gist, BY_APISERVER), key=str)


@pytest.mark.parametrize("pods", [BY_KUBELET, BY_APISERVER], ids=["kubelet", "api server"])
def test_static_pod_has_the_uid_of_its_cgroup_and_no_owner(pods: tuple[Pod, ...]) -> None:
    static = named(pods, "node-cache-knode-1")
    assert static.static
    assert static.uid == "e36fa8389324342804dda9d7a02d3560"
    assert static.owner is None
    assert [one.name for one in pods if one.static] == [static.name]


def test_static_pod_with_a_uid_of_its_own_keeps_it() -> None:
    """One whose file gives a uid; by the kubelet it is the hash as well."""
    uid = "5848279a-be2d-4aa8-a8d5-3a72ce43be42"
    annotations = {"kubernetes.io/config.source": "file"}
    assert pod_of(pod(uid=uid, annotations=annotations)).uid == uid
    assert pod_of(pod(uid=uid, annotations=annotations | {"kubernetes.io/config.hash": uid})).uid == uid


def test_hash_that_someone_wrote_on_an_ordinary_pod_is_not_its_uid() -> None:
    forged = {"kubernetes.io/config.source": "api", "kubernetes.io/config.hash": "u2"}
    assert pod_of(pod(annotations=forged)).uid == "u1"


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("cache-0", {"warm-up": Role.INIT, "cache": Role.APP}),
        ("orders-68bc66c8b7-whfdw", {"log-tail": Role.SIDECAR, "orders": Role.APP, "metrics": Role.APP}),
        ("node-cache-knode-1", {"node-cache": Role.APP}),
    ],
)
def test_recorded_containers_have_their_roles(name: str, roles: dict[str, Role]) -> None:
    """An init container that goes on running is a sidecar."""
    assert {one.name: one.role for one in named(BY_KUBELET, name).containers} == roles


def test_ephemeral_container_is_one_of_the_pods() -> None:
    document = pod()
    document["spec"]["ephemeralContainers"] = [{"name": "debugger", "targetContainerName": "web"}]
    document["status"]["ephemeralContainerStatuses"] = [
        {"name": "debugger", "containerID": "containerd://d1", "state": {"running": {"startedAt": None}}}
    ]
    debugger = pod_of(document).containers[-1]
    assert (debugger.name, debugger.role, debugger.running_id) == ("debugger", Role.EPHEMERAL, "d1")


@pytest.mark.parametrize("prefix", ["containerd://", "cri-o://", "docker://", ""])
def test_id_of_a_container_has_no_runtime_in_front(prefix: str) -> None:
    status = {"containerID": f"{prefix}c1", "state": {"running": {"startedAt": "2026-11-22T09:52:09Z"}}}
    assert container(status).ids == {"c1"}


def test_running_container_says_since_when() -> None:
    running = container({"containerID": "x://c2", "state": {"running": {"startedAt": "2026-11-22T09:52:09Z"}}})
    assert running.running_id == "c2"
    assert running.started == datetime(2026, 11, 22, 9, 52, 9, tzinfo=UTC)


def test_container_that_was_restarted_is_known_by_both_its_runs() -> None:
    status = {
        "containerID": "x://c2",
        "state": {"running": {"startedAt": "2026-11-22T09:52:09Z"}},
        "lastState": {"terminated": {"containerID": "x://c1"}},
    }
    assert container(status).ids == {"c1", "c2"}
    assert container(status).running_id == "c2"


def test_container_between_two_restarts_runs_nowhere_and_keeps_the_ids_of_its_runs() -> None:
    """The recorded CrashLoopBackOff."""
    (main,) = named(BY_KUBELET, "crash-loop").containers
    assert sorted(one[:8] for one in main.ids) == ["728e2716", "cabd8c08"]
    assert main.running_id is None
    waiting = {"containerID": "x://c1", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    assert (container(waiting).ids, container(waiting).running_id) == ({"c1"}, None)


@pytest.mark.parametrize("status", [{}, {"containerID": ""}, {"state": {"waiting": {"reason": "ErrImagePull"}}}])
def test_container_that_never_ran_has_no_id(status: Json) -> None:
    """The recorded ImagePullBackOff, and a pod whose status is still empty."""
    assert (container(status).ids, container(status).running_id) == (frozenset(), None)
    assert named(BY_KUBELET, "no-image").containers[0].ids == frozenset()


def test_container_is_known_before_it_has_a_status() -> None:
    assert [(one.name, one.image) for one in pod_of(pod()).containers] == [("web", "shop/web:1")]


def test_of_several_owners_the_controller_counts() -> None:
    owners = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "keeper"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7bdb", "controller": True},
    ]
    assert pod_of(pod(ownerReferences=owners)).owner == Owner(api_version="apps/v1", kind="ReplicaSet", name="web-7bdb")
    assert controller_of({"ownerReferences": owners[:1]}) is None
    assert controller_of({}) is None


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "Unauthorized",
        {},
        {"kind": "Status", "code": 403},
        {"kind": "PodList", "items": [{}]},
        {"kind": "PodList", "items": [None]},
        {"kind": "PodList", "items": [pod(status={"state": "running"})]},
        {"kind": "PodList", "items": [pod(creationTimestamp="yesterday")]},
        {"kind": "PodList", "items": [pod(creationTimestamp="2026-11-22T09:52:09")]},
    ],
)
def test_what_is_no_list_of_pods_is_refused(document: Any) -> None:
    """By one error, whatever is wrong with it; a time without its zone would be no moment."""
    with pytest.raises(PodFormatError):
        pods_of(document)


def test_node_without_pods_is_no_error() -> None:
    """Go writes a list with nothing in it as null."""
    assert pods_of({"kind": "PodList", "items": None}) == ()


def test_annotations_of_an_ordinary_pod_do_not_make_it_a_static_one() -> None:
    """Who may make pods writes them; to take a static pod's uid would be to take its name."""
    forged = {"kubernetes.io/config.source": "file", "kubernetes.io/config.hash": "e36fa8389324342804dda9d7a02d3560"}
    document = {
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "annotations": forged},
        "spec": {},
    }
    pod = pod_of(document)
    assert (pod.uid, pod.static) == ("u", False)
