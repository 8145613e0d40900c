"""The path of a cgroup tells whose container it is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from agent.identify import Globs, Pods, pod_container
from kinwatch.errors import InputError
from kinwatch.snapshot import Workload

FIXTURES = Path(__file__).parents[1] / "fixtures/kubernetes/cgroup"
"""Recorded on real nodes: trees of cgroups, and which pod and container each process belongs to by its runtime."""
with (FIXTURES / "containers.tsv").open() as lines:
    CONTAINERS = [tuple(row.values()) for row in csv.DictReader(lines, delimiter="\t")]
TREES = sorted(FIXTURES.glob("tree-*.txt"))

UID = "5848279a-be2d-4aa8-a8d5-3a72ce43be42"
LOW = UID.replace("-", "_")
STATIC = "0089be9b25771fc921aac237ac078f8e"
ID = "51d126bb1bcb9dd7a638faad9d691de26f77d5ecc68d3b2fbbe4cdaf95fb7f79"
POD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{LOW}.slice"


@pytest.mark.parametrize(("path", "uid", "container_id"), CONTAINERS)
def test_recorded_container_is_known_by_its_cgroup(path: str, uid: str, container_id: str) -> None:
    """Both drivers, both versions, all classes of service, static pods."""
    assert pod_container(path) == (path, uid, container_id)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.stem)
def test_leaves_of_a_recorded_tree_are_containers_and_nothing_above_them_is(tree: Path) -> None:
    """But for the slices of pods that the other driver left empty."""
    paths = tree.read_text().split()
    found = {path for path in paths if pod_container(path)}
    assert found
    leaves = {path for path in paths if not any(other.startswith(path + "/") for other in paths)}
    assert found == {leaf for leaf in leaves if not leaf.endswith(".slice")}


def test_what_is_no_pod_of_a_recorded_node_is_no_container() -> None:
    """System services, slices, mounts."""
    assert not any(map(pod_container, (FIXTURES / "top-v2-systemd.txt").read_text().split()))


@pytest.mark.parametrize(
    ("path", "uid"),
    [
        (f"{POD}/cri-containerd-{ID}.scope", UID),
        (f"{POD}/crio-{ID}.scope", UID),
        (f"{POD}/docker-{ID}.scope", UID),
        (f"/kubepods.slice/kubepods-pod{LOW}.slice/cri-containerd-{ID}.scope", UID),
        (f"/kubepods/besteffort/pod{UID}/{ID}", UID),
        (f"/kubepods/pod{UID}/{ID}", UID),
        (f"/kubepods/burstable/pod{STATIC}/{ID}", STATIC),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC}.slice/crio-{ID}.scope", STATIC),
        (f"/system.slice/containerd.service/kubepods-burstable-pod{LOW}.slice:cri-containerd:{ID}", UID),
        (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{LOW}.slice/cri-containerd-{ID}.scope", UID),
    ],
)
def test_each_form_of_path_gives_uid_and_id(path: str, uid: str) -> None:
    assert pod_container(path) == (path, uid, ID)


@pytest.mark.parametrize("below", ["/container", "/init.scope", "/a/b/c", f"/{'e' * 64}", "/system.slice/cron.service"])
def test_cgroup_below_a_container_belongs_to_it(below: str) -> None:
    """As crun, or systemd in the container, makes them."""
    root = f"{POD}/cri-containerd-{ID}.scope"
    assert pod_container(root + below) == (root, UID, ID)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        POD,
        f"/kubepods/burstable/pod{UID}",
        f"/docker/{ID}",
        f"/system.slice/docker-{ID}.scope",
        f"{POD}/crio-conmon-{ID}.scope",
        f"{POD}/cri-containerd-{ID[:-1]}.scope",
        f"{POD}/cri-containerd-{ID}0.scope",
        f"{POD}/cri-containerd-{ID.upper()}.scope",
        f"/kubepods/burstable/pod{UID[:-1]}/{ID}",
        f"/kubepods/burstable/pod{UID}x/{ID}",
    ],
)
def test_what_is_no_pods_container_is_none(path: str) -> None:
    """Containers without a pod, CRI-O's monitors, ids of another length."""
    assert pod_container(path) is None


def test_container_of_a_pod_is_a_replica_whose_workload_is_not_known() -> None:
    root = f"{POD}/crio-{ID}.scope"
    subject = Pods().subject(f"{root}/container")
    assert subject is not None
    assert (subject.root, subject.replica.pod_uid, subject.replica.container_id) == (root, UID, ID)
    assert subject.replica.cgroup == root
    assert subject.workload == Workload()
    assert not subject.resolved
    assert Pods().subject("/user.slice") is None


@pytest.mark.parametrize(
    ("glob", "path", "root"),
    [
        ("/demo/*", "/demo/a", "/demo/a"),
        ("/demo/*", "/demo/a/below/it", "/demo/a"),
        ("/demo/*", "/demo", None),
        ("/demo/*", "/other/a", None),
        ("/demo/*", "/x/demo/a", None),
        ("/*/a", "/demo/a", "/demo/a"),
        ("/*", "/demo/a", "/demo"),
        ("/demo/?", "/demo/ab", None),
        ("/demo/[ab]", "/demo/b/c", "/demo/b"),
        ("/demo/", "/demo/a", "/demo"),
        ("/demo/A", "/demo/a", None),
        ("/demo/*", "/demo/.hidden", "/demo/.hidden"),
    ],
)
def test_glob_matches_component_by_component_and_covers_what_is_below(glob: str, path: str, root: str | None) -> None:
    subject = Globs([glob], cohort="shop").subject(path)
    assert (subject.root if subject else None) == root


def test_of_several_matches_the_topmost_is_the_replica() -> None:
    """In whatever order they were given."""
    for globs in (["/a/*/c", "/a/*"], ["/a/*", "/a/*/c"]):
        subject = Globs(globs, cohort="shop").subject("/a/b/c/d")
        assert subject is not None
        assert subject.root == "/a/b"


def test_matches_form_one_cohort_and_pods_among_them_are_named() -> None:
    subject = Globs([f"{POD}/*"], cohort="shop").subject(f"{POD}/crio-{ID}.scope")
    assert subject is not None
    assert subject.workload == Workload(kind="Cgroup", name="shop")
    assert subject.resolved
    assert subject.replica.pod_uid == UID


@pytest.mark.parametrize("glob", ["", "demo/*", "*", "/", "//"])
def test_glob_that_is_no_path_is_refused_with_an_example(glob: str) -> None:
    with pytest.raises(InputError, match=r"such as '/demo/\*'"):
        Globs([glob], cohort="shop")
