"""Real containers in cgroups with the kubelet's paths, an agent that watches them, and a kubelet that names them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import containerd
import pytest
from node import Node, NodeWatch, container_id, identities, moment
from recordings import recorded_pods

from demo.containers import Containers
from demo.rootfs import lay_out
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Replica

pytestmark = pytest.mark.kernel

TOUCH = "os.close(os.open(name, os.O_RDONLY | os.O_CREAT))"
HTTPD = ("/bin/httpd", "-f", "-p", "127.0.0.1:0")
WEB = {"owner": ("ReplicaSet", "web-7bdb4cc484"), "labels": {"pod-template-hash": "7bdb4cc484", "app": "web"}}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without pods."""
    with Node(tmp_path) as node:
        yield node


def only(watch: NodeWatch, pod: str) -> Replica:
    """The replica of a pod, the same in all its snapshots."""
    (replica,) = {one.replica for one in watch.named(pod)}
    return replica


# --- A recorded node ------------------------------------------------------------------------------------------------


def test_recorded_node_is_named_whole_from_real_containers(node: Node) -> None:
    """Each container of it is started by runc in a cgroup with its recorded path, the sandbox of its pod first."""
    node.kubelet.pods = pods = recorded_pods()
    with Containers(prefix=f"{node.prefix}-runc") as containers:
        for pod in pods:
            below = f"kubepods/burstable/pod{pod['metadata']['uid']}"
            sandbox = f"{pod['metadata']['uid'].replace('-', ''):f<64}"
            containers.start(sandbox, ["/bin/sleep", "600"], below=f"{below}/{sandbox}")
            statuses = (pod["status"].get(key, []) for key in ("initContainerStatuses", "containerStatuses"))
            for status in (one for group in statuses for one in group if "running" in one["state"]):
                its_id = status["containerID"].removeprefix("containerd://")
                containers.start(its_id, ["/bin/sleep", "600"], below=f"{below}/{its_id}")
        with node.watch() as agent:
            pass
    resolved = [one for one in agent.told if one.coverage.resolved]
    assert identities(resolved) == {
        ("shop", "cache-0", "cache", "app", "StatefulSet", "cache", "cache-57677f96ff"),
        ("shop", "orders-68bc66c8b7-whfdw", "log-tail", "sidecar", "Deployment", "orders", "68bc66c8b7"),
        ("shop", "orders-68bc66c8b7-whfdw", "metrics", "app", "Deployment", "orders", "68bc66c8b7"),
        ("shop", "orders-68bc66c8b7-whfdw", "orders", "app", "Deployment", "orders", "68bc66c8b7"),
        ("shop", "web-7bdb4cc484-fx9gb", "web", "app", "Deployment", "web", "7bdb4cc484"),
        ("shop", "web-7bdb4cc484-lfvhs", "web", "app", "Deployment", "web", "7bdb4cc484"),
        ("shop", "web-7bdb4cc484-s9s9h", "web", "app", "Deployment", "web", "7bdb4cc484"),
        ("kube-system", "node-cache-knode-1", "node-cache", "app", "StaticPod", "node-cache", None),
        ("monitoring", "node-agent-7kzjh", "agent", "app", "DaemonSet", "node-agent", "6db5b5b8bc"),
    }
    # Of the pods that can't start nothing but the sandbox is there, which is said until it is certain.
    unresolved = {one.replica.pod_uid for one in agent.told if not one.coverage.resolved}
    nothing_runs = {"crash-loop", "no-image", "report-29922353-gfllk"}
    assert unresolved == {pod["metadata"]["uid"] for pod in pods if pod["metadata"]["name"] in nothing_runs}


# --- Late join ------------------------------------------------------------------------------------------------------


def test_what_a_container_did_before_it_was_listed_goes_out_under_its_name(node: Node, tmp_path: Path) -> None:
    """Over two windows and more; each with its own."""
    with node.watch(window_s=1) as agent:
        web = node.pod("web-a", **WEB).start("web", listed=False)
        web.run(TOUCH, name=str(tmp_path / "early"))
        for _ in range(3):
            agent.await_event("window_closed")
        node.list_all()
        web.run(TOUCH, name=str(tmp_path / "late"))
        agent.await_event("window_closed")
        agent.await_event("window_closed")
    snapshots = agent.named("web-a")
    assert {"early", "late"} <= set().union(*(one.features(Aspect.FILENAMES) for one in snapshots))
    starts = [one.window.start for one in snapshots]
    assert len(set(starts)) == len(starts) >= 4
    assert [one for one in agent.told if not one.coverage.resolved] == []
    assert identities(snapshots) == {("shop", "web-a", "web", "app", "Deployment", "web", "7bdb4cc484")}


def test_pod_that_is_deleted_before_its_last_window_closes_keeps_its_name(node: Node, tmp_path: Path) -> None:
    with node.watch(window_s=2) as agent:
        pod = node.pod("web-a", **WEB)
        web = pod.start("web")
        agent.await_event("window_closed")
        agent.await_event("window_closed")
        web.run(TOUCH, name=str(tmp_path / "last"))
        node.delete(pod)
        web.remove()
        pod.sandbox.remove()
        before = node.kubelet.requests
        while node.kubelet.requests == before:  # the agent has heard that it was deleted
            agent.await_event("window_closed")
        agent.await_event("window_closed")
    assert "last" in set().union(*(one.features(Aspect.FILENAMES) for one in agent.named("web-a")))
    assert [one for one in agent.told if not one.coverage.resolved] == []


def test_container_that_is_never_listed_goes_out_unresolved_with_what_is_known(node: Node) -> None:
    """Its pod's uid and its id stand in the cgroup's path."""
    with node.watch() as agent:
        node.pod("web-a", **WEB).start("web")
        strange = node.pod("web-b", **WEB)
        node.delete(strange)
        strange.start("web", listed=False).run("pass")
    unresolved = [one for one in agent.told if not one.coverage.resolved]
    assert {one.replica.pod_uid for one in unresolved} == {strange.uid}
    assert max(one.coverage.events for one in unresolved) > 0
    assert {one.workload.name for one in unresolved} == {None}


# --- Every container that ought to run ------------------------------------------------------------------------------


def test_replica_that_did_nothing_is_reported(node: Node) -> None:
    with node.watch() as agent:
        node.pod("web-a", **WEB).start("web")
    (idle,) = agent.named("web-a")
    assert idle.coverage.resolved
    assert idle.coverage.events == 0


def test_container_that_the_kubelet_lists_and_nobody_sees_is_reported_as_not_observed(node: Node) -> None:
    """As of a runtime that keeps its containers in virtual machines."""
    pod = node.pod("vm-a", **WEB)
    pod.start("web").remove()
    status = pod.document["status"]["containerStatuses"][0]
    status["state"]["running"]["startedAt"] = moment(timedelta(hours=1))
    node.show()
    with node.watch(window_s=1) as agent:
        agent.await_event("window_closed")
        agent.await_event("window_closed")
    unseen = agent.named("vm-a")
    assert unseen
    assert {(one.coverage.observed_s, one.coverage.resolved) for one in unseen} == {(0.0, True)}


# --- Roles ----------------------------------------------------------------------------------------------------------


def test_init_sidecar_and_ephemeral_containers_are_told_apart(node: Node) -> None:
    with node.watch() as agent:
        pod = node.pod("web-a", **WEB)
        pod.start("warm-up", role="initContainers")
        pod.start("log-tail", role="initContainers", restartPolicy="Always")
        pod.start("web")
        pod.start("debugger", role="ephemeralContainers")
    roles = {one.replica.container: one.replica.role for one in agent.told}
    assert roles == {"warm-up": "init", "log-tail": "sidecar", "web": "app", "debugger": "ephemeral"}


# --- Selection ------------------------------------------------------------------------------------------------------


def test_excluded_annotated_and_own_containers_are_left_alone(node: Node, tmp_path: Path) -> None:
    """kube-system is watched unless it is excluded."""
    selection = tmp_path / "selection.yaml"
    selection.write_text("exclude: [{namespace: ci}]")
    node.pod("runner-a", namespace="ci").start("runner")
    node.pod("quiet-a", annotations={"kinwatch.dev/watch": "false"}).start("web")
    node.pod("dns-a", namespace="kube-system").start("dns")
    with node.watch("--selection", selection) as agent:
        pass
    assert {one.replica.pod for one in agent.told} == {"dns-a"}


def test_selection_that_changes_is_taken_up_without_a_restart(node: Node, tmp_path: Path) -> None:
    selection = tmp_path / "selection.yaml"
    selection.write_text("exclude: [{namespace: ci}]")
    runner = node.pod("runner-a", namespace="ci").start("runner")
    node.pod("web-a", **WEB).start("web")
    with node.watch("--selection", selection, window_s=1) as agent:
        agent.await_event("window_closed")
        agent.await_event("window_closed")
        selection.write_text("exclude: [{namespace: shop}]")
        agent.await_event("selection_changed")
        agent.await_event("window_closed")
        runner.run(TOUCH, name=str(tmp_path / "now"))
        agent.await_event("window_closed")
        agent.await_event("window_closed")
    changed = max(one.window.start for one in agent.named("web-a"))
    assert min(one.window.start for one in agent.named("runner-a")) >= changed
    assert "now" in set().union(*(one.features(Aspect.FILENAMES) for one in agent.named("runner-a")))


def test_agent_in_a_pod_does_not_watch_itself(node: Node) -> None:
    """It finds itself by its process id in the containers of the node."""
    own = node.pod("kinwatch-agent-a", owner=("DaemonSet", "kinwatch-agent")).start("agent")
    join = f"echo $$ > {own.directory}/cgroup.procs"
    with node.watch(wrapper=("sh", "-c", f'{join} && exec "$@"', "sh")) as agent:
        node.pod("web-a", **WEB).start("web")
    assert {one.replica.pod for one in agent.told} == {"web-a"}


# --- Without a cluster ----------------------------------------------------------------------------------------------


def test_containers_of_a_node_without_a_cluster_are_named_by_their_runtime(node: Node, tmp_path: Path) -> None:
    """One that was there before, and one whose runtime tells of it while the agent runs."""
    state = tmp_path / "run/runc"
    with Containers(prefix=f"{node.prefix}-runc") as containers:
        for name in ("db", "web"):
            containers.start(name, ["/bin/sleep", "600"])
        written = Path("/var/lib") / containers.prefix.removeprefix("/") / "runc"
        shutil.copytree(written / "db", state / "db")
        with node.watch("--names", "runtime", "--host-root", tmp_path, window_s=1) as agent:
            agent.await_event("window_closed")
            shutil.copytree(written / "web", state / "web")
            while "web" not in {one.replica.pod for one in agent.so_far()}:
                agent.await_event("window_closed")
    told = {(one.replica.pod, one.workload.kind, one.workload.name, one.coverage.resolved) for one in agent.told}
    assert told == {(name, "Cgroup", containers.prefix, True) for name in ("db", "web")}


# --- containerd ------------------------------------------------------------------------------------------------------


def test_container_that_containerd_started_is_named_by_the_kubelet(node: Node) -> None:
    """By ctr, in a cgroup with the kubelet's path; it does its work after the agent has begun."""
    pod = node.pod("web-a", **WEB)
    its_id = container_id()
    with tempfile.TemporaryDirectory(prefix="kinwatch-") as short, containerd.running(Path(short)) as ctr:
        rootfs = lay_out(Path(short) / "rootfs")
        with node.watch() as agent:
            pod.announce("web", its_id)
            cgroup = f"{pod.cgroup.path}/{its_id}"
            ctr("run", "--detach", "--net-host", "--cgroup", cgroup, "--rootfs", str(rootfs), its_id, *HTTPD)
            node.list_all()
            ctr("tasks", "exec", "--exec-id", "look", its_id, "/bin/cat", "/etc/passwd")
    (snapshot,) = agent.named("web-a")
    assert identities([snapshot]) == {("shop", "web-a", "web", "app", "Deployment", "web", "7bdb4cc484")}
    assert {"httpd", "cat"} <= snapshot.features(Aspect.PROCESSES)
    assert "passwd" in snapshot.features(Aspect.FILENAMES)
