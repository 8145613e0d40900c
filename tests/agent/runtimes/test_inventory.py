"""Which containers are found on a node, when they are read anew, and what is said of those that can't be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nodes import ID, Node, names, unasked

from agent.runtimes import reading
from agent.runtimes.container import Failure
from agent.runtimes.files import MAX_BYTES, Unreadable
from agent.runtimes.inventory import Runtimes


def failure(runtimes: Runtimes) -> Failure:
    """The one failure there is."""
    (found,) = runtimes.failures
    return found


def test_a_node_without_runtimes_has_nothing_to_tell(node: Node) -> None:
    """That no runtime is installed is no failure."""
    runtimes = node.runtimes()
    assert (runtimes.containers(), runtimes.failures, runtimes.fingerprint()) == ((), (), frozenset())


def test_a_container_that_has_ended_is_not_told(node: Node) -> None:
    """Its state may stay behind, naming a process that is gone."""
    node.runc("web", 7)
    node.runc("api", 8)
    node.process(8, "/api")
    runtimes = node.runtimes()
    assert names(runtimes) == {"api"}
    assert runtimes.failures == ()


def test_a_container_without_a_process_is_not_told(node: Node) -> None:
    """Docker keeps the state of what was stopped, with the pid 0."""
    node.docker("web", 0)
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    assert runtimes.failures == ()


def test_it_is_said_when_no_process_at_all_is_there(node: Node) -> None:
    """Then the agent doesn't see the node's processes: hostPID is missing."""
    node.runc("web", 7)
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    assert failure(runtimes).reason == "none of 1 containers' first processes is here"


def test_another_process_with_the_same_pid_is_not_taken_for_the_first(node: Node) -> None:
    """Runc says when its process began."""
    node.runc("old", 7, init_process_start=100)
    node.runc("web", 8, init_process_start=200)
    node.process(7, "/old", started=101)
    node.process(8, "/web", started=200)
    assert names(node.runtimes()) == {"web"}


def test_a_process_in_a_foreign_cgroup_is_not_taken_for_the_first(node: Node) -> None:
    """Where the state doesn't say when its process began, it says in which cgroup; docker's has the id."""
    node.task("web", 7, linux={"cgroupsPath": "/shop/web"})
    node.process(7, "/system.slice/cron.service")
    node.docker("api", 8)
    node.process(8, "/system.slice/cron.service")
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    reason = "its first process is in another cgroup than its state says"
    assert {(one.runtime, one.reason) for one in runtimes.failures} == {("containerd", reason), ("docker", reason)}


def test_a_container_is_the_whole_of_its_cgroup(node: Node) -> None:
    """Systemd in a container moves its processes into cgroups below."""
    node.task("web", 7, linux={"cgroupsPath": "/shop/web"})
    node.process(7, "/shop/web/init.scope")
    (container,) = node.runtimes().containers()
    assert container.cgroup == "/shop/web"


def test_a_cgroup_outside_the_agents_namespace_is_the_one_of_the_state(node: Node) -> None:
    """On cgroup v2 an unprivileged pod sees the cgroups of others relative to its own."""
    node.task("web", 7, linux={"cgroupsPath": f"kubepods-pod1.slice:cri-containerd:{ID}"})
    node.process(7, f"/../../kubepods-pod1.slice/cri-containerd-{ID}.scope")
    (container,) = node.runtimes().containers()
    assert container.cgroup == f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"


@pytest.mark.parametrize(
    ("cgroup", "reason"),
    [("/", "it has no cgroup of its own"), ("/../web", "its cgroup is outside the agent's cgroup namespace")],
)
def test_a_container_whose_cgroup_cant_be_told_is_a_failure(node: Node, cgroup: str, reason: str) -> None:
    """To watch what is not its own would be worse than not to name it."""
    node.docker("web", 7)
    node.process(7, cgroup)
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    assert failure(runtimes) == Failure(runtime="docker", path=str(node.proc / "7"), reason=reason)


def test_the_runtime_nearer_to_a_person_names_a_container(node: Node) -> None:
    """Docker's containers are containerd's too, which knows them by their id only."""
    node.task(ID, 7)
    node.docker(ID, 7)
    node.process(7, f"/docker/{ID}")
    assert [one.runtime for one in node.runtimes().containers()] == ["docker"]


@pytest.mark.parametrize("state", ["/run/k3s/containerd", "/var/snap/microk8s/common/run/containerd"])
def test_the_folders_of_the_distributions_are_known(node: Node, state: str) -> None:
    """They bring a containerd of their own."""
    node.task("web", 7, state=state)
    node.process(7, "/web")
    assert names(node.runtimes()) == {"web"}


def test_the_folders_that_the_configuration_names_are_looked_at(node: Node) -> None:
    """Of containerd, docker and podman."""
    node.write("/etc/docker/daemon.json", '{"data-root": "/data/docker"}')
    node.docker("web", 7, root="/data/docker")
    node.process(7, "/web")
    node.write("/etc/containerd/config.toml", 'version = 2\nstate = "/data/containerd"\n')
    node.task("api", 8, state="/data/containerd")
    node.process(8, "/api")
    assert names(node.runtimes()) == {"web", "api"}


def test_a_link_is_followed_below_the_nodes_root(node: Node) -> None:
    """An agent in a pod sees /var/lib/docker -> /data/docker below /host."""
    node.docker("web", 7, root="/data/docker")
    node.process(7, "/web")
    (node.root / "var/lib").mkdir(parents=True)
    (node.root / "var/lib/docker").symlink_to("/data/docker")
    assert names(node.runtimes()) == {"web"}


def test_a_persons_own_runtime_names_what_is_in_their_slice(node: Node) -> None:
    """Rootless docker, podman, containerd and runc keep their state with the person."""
    node.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    node.runc("web", 7, root="/run/user/1000/runc")
    node.process(7, "/user.slice/user-1000.slice/user@1000.service/user.slice/web")
    assert names(node.runtimes()) == {"web"}


def test_a_persons_own_runtime_cant_name_what_is_not_theirs(node: Node) -> None:
    """They could write into their state what they like, such as the pid of somebody else's container."""
    node.write("/etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n")
    node.runc("web", 7, root="/run/user/1000/runc")
    node.process(7, "/system.slice/bank.scope")
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    assert failure(runtimes).reason == "its first process is not below user-1000.slice"


def test_the_fingerprint_stays_while_nothing_happens_and_changes_with_each_container(node: Node) -> None:
    """So a caller can look every second, and read only then."""
    runtimes = node.runtimes()
    seen = [runtimes.fingerprint()]
    node.runc("web", 7)
    seen.append(runtimes.fingerprint())
    (node.root / "run/runc/web/state.json").unlink()
    seen.append(runtimes.fingerprint())
    assert seen[0] != seen[1]
    assert seen[0] == seen[2] == runtimes.fingerprint()


def test_a_container_is_seen_when_its_process_is_there(node: Node) -> None:
    """Its folder comes first."""
    runtimes = node.runtimes()
    folder = node.task("web", 7)
    (folder / "init.pid").rename(folder / "later")
    before = runtimes.fingerprint()
    assert names(runtimes) == set()
    (folder / "later").rename(folder / "init.pid")
    node.process(7, "/web")
    assert runtimes.fingerprint() != before
    assert names(runtimes) == {"web"}


def test_a_container_is_read_once_while_its_process_is_the_same(node: Node) -> None:
    """What was read is kept until the file that tells of the process changes."""
    runtimes = node.runtimes()
    folder = node.task("web", 7, annotations={"nerdctl/name": "shop"})
    node.process(7, "/web")
    assert names(runtimes) == {"shop"}
    (folder / "config.json").write_text("{}")
    assert names(runtimes) == {"shop"}
    os.utime(folder / "init.pid", ns=(1, 1))
    assert names(runtimes) == {"web"}


def test_a_container_is_in_its_cgroup_even_when_it_was_read_before(node: Node) -> None:
    """Its process is asked about each time, since it may have ended."""
    node.runc("web", 7)
    node.runc("api", 8)
    node.process(7, "/web")
    node.process(8, "/api")
    runtimes = node.runtimes()
    assert names(runtimes) == {"web", "api"}
    (node.proc / "7/cgroup").unlink()
    assert names(runtimes) == {"api"}


def test_a_runtime_is_asked_once_about_a_container(node: Node) -> None:
    """Its program takes long as such things go."""
    asked: list[str] = []
    runtimes = Runtimes(
        lambda _: "/web", root=node.root, proc=node.proc, ask=lambda argv: asked.append(argv[-2]) or "HEADINGS\n"
    )
    node.task("web", 7)
    runtimes.containers()
    runtimes.containers()
    assert asked == ["images", "containers"]


def test_a_runtime_that_gives_no_answer_is_a_failure_and_its_containers_are_told(node: Node) -> None:
    """What is on disk is known all the same."""

    def hanging(_: object) -> str:
        raise Unreadable(Path("/usr/bin/ctr"), "it gave no answer: TimeoutExpired")

    runtimes = Runtimes(lambda _: "/web", root=node.root, proc=node.proc, ask=hanging)
    node.task("web", 7)
    assert names(runtimes) == {"web"}
    assert failure(runtimes) == Failure(
        runtime="containerd", path="/usr/bin/ctr", reason="it gave no answer: TimeoutExpired"
    )


@pytest.mark.parametrize(
    ("content", "reason"), [("{", "this is no JSON"), (" " * (MAX_BYTES + 1), "this is longer than 4 MiB")]
)
def test_state_that_cant_be_read_is_a_failure_each_time(node: Node, content: str, reason: str) -> None:
    """It is not read again while it stays the same, and not forgotten."""
    file = node.write("/run/runc/web/state.json", content)
    runtimes = node.runtimes()
    for _ in range(2):
        assert names(runtimes) == set()
        assert failure(runtimes) == Failure(runtime="runc", path=str(file), reason=reason)


def test_a_pipe_in_the_place_of_state_is_a_failure(node: Node) -> None:
    """A person could put one there to hang the agent."""
    node.runc("web", 7)
    file = node.root / "run/runc/web/state.json"
    file.unlink()
    os.mkfifo(file)
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    assert failure(runtimes).reason == "this is no regular file"


def test_a_folder_that_cant_be_listed_is_a_failure(node: Node) -> None:
    """Here a link that leads to itself; elsewhere it may be missing rights."""
    (node.root / "run").mkdir()
    (node.root / "run/runc").symlink_to("runc")
    runtimes = node.runtimes()
    assert names(runtimes) == set()
    assert failure(runtimes).reason == "Too many levels of symbolic links"


def test_many_failures_of_one_kind_are_one_with_a_count(node: Node) -> None:
    """The list is as long as there are reasons, not as there are containers."""
    for name in ("a", "b", "c"):
        node.write(f"/run/runc/{name}/state.json", "{")
    runtimes = node.runtimes()
    runtimes.containers()
    assert failure(runtimes).count == 3


def test_what_is_beyond_the_bound_is_counted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is 4096; it is lowered here."""
    monkeypatch.setattr(reading, "MAX_CONTAINERS", 2)
    for pid in range(1, 6):
        node.runc(f"web-{pid}", pid)
        node.process(pid, f"/web/{pid}")
    runtimes = node.runtimes()
    assert len(names(runtimes)) == 2
    assert (failure(runtimes).reason, failure(runtimes).count) == ("there are more than 2 containers", 3)


def test_this_node_can_be_asked() -> None:
    """Whatever runs here, and whoever asks."""
    runtimes = Runtimes(lambda _: None, ask=unasked)
    runtimes.fingerprint()
    assert runtimes.containers() == ()
