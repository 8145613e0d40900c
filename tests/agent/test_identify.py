"""The path of a cgroup tells whose container it is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from agent.cgroups import Hierarchy
from agent.identify import Globs, Pods, own_root, pod_container
from kinwatch.errors import InputError
from kinwatch.snapshot import Workload

FIXTURES = Path(__file__).parents[1] / "fixtures/kubernetes/cgroup"
"""Recorded on real nodes: trees of cgroups, and which pod and container each process belongs to by its runtime."""
with (FIXTURES / "containers.tsv").open() as lines:
    CONTAINERS = [tuple(row.values()) for row in csv.DictReader(lines, delimiter="\t")]
TREES = sorted(FIXTURES.glob("tree-*.txt"))

UID = "5848279a-be2d-4aa8-a8d5-3a72ce43be42"
LOW = UID.replace("-", "_")
AGENT_PID = 4711
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


def hierarchy(mount: Path, processes: dict[str, str]) -> Hierarchy:
    """A unified hierarchy in which these cgroups hold these processes."""
    for path, pids in processes.items():
        folder = mount / path.removeprefix("/")
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text(pids)
    return Hierarchy(name="unified", number=0, mount=mount)


OWN = f"{POD}/crio-{'a' * 64}.scope"
OTHER = f"{POD}/crio-{'b' * 64}.scope"


@pytest.mark.parametrize(
    "membership",
    [f"0::{OWN}\n", "0::/\n", f"8:pids:/elsewhere\n0::{OWN}\n", "", "8:pids:/elsewhere\n"],
    ids=["path of the node", "cgroup namespace of its own", "hybrid", "not told", "not told of this hierarchy"],
)
def test_agent_finds_the_container_it_runs_in(tmp_path: Path, membership: str) -> None:
    """A privileged pod is told the node's paths on cgroup v2, and an unprivileged one that it is at the top."""
    tree = hierarchy(tmp_path, {OTHER: "12\n13\n", OWN: f"4710\n{AGENT_PID}\n", "/system.slice": "1\n"})
    assert own_root(tree, Pods(), membership, AGENT_PID) == OWN


def test_agent_in_a_cgroup_below_its_containers_finds_the_container(tmp_path: Path) -> None:
    """As crun makes one."""
    tree = hierarchy(tmp_path, {OWN: "", f"{OWN}/container": f"{AGENT_PID}\n"})
    for membership in (f"0::{OWN}/container\n", "0::/\n"):
        assert own_root(tree, Pods(), membership, AGENT_PID) == OWN


@pytest.mark.parametrize("membership", ["0::/system.slice/kinwatch.service\n", "0::/\n"])
def test_agent_that_runs_in_no_pod_has_no_container(tmp_path: Path, membership: str) -> None:
    tree = hierarchy(tmp_path, {OTHER: "12\n", "/system.slice/kinwatch.service": f"{AGENT_PID}\n"})
    assert own_root(tree, Pods(), membership, AGENT_PID) is None


def test_agent_is_not_mistaken_where_the_pids_of_others_are_not_seen(tmp_path: Path) -> None:
    """Without hostPID the kernel writes 0 for each process of another container, and the agent may be process 1."""
    tree = hierarchy(tmp_path, {OTHER: "0\n0\n", OWN: "1\n0\n"})
    assert own_root(tree, Pods(), "0::/\n", 1) == OWN


def test_path_of_a_container_in_which_the_agent_is_not_is_not_believed(tmp_path: Path) -> None:
    """As where the paths it is told begin at another cgroup than the tree it sees."""
    tree = hierarchy(tmp_path, {OTHER: "12\n", OWN: f"{AGENT_PID}\n"})
    assert own_root(tree, Pods(), f"0::{OTHER}\n", AGENT_PID) == OWN
