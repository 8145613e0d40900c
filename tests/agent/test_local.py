"""Containers of a node without a cluster: which cgroups are such, and who they are by their runtimes' word."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from agent.local import Inventory, LocalNames, LocalSelection, View
from agent.names import AGENT, EXCLUDED, SANDBOX
from agent.runtimes.container import Failure, LocalContainer, LocalPod
from agent.selection import EVERYTHING, Rules, rules_from
from agent.values import Answer, Candidate, Named
from kinwatch.snapshot import Replica, Workload

ID = "2d5f84ec791d1ab44556c991ab9a4a63f7d04ae1493e1021ec3e607051da9c39"
UID = "5848279a-be2d-4aa8-a8d5-3a72ce43be42"


class FakeRuntimes:
    """Runtimes that tell what they were told."""

    def __init__(self, *containers: LocalContainer) -> None:
        self.told: tuple[LocalContainer, ...] = containers
        self.failures: tuple[Failure, ...] = ()
        self.asked = 0

    def fingerprint(self) -> object:
        return self.told, self.failures

    def containers(self) -> Sequence[LocalContainer]:
        self.asked += 1
        return self.told


def local(cgroup: str, *, container_id: str = ID, name: str = "web-1", **traits: object) -> LocalContainer:
    usual = {"image": None, "image_id": None, "project": None, "service": None, "pod": None, "is_sandbox": False}
    return LocalContainer(runtime="docker", id=container_id, name=name, cgroup=cgroup, **(usual | traits))  # type: ignore[arg-type]


def inventory_of(*containers: LocalContainer) -> Inventory:
    inventory = Inventory(FakeRuntimes(*containers))  # type: ignore[arg-type]
    inventory.refresh()
    return inventory


# --- Which cgroups --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "root",
    [
        f"/system.slice/docker-{ID}.scope",
        f"/docker/{ID}",
        f"/machine.slice/libpod-{ID}.scope",
        f"/libpod_parent/libpod-{ID}",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
        f"/system.slice/nerdctl-{ID}.scope",
        f"/default/{ID}",
    ],
)
@pytest.mark.parametrize("below", ["", "/container", "/init.scope/deeper"])
def test_container_is_known_by_the_form_of_its_path_before_its_runtime_tells_of_it(root: str, below: str) -> None:
    subject = LocalSelection(inventory_of()).subject(root + below)
    assert subject
    assert (subject.root, subject.replica.container_id, subject.resolved) == (root, ID, False)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/system.slice/ssh.service",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"/system.slice/crio-conmon-{ID}.scope",
        f"/docker/{ID[:-1]}",
        f"/buildkit/{ID[:25]}",
    ],
)
def test_what_is_no_container_is_none(path: str) -> None:
    """The monitors of podman and CRI-O have a container's id, too."""
    assert LocalSelection(inventory_of()).subject(path) is None


def test_container_in_a_cgroup_of_any_name_is_known_once_its_runtime_tells_of_it() -> None:
    selection = LocalSelection(inventory_of(local("/shop/web", container_id="web")))
    subject = selection.subject("/shop/web/inner")
    assert subject
    assert (subject.root, subject.replica.container_id) == ("/shop/web", "web")
    assert selection.subject("/shop") is None


def test_pods_containers_are_known_by_their_paths() -> None:
    subject = LocalSelection(inventory_of()).subject(f"/kubepods/besteffort/pod{UID}/{ID}")
    assert subject
    assert (subject.replica.pod_uid, subject.replica.container_id) == (UID, ID)


# --- Who ------------------------------------------------------------------------------------------------------------


def answer(container: LocalContainer | None, *, rules: Rules = EVERYTHING, own_root: str | None = None) -> Answer:
    inventory = inventory_of(*([container] if container else []))
    root = container.cgroup if container else f"/docker/{ID}"
    subject = LocalSelection(inventory).subject(root)
    assert subject
    names = LocalNames(inventory, rules=lambda: rules, own_root=own_root)
    return names.answers([Candidate(subject=subject, born=1)], now_s=0)[root]


def test_container_of_compose_is_a_replica_of_its_service() -> None:
    told = answer(
        local(f"/docker/{ID}", project="shop", service="web", image="nginx", image_id="sha256:a03f89cb61b9f0")
    )
    assert told == Named(
        replica=Replica(namespace="shop", pod="web-1", container_id=ID, cgroup=f"/docker/{ID}"),
        workload=Workload(kind="ComposeService", name="web", revision="a03f89cb61b9"),
    )


def test_sandbox_is_nobodys_replica() -> None:
    pod = LocalPod(uid=UID, namespace="shop", name="web-a", container=None)
    assert answer(local(f"/docker/{ID}", pod=pod, is_sandbox=True)) == SANDBOX


@pytest.mark.parametrize(
    ("name", "labels", "kind", "workload"),
    [
        ("web-7bdb4cc484-fx9gb", {"pod-template-hash": "7bdb4cc484"}, "Deployment", "web"),
        ("cache-0", {"controller-revision-hash": "cache-57677f96ff"}, "StatefulSet", "cache"),
        ("web-7bdb4cc484-fx9gb", {}, None, None),
    ],
)
def test_pod_has_its_names_and_its_workload_where_its_labels_tell(
    name: str, labels: dict[str, str], kind: str | None, workload: str | None
) -> None:
    """As CRI-O and cri-dockerd write them down; else the workload is not resolved."""
    pod = LocalPod(uid=UID, namespace="shop", name=name, container="web", labels=labels)
    told = answer(local(f"/kubepods/pod{UID}/{ID}", pod=pod))
    assert isinstance(told, Named)
    expected = Workload(kind=kind, name=workload, revision=next(iter(labels.values()), None))
    assert (told.workload, told.resolved) == (expected, workload is not None)
    assert (told.replica.namespace, told.replica.pod, told.replica.container) == ("shop", name, "web")


def test_container_that_no_runtime_tells_of_is_not_known_yet() -> None:
    assert answer(None) is None


def test_agents_own_container_is_left_alone() -> None:
    assert answer(local(f"/docker/{ID}"), own_root=f"/docker/{ID}") == AGENT


def test_rules_hold_for_compose_projects_too() -> None:
    rules = rules_from("exclude: [{namespace: shop}]", source="test")
    assert answer(local(f"/docker/{ID}", project="shop", service="web"), rules=rules) == EXCLUDED
    assert isinstance(answer(local(f"/docker/{ID}", project="blog", service="web"), rules=rules), Named)


# --- When ----------------------------------------------------------------------------------------------------------


def test_state_is_read_again_only_when_something_in_it_has_changed() -> None:
    runtimes = FakeRuntimes(local("/a"))
    inventory = Inventory(runtimes)  # type: ignore[arg-type]
    before = inventory.view
    for _ in range(3):
        inventory.refresh()
    assert runtimes.asked == 1
    assert inventory.view is not before
    runtimes.told = (local("/a"), local("/b"))
    inventory.refresh()
    assert (runtimes.asked, set(inventory.view.by_root)) == (2, {"/a", "/b"})
    assert View().number < before.number + 1 < inventory.view.number


def test_state_that_can_not_be_read_is_said_once() -> None:
    runtimes = FakeRuntimes()
    inventory = Inventory(runtimes)  # type: ignore[arg-type]
    runtimes.failures = (Failure(runtime="podman", path="/var/lib/containers", reason="denied"),)
    with capture_logs() as log:
        inventory.refresh()
        runtimes.told = (local("/a"),)
        inventory.refresh()
    assert [(line["event"], line["runtime"], line["reason"]) for line in log] == [
        ("runtime_not_read", "podman", "denied")
    ]
