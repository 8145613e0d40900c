"""What recorded nodes tell of their containers, runtime by runtime."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from nodes import ID, RECORDED, UNIFIED, recorded

from agent.cgroups import Hierarchy
from agent.runtimes.container import LocalContainer, LocalPod
from agent.runtimes.storage import Podman

UID = "6f6c5dd4-3f2d-4c0e-9a65-0d0c0a1b2c3d"
POD = "web-5d8f7c9b64-x2x7p"
IMAGE_ID = "a03f89cb61b98ca01fe9eaa9d863eb73e635fcb32175b71050d0ae47ad0b196a"


def ctr(argv: Sequence[str]) -> str:
    """What ctr said on the recorded node."""
    assert argv[0] == "ctr"
    return (RECORDED / f"containerd/ctr-{argv[-2]}-ls.txt").read_text()


def podman(argv: Sequence[str]) -> str:
    """What podman said on the recorded node."""
    assert argv[0] == "podman"
    return (RECORDED / "podman/ps.json").read_text()


def containers_of_pod(name: str) -> tuple[LocalContainer, LocalContainer]:
    """The sandbox and the one container of a recorded pod."""
    found = sorted(
        (one for one in recorded(name).values() if one.pod is not None), key=lambda one: one.is_sandbox, reverse=True
    )
    sandbox, container = found
    return sandbox, container


def test_a_pod_of_containerd_has_its_names() -> None:
    """The CRI writes a pod's names into the annotations of its containers; its labels are on no disk."""
    _, container = containers_of_pod("containerd")
    assert container.pod == LocalPod(uid=UID, namespace="shop", name=POD, container="shop", labels={})
    assert container.image == "docker.io/library/shop-web:1.0"
    assert container.cgroup == f"/recorded/kubepods/burstable/pod{UID}/{container.id}"
    assert container.runtime == "containerd"


def test_a_sandbox_of_containerd_is_told_apart() -> None:
    """The pause container does nothing; it is no replica of anything."""
    sandbox, container = containers_of_pod("containerd")
    assert sandbox.is_sandbox
    assert not container.is_sandbox
    assert sandbox.pod == LocalPod(uid=UID, namespace="shop", name=POD, container=None, labels={})


def test_a_container_of_nerdctl_has_the_names_of_compose() -> None:
    """Nerdctl writes its labels into annotations."""
    container = recorded("containerd")["shop-web-1"]
    assert (container.project, container.service) == ("shop", "web")
    assert (container.id, container.cgroup) == ("bare", "/default/bare")


def test_a_bare_container_of_containerd_has_the_image_that_ctr_knows() -> None:
    """The image of such a container is in containerd's database only."""
    assert recorded("containerd")["plain"].image is None
    container = recorded("containerd", ask=ctr)["plain"]
    assert container.image == "docker.io/library/shop-web:1.0"
    assert container.image_id == "sha256:d76dd4ee064df563210ed628c88b0daa56e91b0a8c6b13581deaedccd73b90d6"


@pytest.mark.parametrize("hierarchy", [Hierarchy(name="memory", number=4, mount=RECORDED), UNIFIED])
def test_the_cgroup_is_that_of_the_watched_hierarchy(hierarchy: Hierarchy) -> None:
    """Runtimes make the same cgroup in each; the path is taken from the line that is asked for."""
    assert recorded("containerd", hierarchy=hierarchy)["plain"].cgroup == "/recorded/plain"


def test_a_container_of_docker_has_the_names_of_compose() -> None:
    """Docker tells all by its own state; that its containers are containerd's too makes no second one."""
    found = recorded("docker")
    assert len(found) == 2
    container = found["shop-web-1"]
    assert (container.runtime, container.project, container.service) == ("docker", "shop", "web")
    assert (container.image, container.image_id) == ("shop-web:1.0", f"sha256:{IMAGE_ID}")
    assert container.cgroup == f"/docker/{container.id}"


def test_a_sandbox_of_cri_dockerd_has_the_pods_labels() -> None:
    """They are docker's labels, among those that the kubelet and cri-dockerd add."""
    (sandbox,) = (one for one in recorded("docker").values() if one.pod)
    assert sandbox.pod == LocalPod(uid=UID, namespace="shop", name="web-1", container=None, labels={"app": "web"})
    assert sandbox.is_sandbox


def test_a_container_of_podman_has_its_name_and_image_by_its_storage() -> None:
    """Labels are in podman's database only."""
    container = recorded("podman")["shop-web-1"]
    assert (container.runtime, container.id) == ("podman", ID)
    assert (container.image, container.image_id) == ("docker.io/library/shop-web:1.0", IMAGE_ID)
    assert container.cgroup == f"/libpod_parent/libpod-{ID}"
    assert (container.project, container.service) == (None, None)


def test_podman_is_asked_on_its_own_node_only() -> None:
    """Below another root folder, the podman that could be started here has other containers."""

    def never(argv: Sequence[str]) -> str:
        raise AssertionError(argv)

    assert "shop-web-1" in recorded("podman", ask=never)


def test_what_podman_says_has_the_names_of_compose() -> None:
    """Where podman can be asked, the labels join what is on disk."""
    storage = RECORDED / "podman/run/containers/storage", RECORDED / "podman/var/lib/containers/storage"
    source = Podman(run=storage[0], graph=storage[1])
    states = [state for entry in source.entries() if (state := source.state(entry))]
    asked = source.asked(states, podman)
    assert (asked[ID].project, asked[ID].service) == ("shop", "web")


def test_a_container_of_crio_has_its_pods_labels() -> None:
    """They stand in the configuration of the sandbox, which needs no process."""
    (container,) = recorded("cri-o", hierarchy=UNIFIED).values()
    labels = {"app": "web", "pod-template-hash": "5d8f7c9b64"}
    assert container.pod == LocalPod(uid=UID, namespace="shop", name=POD, container="shop", labels=labels)
    assert (container.runtime, container.is_sandbox) == ("cri-o", False)
    assert (container.image, container.image_id) == ("registry.example/shop-web:1.0", IMAGE_ID)


def test_the_cgroup_that_crun_makes_below_is_the_containers() -> None:
    """The first process is in `…scope/container`; the container's cgroup is the scope."""
    (container,) = recorded("cri-o", hierarchy=UNIFIED).values()
    assert container.cgroup.endswith(f"/crio-{container.id}.scope")


def test_a_container_of_runc_has_the_names_in_its_annotations() -> None:
    """Runc copies the bundle's annotations into its state."""
    container = recorded("runc")["web"]
    assert (container.runtime, container.cgroup) == ("runc", "/recorded/shop/web")
    assert (container.project, container.service) == ("shop", "web")


def test_nothing_of_a_containers_environment_is_kept() -> None:
    """The files hold it beside the names."""
    state = next((RECORDED / "docker/var/lib/docker/containers").glob("*/config.v2.json"))
    assert "PATH=/bin" in json.loads(state.read_text())["Config"]["Env"]
    assert "PATH=/bin" not in repr(recorded("docker"))
