"""Which replica of which workload a container is."""

from __future__ import annotations

from dataclasses import replace

from agent.runtimes.container import LocalContainer, LocalPod
from agent.runtimes.identity import replica_of, workload_of
from kinwatch.snapshot import Replica, Workload

BARE = LocalContainer(
    runtime="runc",
    id="0123",
    name="web",
    cgroup="/shop/web",
    image=None,
    image_id=None,
    project=None,
    service=None,
    pod=None,
    is_sandbox=False,
)
OF_IMAGE = replace(BARE, image="shop-web:1.0", image_id="sha256:a03f89cb61b98ca01fe9eaa9d863eb73")
OF_COMPOSE = replace(OF_IMAGE, name="shop-web-1", project="shop", service="web")
POD = LocalPod(uid="6f6c", namespace="shop", name="web-1", container="nginx", labels={"app": "web"})


def test_kin_in_compose_have_the_service_in_common() -> None:
    """The project is their namespace, the image their revision."""
    assert workload_of(OF_COMPOSE) == Workload(kind="ComposeService", name="web", revision="a03f89cb61b9")
    assert replica_of(OF_COMPOSE) == Replica(
        namespace="shop", pod="shop-web-1", container_id="0123", cgroup="/shop/web"
    )


def test_other_kin_have_the_image_in_common() -> None:
    """Two builds of it are two revisions."""
    assert workload_of(OF_IMAGE) == Workload(kind="Image", name="shop-web:1.0", revision="a03f89cb61b9")
    assert replica_of(OF_IMAGE) == Replica(pod="web", container_id="0123", cgroup="/shop/web")


def test_an_image_whose_id_is_not_known_has_no_revision() -> None:
    """As nerdctl's where ctr is not there."""
    assert workload_of(replace(OF_IMAGE, image_id=None)).revision is None


def test_a_container_without_service_and_image_has_its_kin_in_the_same_cgroup() -> None:
    """What runs side by side is taken for alike."""
    assert workload_of(BARE) == Workload(kind="Cgroup", name="/shop")
    assert workload_of(replace(BARE, cgroup="/web")) == Workload(kind="Cgroup", name="/")


def test_a_container_of_a_pod_has_the_pods_names_and_no_workload() -> None:
    """Who owns the pod is known to the cluster only."""
    container = replace(OF_IMAGE, pod=POD)
    assert workload_of(container) == Workload()
    assert replica_of(container) == Replica(
        namespace="shop", pod="web-1", pod_uid="6f6c", container="nginx", container_id="0123", cgroup="/shop/web"
    )
