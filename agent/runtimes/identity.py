"""
Say which replica of which workload a container is, as far as its runtime tells.

Flow: inventory -> **identity** -> identify. Pure.
"""

from __future__ import annotations

from typing import Final

from agent.runtimes.container import LocalContainer, LocalPod
from kinwatch.snapshot import Replica, Workload

COMPOSE_SERVICE: Final = "ComposeService"
IMAGE: Final = "Image"
CGROUP: Final = "Cgroup"
SHORT_ID: Final = 12
"""Characters of an image's id that runtimes show."""


def replica_of(container: LocalContainer) -> Replica:
    """The replica that a container is; without a pod it has the container's name in the pod's place."""
    if container.pod is None:
        return Replica(
            namespace=container.project, pod=container.name, container_id=container.id, cgroup=container.cgroup
        )
    return _of_pod(container, container.pod)


def workload_of(container: LocalContainer) -> Workload:
    """
    What a container's kin have in common: its compose service, else its image, else the cgroup above its own.

    Of a pod nothing is known: its owner stands in no runtime's state, only its labels may (`LocalContainer.pod`).
    """
    if container.pod is not None:
        return Workload()
    if container.project and container.service:
        return Workload(kind=COMPOSE_SERVICE, name=container.service, revision=_short(container.image_id))
    if container.image:
        return Workload(kind=IMAGE, name=container.image, revision=_short(container.image_id))
    return Workload(kind=CGROUP, name=container.cgroup.rpartition("/")[0] or "/")


def _of_pod(container: LocalContainer, pod: LocalPod) -> Replica:
    return Replica(
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.uid,
        container=pod.container,
        container_id=container.id,
        cgroup=container.cgroup,
    )


def _short(image_id: str | None) -> str | None:
    """`sha256:a03f89cb61b9…` as `a03f89cb61b9`."""
    return image_id.rpartition(":")[2][:SHORT_ID] if image_id else None
