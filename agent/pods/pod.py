"""
A pod as this node sees it, read from the JSON of the kubelet or of the API server.

Flow: kubelet, apiserver -> **pod** -> workload, directory. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

CONFIG_HASH: Final = "kubernetes.io/config.hash"
"""Annotation: uid of a static pod on its node, as in the cgroup's path; the API server knows it by another."""
CONFIG_SOURCE: Final = "kubernetes.io/config.source"
"""Annotation: where the kubelet has the pod from: `api`, or `file` and `http` for a static one."""
CONFIG_MIRROR: Final = "kubernetes.io/config.mirror"
"""Annotation of the object by which the API server shows a static pod."""
OPENSHIFT_CONFIG: Final = "openshift.io/deployment-config.name"
"""Annotation on the pods of an OpenShift DeploymentConfig, whose ReplicationControllers are its revisions."""
WATCH: Final = "kinwatch.dev/watch"
"""Annotation of a pod that is to be left alone: `"false"`."""
_KEPT: Final = frozenset({CONFIG_HASH, CONFIG_SOURCE, CONFIG_MIRROR, OPENSHIFT_CONFIG, WATCH})
"""The annotations that are read; all others, which may be 256 KiB in a pod, are not kept."""


class PodFormatError(ValueError):
    """What was read is not the JSON of pods (k8s.io/api/core/v1, PodList and Pod)."""


class Role(StrEnum):
    """What a container is to its pod."""

    APP = "app"
    INIT = "init"
    SIDECAR = "sidecar"
    """An init container that goes on running: restartPolicy Always (KEP-753)."""
    EPHEMERAL = "ephemeral"
    """Added to a running pod, as by `kubectl debug` (KEP-277)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a pod."""

    name: str
    role: Role
    image: str
    ids: frozenset[str]
    """Ids of all its runs that the status tells of, without the runtime's prefix; empty before the first one."""
    running_id: str | None
    """Id of the run that is running by the status; None when none is."""
    started: datetime | None = None
    """When that run began, in UTC, to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The controller that an object belongs to."""

    api_version: str
    """Group and version, such as `apps/v1`."""
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that is bound to this node."""

    uid: str
    """As it stands in the cgroup's path, dashes included: for a static pod the hash of its configuration."""
    namespace: str
    name: str
    node: str
    """Name of the node; empty where it is not told."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """Those that are read; not all that the pod has."""
    owner: Owner | None
    """Its controller; None for a bare or a static pod."""
    static: bool
    """Whether the kubelet has it from a file or an address of its own, not from the API server."""
    created: datetime | None
    """In UTC; None for a static pod as the kubelet tells of it."""
    containers: tuple[Container, ...]


def pods_of(document: Any) -> tuple[Pod, ...]:
    """The pods of a PodList, as json.loads gives it; raises PodFormatError when it is none."""
    if not isinstance(document, dict) or document.get("kind") != "PodList":
        raise PodFormatError("this is no PodList")
    return tuple(pod_of(item) for item in document.get("items") or ())


def pod_of(document: Any) -> Pod:
    """A pod, from its JSON object as json.loads gives it; raises PodFormatError when it is none."""
    try:
        return _pod(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PodFormatError(f"this is no Pod: {type(error).__name__} {error}") from error


def _pod(document: Mapping[str, Any]) -> Pod:
    metadata, spec = document["metadata"], document["spec"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key in _KEPT}
    # Of an object that the API server has, the source is what its author wrote; of others it is the kubelet's word.
    from_file = not metadata.get("resourceVersion") and annotations.get(CONFIG_SOURCE, "api") != "api"
    static = from_file or CONFIG_MIRROR in annotations
    return Pod(
        uid=annotations[CONFIG_HASH] if static and CONFIG_HASH in annotations else metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        node=spec.get("nodeName") or "",
        labels=metadata.get("labels") or {},
        annotations=annotations,
        owner=None if static else controller_of(metadata),
        static=static,
        created=_moment(metadata.get("creationTimestamp")),
        containers=tuple(_containers(spec, document.get("status") or {})),
    )


def controller_of(metadata: Mapping[str, Any]) -> Owner | None:
    """The owner that manages an object, from the object's metadata; None where it has none."""
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return Owner(api_version=owner["apiVersion"], kind=owner["kind"], name=owner["name"])
    return None


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Container]:
    for in_spec, in_status, role in (
        ("initContainers", "initContainerStatuses", Role.INIT),
        ("containers", "containerStatuses", Role.APP),
        ("ephemeralContainers", "ephemeralContainerStatuses", Role.EPHEMERAL),
    ):
        statuses = {one["name"]: one for one in status.get(in_status) or ()}
        for container in spec.get(in_spec) or ():
            is_sidecar = role is Role.INIT and container.get("restartPolicy") == "Always"
            yield _container(container, statuses.get(container["name"], {}), role=Role.SIDECAR if is_sidecar else role)


def _container(container: Mapping[str, Any], status: Mapping[str, Any], *, role: Role) -> Container:
    running = (status.get("state") or {}).get("running")
    current = _bare_id(status.get("containerID"))
    ended = [(status.get(state) or {}).get("terminated", {}).get("containerID") for state in ("state", "lastState")]
    return Container(
        name=container["name"],
        role=role,
        image=container.get("image") or "",
        ids=frozenset(known for known in (current, *map(_bare_id, ended)) if known),
        running_id=current if running is not None else None,
        started=_moment(running.get("startedAt")) if running else None,
    )


def _bare_id(container_id: str | None) -> str | None:
    """`containerd://<id>` without the runtime's name."""
    return container_id.rpartition("//")[2] or None if container_id else None


def _moment(text: str | None) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    if moment and moment.tzinfo is None:
        raise ValueError(f"the time {text} has no zone")
    return moment
