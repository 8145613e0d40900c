"""The workload of a pod and its revision, most often from the pod alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.pods.pod import Owner, Pod, controller_of, pods_of
from agent.pods.source import NotNow
from agent.pods.workload import workload_by_labels, workload_of
from kinwatch.snapshot import Workload

FIXTURES = Path(__file__).parents[2] / "fixtures/kubernetes"
RECORDED = {
    "node-cache-knode-1": Workload(kind="StaticPod", name="node-cache"),
    "node-agent-7kzjh": Workload(kind="DaemonSet", name="node-agent", revision="6db5b5b8bc"),
    "cache-0": Workload(kind="StatefulSet", name="cache", revision="cache-57677f96ff"),
    "crash-loop": Workload(kind="Pod", name="crash-loop"),
    "no-image": Workload(kind="Pod", name="no-image"),
    "orders-68bc66c8b7-whfdw": Workload(kind="Deployment", name="orders", revision="68bc66c8b7"),
    "report-29922353-gfllk": Workload(kind="CronJob", name="report"),
    "web-7bdb4cc484-fx9gb": Workload(kind="Deployment", name="web", revision="7bdb4cc484"),
    "web-7bdb4cc484-lfvhs": Workload(kind="Deployment", name="web", revision="7bdb4cc484"),
    "web-7bdb4cc484-s9s9h": Workload(kind="Deployment", name="web", revision="7bdb4cc484"),
}
"""What each recorded pod belongs to, by the manifests."""

BARE = Pod(
    uid="u1",
    namespace="shop",
    name="web-7bdb-x",
    node="node-1",
    labels={},
    annotations={},
    owner=None,
    static=False,
    created=None,
    containers=(),
)
MINUTE = 29_922_353
SCHEDULED = datetime.fromtimestamp(0, tz=UTC) + timedelta(minutes=MINUTE)


class Asked:
    """Someone who knows owners, and notes what they were asked."""

    def __init__(self, answer: Owner | None = None) -> None:
        self.answer = answer
        self.questions: list[tuple[str, str, str]] = []

    def __call__(self, owned: Owner, namespace: str) -> Owner | None:
        self.questions.append((owned.kind, owned.name, namespace))
        return self.answer


def owner(kind: str, name: str, api_version: str = "apps/v1") -> Owner:
    return Owner(api_version=api_version, kind=kind, name=name)


def pod(owned_by: Owner | None = None, **more: Any) -> Pod:
    """A pod that says nothing of its workload but what is named."""
    return replace(BARE, owner=owned_by, **more)


@pytest.mark.parametrize("recording", ["kubelet/pods-nodes-pods.body", "apiserver/pods-of-node.json"])
def test_workload_of_each_recorded_pod_is_known_without_asking(recording: str) -> None:
    nobody = Asked()
    pods = pods_of(json.loads((FIXTURES / recording).read_bytes()))
    assert {one.name: workload_of(one, nobody) for one in pods} == RECORDED
    assert nobody.questions == []


def test_recorded_replica_sets_and_jobs_say_the_same() -> None:
    """What was told from the pods alone is what the owners' own owner references say."""
    owners = [
        (item["metadata"]["name"], controller_of(item["metadata"]))
        for name in ("replicasets", "jobs")
        for item in json.loads((FIXTURES / f"apiserver/{name}.json").read_bytes())["items"]
    ]
    told = {name: (root.kind, root.name) for name, root in owners if root}
    assert told["web-7bdb4cc484"] == ("Deployment", "web")
    assert told["orders-68bc66c8b7"] == ("Deployment", "orders")
    assert told["report-29922353"] == ("CronJob", "report")


def test_deployment_is_known_by_the_hash_in_its_replica_sets_name() -> None:
    labels = {"pod-template-hash": "7bdb"}
    found = workload_of(pod(owner("ReplicaSet", "web-front-7bdb"), labels=labels), Asked())
    assert found == Workload(kind="Deployment", name="web-front", revision="7bdb")


def test_argo_rollout_is_known_by_its_own_hash() -> None:
    labels = {"rollouts-pod-template-hash": "5cf"}
    found = workload_of(pod(owner("ReplicaSet", "web-5cf"), labels=labels), Asked())
    assert found == Workload(kind="Rollout", name="web", revision="5cf")


@pytest.mark.parametrize("labels", [{}, {"pod-template-hash": "other"}, {"pod-template-hash": "web-7bdb"}])
def test_replica_set_that_its_pod_does_not_explain_is_asked_for(labels: dict[str, str]) -> None:
    """A bare ReplicaSet, or labels that someone wrote."""
    asked = Asked(owner("Deployment", "web"))
    found = workload_of(pod(owner("ReplicaSet", "web-7bdb"), labels=labels), asked)
    assert (found.kind, found.name) == ("Deployment", "web")
    assert asked.questions == [("ReplicaSet", "web-7bdb", "shop")]


def test_replica_set_without_an_owner_is_itself_the_workload() -> None:
    found = workload_of(pod(owner("ReplicaSet", "web-7bdb")), Asked(None))
    assert (found.kind, found.name) == ("ReplicaSet", "web-7bdb")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=30), timedelta(hours=1)])
def test_cronjob_is_known_by_the_minute_in_its_jobs_name(late: timedelta) -> None:
    """If the pod was made in that minute or up to an hour later."""
    job = pod(owner("Job", f"report-daily-{MINUTE}", "batch/v1"), created=SCHEDULED + late)
    assert workload_of(job, Asked()) == Workload(kind="CronJob", name="report-daily")


@pytest.mark.parametrize(
    ("name", "created"),
    [
        ("import", SCHEDULED),
        (f"import-{MINUTE}", SCHEDULED - timedelta(seconds=1)),
        (f"import-{MINUTE}", SCHEDULED + timedelta(hours=2)),
        (f"import-{MINUTE}", None),
        ("import-20261122", SCHEDULED),
        ("import-1732360000", SCHEDULED),
        ("import-9999999999", SCHEDULED),
        (f"-{MINUTE}", SCHEDULED),
    ],
)
def test_job_whose_name_is_no_minute_of_its_own_is_asked_for(name: str, created: datetime | None) -> None:
    """A date, seconds since the epoch, an order's number, however large: the Job is the workload if nobody owns it."""
    asked = Asked()
    found = workload_of(pod(owner("Job", name, "batch/v1"), created=created), asked)
    assert found == Workload(kind="Job", name=name)
    assert asked.questions == [("Job", name, "shop")]


@given(st.from_regex(r"[a-z]{0,3}-?[0-9]{0,30}", fullmatch=True))
def test_job_may_have_any_name(name: str) -> None:
    assert workload_of(pod(owner("Job", name, "batch/v1"), created=SCHEDULED), Asked()).name in name


def test_job_may_belong_to_something_else() -> None:
    """As to an Argo Workflow, by its owner reference."""
    asked = Asked(owner("Workflow", "nightly", "argoproj.io/v1alpha1"))
    found = workload_of(pod(owner("Job", "nightly-step", "batch/v1"), created=SCHEDULED), asked)
    assert (found.kind, found.name) == ("Workflow", "nightly")


@pytest.mark.parametrize(
    ("kind", "label"),
    [("StatefulSet", "cache-57677f96ff"), ("DaemonSet", "6db5b5b8bc")],
)
def test_stateful_and_daemon_sets_have_the_revision_of_their_label(kind: str, label: str) -> None:
    asked = Asked()
    found = workload_of(pod(owner(kind, "cache"), labels={"controller-revision-hash": label}), asked)
    assert found == Workload(kind=kind, name="cache", revision=label)
    assert asked.questions == []


@pytest.mark.parametrize("kind", ["CloneSet", "VirtualMachineInstance", "SparkApplication", "ReplicationController"])
def test_any_other_controller_is_the_workload(kind: str) -> None:
    asked = Asked()
    found = workload_of(pod(owner(kind, "any", "example.com/v1")), asked)
    assert found == Workload(kind=kind, name="any")
    assert asked.questions == []


def test_openshift_deployment_config_has_its_replication_controllers_as_revisions() -> None:
    config = {"openshift.io/deployment-config.name": "web"}
    found = workload_of(pod(owner("ReplicationController", "web-3", "v1"), annotations=config), Asked())
    assert found == Workload(kind="DeploymentConfig", name="web", revision="web-3")


def test_bare_pod_is_a_workload_by_itself() -> None:
    assert workload_of(pod(name="debug"), Asked()) == Workload(kind="Pod", name="debug")


def test_static_pods_of_several_nodes_are_one_workload() -> None:
    """By their name without the node's, which the kubelet appends."""
    on_two = (pod(name=f"etcd-{node}", node=node, static=True) for node in ("node-1", "node-2"))
    assert {workload_of(one, Asked()) for one in on_two} == {Workload(kind="StaticPod", name="etcd")}


def test_what_the_asked_raises_passes_through() -> None:
    """So that the question is put again later."""

    def not_now(*_: object) -> Owner | None:
        raise NotNow

    with pytest.raises(NotNow):
        workload_of(pod(owner("ReplicaSet", "web-7bdb")), not_now)


def test_name_and_labels_of_a_recorded_pod_tell_its_workload_or_nothing() -> None:
    """Never another one than its owners say: this is all that a runtime knows of a pod."""
    pods = pods_of(json.loads((FIXTURES / "kubelet/pods-nodes-pods.body").read_bytes()))
    told = {one.name: workload_by_labels(one.name, one.labels) for one in pods}
    assert {name for name, workload in told.items() if workload.kind} == {
        "cache-0",
        "orders-68bc66c8b7-whfdw",
        "web-7bdb4cc484-fx9gb",
        "web-7bdb4cc484-lfvhs",
        "web-7bdb4cc484-s9s9h",
    }
    assert all(workload in {Workload(), RECORDED[name]} for name, workload in told.items())


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("web-7bdb-x", {}),
        ("web-7bdb-x", {"pod-template-hash": "other"}),
        ("-7bdb-x", {"pod-template-hash": "7bdb"}),
        ("agent-x7k2p", {"controller-revision-hash": "6db5b5b8bc"}),
        ("cache-0", {"controller-revision-hash": "other-57677f96ff"}),
        ("cache-x", {"controller-revision-hash": "cache-57677f96ff"}),
    ],
)
def test_labels_that_do_not_fit_the_name_tell_nothing(name: str, labels: dict[str, str]) -> None:
    assert workload_by_labels(name, labels) == Workload()
