"""What annotations, labels and cgroupsPath mean."""

from __future__ import annotations

import pytest

from agent.runtimes import oci

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "cgroup"),
    [
        ("/kubepods/pod1/abc", "/kubepods/pod1/abc"),
        ("web", "/web"),
        (f"system.slice:docker:{ID}", f"/system.slice/docker-{ID}.scope"),
        (
            f"kubepods-burstable-pod1_2.slice:cri-containerd:{ID}",
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-{ID}.scope",
        ),
        (f":runc:{ID}", f"/runc-{ID}.scope"),
        ("machine.slice::web.slice", "/machine.slice/web.slice"),
    ],
)
def test_a_cgroups_path_stands_for_a_cgroup(path: str, cgroup: str) -> None:
    """Of cgroupfs it is the path, of systemd a slice, a prefix and a name."""
    assert oci.declared_cgroup(path) == cgroup


def test_a_one_off_container_of_compose_is_no_replica_of_its_service() -> None:
    """`docker compose run web sh` does something else than web."""
    words = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    assert oci.traits_of({**words, "com.docker.compose.oneoff": "False"}).service == "web"
    traits = oci.traits_of({**words, "com.docker.compose.oneoff": "True"})
    assert (traits.project, traits.service) == ("shop", None)


def test_podmans_compose_is_compose() -> None:
    """It writes labels of its own beside docker's."""
    traits = oci.traits_of({"io.podman.compose.project": "shop", "io.podman.compose.service": "web"})
    assert (traits.project, traits.service) == ("shop", "web")


def test_labels_that_are_no_json_are_none() -> None:
    """Whoever wrote them."""
    words = {
        "io.kubernetes.cri-o.ContainerType": "sandbox",
        "io.kubernetes.cri-o.Labels": "{",
        "io.kubernetes.pod.name": "web-1",
        "io.kubernetes.pod.namespace": "shop",
    }
    pod = oci.traits_of(words).pod
    assert pod is not None
    assert (pod.uid, pod.labels) == (None, {})


def test_what_is_no_string_is_passed_over() -> None:
    """JSON may hold anything."""
    assert oci.strings({"a": "b", "c": 1, "d": None}) == {"a": "b"}
    assert oci.strings(None) == {}


def test_the_id_of_a_sandbox_is_no_path() -> None:
    """It names a folder."""
    assert oci.sandbox_of({"io.kubernetes.sandbox.id": ID}) == ID
    assert oci.sandbox_of({"io.kubernetes.sandbox.id": "../../etc"}) is None
