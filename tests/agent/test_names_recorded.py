"""
Every recorded container is named as its runtime knows it: right pod, container and role, and sandboxes as such.

`processes.tsv` was recorded on three nodes: hybrid cgroups with the cgroupfs driver (the node of the kubelet's and the
API server's recordings), and cgroup v2 with both drivers under a standalone kubelet with static pods. Truth are the
labels that the kubelet gave each container and sandbox at the runtime (containerd).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from agent.identify import Pods
from agent.names import LONELY_S, SANDBOX, PodNames
from agent.pods.directory import Directory, Listed
from agent.pods.pod import Pod, pods_of
from agent.pods.workload import workload_of
from agent.selection import EVERYTHING
from agent.values import Answer, Candidate, Named

FIXTURES = Path(__file__).parents[1] / "fixtures/kubernetes"
SIDECARS = {"log-tail"}
"""Init containers that go on running, by the manifests; of the others in it no process was left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A container by its runtime."""

    recording: str
    pid: str
    cgroup_id: str
    cgroup: str
    kind: str
    """`sandbox` or `container`."""
    namespace: str
    pod: str
    pod_uid: str
    container: str
    container_id: str

    @property
    def candidate(self) -> Candidate:
        """As the agent finds it: by the path and the id of its cgroup."""
        subject = Pods().subject(self.cgroup)
        assert subject is not None
        return Candidate(subject=subject, born=int(self.cgroup_id))


with (FIXTURES / "cgroup/processes.tsv").open() as lines:
    TRUTHS = [Truth(**row) for row in csv.DictReader(lines, delimiter="\t")]
HYBRID = [one for one in TRUTHS if one.recording == "hybrid-cgroupfs"]
STANDALONE = ["v2-systemd", "v2-cgroupfs"]


def recorded(name: str) -> tuple[Pod, ...]:
    return pods_of(json.loads((FIXTURES / name).read_bytes()))


def standalone(truths: Sequence[Truth]) -> tuple[Pod, ...]:
    """The pods of a standalone kubelet as its /pods has them: all from files, with no time of creation."""
    return pods_of({"kind": "PodList", "items": [*map(_static_pod, _by_pod(truths))]})


def _by_pod(truths: Sequence[Truth]) -> Iterator[list[Truth]]:
    for _, pod in groupby(sorted(truths, key=lambda one: one.pod_uid), key=lambda one: one.pod_uid):
        yield list(pod)


def _static_pod(truths: Sequence[Truth]) -> dict[str, Any]:
    one, *_ = truths
    containers = [each for each in truths if each.kind == "container"]
    return {
        "metadata": {
            "name": one.pod,
            "namespace": one.namespace,
            "uid": one.pod_uid,
            "annotations": {"kubernetes.io/config.hash": one.pod_uid, "kubernetes.io/config.source": "file"},
        },
        "spec": {"nodeName": "knode-1", "containers": [{"name": each.container} for each in containers]},
        "status": {
            "containerStatuses": [
                {
                    "name": each.container,
                    "containerID": f"containerd://{each.container_id}",
                    "state": {"running": {"startedAt": "2026-11-22T09:52:09Z"}},
                }
                for each in containers
            ]
        },
    }


def named(truths: Sequence[Truth], pods: Sequence[Pod]) -> list[Answer]:
    """What the agent makes of them after it has waited for pods in which nothing runs."""
    directory = Directory()
    listed = tuple(Listed(pod=pod, workload=workload_of(pod, lambda *_: None)) for pod in pods)
    directory.tell(listed, at_s=0)
    names = PodNames(directory, rules=lambda: EVERYTHING, own_root=None)
    candidates = [one.candidate for one in truths]
    names.answers(candidates, now_s=0)
    answers = names.answers(candidates, now_s=LONELY_S)
    return [answers[one.subject.root] for one in candidates]


def expected(truth: Truth) -> object:
    if truth.kind == "sandbox":
        return SANDBOX
    role = "sidecar" if truth.container in SIDECARS else "app"
    return truth.namespace, truth.pod, truth.pod_uid, truth.container, truth.container_id, role, truth.cgroup


def gist(answer: Answer) -> object:
    if not isinstance(answer, Named):
        return answer
    it = answer.replica
    return it.namespace, it.pod, it.pod_uid, it.container, it.container_id, it.role, it.cgroup


def test_recordings_hold_what_they_are_said_to() -> None:
    """So that what follows is about something."""
    count = {name: [one.kind for one in TRUTHS if one.recording == name] for name in {one.recording for one in TRUTHS}}
    assert {name: (kinds.count("sandbox"), kinds.count("container")) for name, kinds in count.items()} == {
        "hybrid-cgroupfs": (9, 9),
        "v2-systemd": (6, 6),
        "v2-cgroupfs": (6, 6),
    }


@pytest.mark.parametrize("recording", ["hybrid-cgroupfs", *STANDALONE])
def test_sandbox_has_the_least_cgroup_id_of_its_pod(recording: str) -> None:
    """The rule by which sandboxes are known rests on it."""
    for pod in _by_pod([one for one in TRUTHS if one.recording == recording]):
        oldest, *others = sorted(pod, key=lambda one: int(one.cgroup_id))
        assert oldest.kind == "sandbox"
        assert {one.kind for one in others} <= {"container"}


@pytest.mark.parametrize("source", ["kubelet/pods-nodes-pods.body", "apiserver/pods-of-node.json"])
def test_every_container_of_the_node_is_named_by_each_source(source: str) -> None:
    """By the API server the static pod too, which it knows by its mirror and another uid. None is wrong."""
    assert list(map(gist, named(HYBRID, recorded(source)))) == list(map(expected, HYBRID))


@pytest.mark.parametrize("recording", STANDALONE)
def test_every_container_of_a_standalone_kubelet_is_named(recording: str) -> None:
    """Both drivers, all classes of service, static pods with and without a uid of their own."""
    truths = [one for one in TRUTHS if one.recording == recording]
    assert list(map(gist, named(truths, standalone(truths)))) == list(map(expected, truths))


def test_each_container_has_the_workload_of_the_manifests() -> None:
    answers = named(HYBRID, recorded("kubelet/pods-nodes-pods.body"))
    workloads = {
        (one.replica.container, one.workload.kind, one.workload.name) for one in answers if isinstance(one, Named)
    }
    assert workloads == {
        ("web", "Deployment", "web"),
        ("orders", "Deployment", "orders"),
        ("metrics", "Deployment", "orders"),
        ("log-tail", "Deployment", "orders"),
        ("cache", "StatefulSet", "cache"),
        ("agent", "DaemonSet", "node-agent"),
        ("node-cache", "StaticPod", "node-cache"),
    }


def test_nothing_is_wrong_while_only_a_part_is_known() -> None:
    """Whichever of the node's pods are listed: a container is named rightly, is a sandbox rightly, or waits."""
    pods = recorded("kubelet/pods-nodes-pods.body")
    for left_out in pods:
        for truth, answer in zip(HYBRID, named(HYBRID, [pod for pod in pods if pod is not left_out]), strict=True):
            assert gist(answer) == (None if truth.pod_uid == left_out.uid else expected(truth))


def test_sandbox_is_not_mistaken_while_its_pods_containers_come_one_by_one() -> None:
    """However many of a pod's containers were found yet, none of them is taken for the sandbox, nor it for one."""
    pods = recorded("kubelet/pods-nodes-pods.body")
    in_order = sorted(HYBRID, key=lambda one: int(one.cgroup_id))
    for count in range(1, len(in_order) + 1):
        for truth, answer in zip(in_order[:count], named(in_order[:count], pods), strict=True):
            assert gist(answer) in {None, expected(truth)}


def test_finished_init_container_is_named_too() -> None:
    """Its process was gone when the cgroups were recorded; its last window was not."""
    (cache,) = (pod for pod in recorded("kubelet/pods-nodes-pods.body") if pod.name == "cache-0")
    warm_up, _ = cache.containers
    (run,) = warm_up.ids
    truth = Truth(
        recording="",
        pid="",
        cgroup_id="4700",
        cgroup=f"/kubepods/besteffort/pod{cache.uid}/{run}",
        kind="container",
        namespace="shop",
        pod="cache-0",
        pod_uid=cache.uid,
        container="warm-up",
        container_id=run,
    )
    *others, answer = named([*HYBRID, truth], recorded("kubelet/pods-nodes-pods.body"))
    assert list(map(gist, others)) == list(map(expected, HYBRID))
    assert isinstance(answer, Named)
    assert (answer.replica.container, answer.replica.role) == ("warm-up", "init")
