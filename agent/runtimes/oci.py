"""
Read names out of annotations and labels, and cgroups out of an OCI configuration.

Flow: containerd, docker, storage, runc -> **oci** -> container. Pure. Who writes what:
containerd's CRI pkg/cri/annotations, CRI-O pkg/annotations, the kubelet's and cri-dockerd's labels, nerdctl pkg/labels,
compose. All of them land in one mapping of strings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from agent.runtimes.container import LocalPod, Traits

_Dialect = tuple[str, ...]
_CONTAINERD: Final[_Dialect] = tuple(
    f"io.kubernetes.cri.{key}" for key in "sandbox-name sandbox-namespace sandbox-uid container-name".split()
)
_KUBELET: Final[_Dialect] = tuple(
    f"io.kubernetes.{key}" for key in "pod.name pod.namespace pod.uid container.name".split()
)
"""CRI-O copies the kubelet's labels into annotations; cri-dockerd has them as labels of docker's."""
_SANDBOX: Final = {
    "io.kubernetes.cri.container-type": "sandbox",
    "io.kubernetes.cri-o.ContainerType": "sandbox",
    "io.kubernetes.docker.type": "podsandbox",
}
_IMAGES: Final = ("io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image")
_IMAGE_ID: Final = "io.kubernetes.cri-o.ImageRef"
_CRIO_LABELS: Final = "io.kubernetes.cri-o.Labels"
_NERDCTL_NAME: Final = "nerdctl/name"
_PROJECTS: Final = ("com.docker.compose.project", "io.podman.compose.project")
_SERVICES: Final = ("com.docker.compose.service", "io.podman.compose.service")
_ONE_OFF: Final = "com.docker.compose.oneoff"
"""`True` for a container of `docker compose run`."""
_OWN_LABELS: Final = ("io.kubernetes.", "annotation.")
"""Prefixes of what the kubelet and cri-dockerd add; the rest of a sandbox's labels are the pod's."""
_SANDBOX_IDS: Final = ("io.kubernetes.cri-o.SandboxID", "io.kubernetes.sandbox.id")
"""Where a container names the sandbox that has its pod's labels; with containerd these are on no disk."""


def sandbox_of(words: Mapping[str, str]) -> str | None:
    """Id of the sandbox whose words have the labels of the container's pod; None where there is none to look at."""
    found = _first(words, _SANDBOX_IDS)
    return found if found and found.isalnum() else None


def traits_of(words: Mapping[str, str], *, sandbox: Mapping[str, str] | None = None) -> Traits:
    """What annotations or labels tell of their container, and those of its pod's sandbox of the pod."""
    labels = _pod_labels(words if sandbox is None else sandbox)
    one_off = words.get(_ONE_OFF) == "True"
    return Traits(
        name=words.get(_NERDCTL_NAME),
        image=_first(words, _IMAGES),
        image_id=words.get(_IMAGE_ID),
        project=_first(words, _PROJECTS),
        service=None if one_off else _first(words, _SERVICES),
        pod=_pod(words, _CONTAINERD, labels) or _pod(words, _KUBELET, labels),
        is_sandbox=_is_sandbox(words),
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """An object that JSON holds; empty where it holds something else."""
    return value if isinstance(value, dict) else {}


def strings(value: Any) -> dict[str, str]:
    """A mapping of strings, of what JSON holds; without what is none."""
    return {key: text for key, text in mapping(value).items() if isinstance(text, str)}


def cgroups_path(configuration: Any) -> str | None:
    """`linux.cgroupsPath` of an OCI configuration."""
    path = mapping(mapping(configuration).get("linux")).get("cgroupsPath")
    return path if isinstance(path, str) and path else None


def declared_cgroup(path: str) -> str:
    """
    Path of the cgroup that a cgroupsPath stands for.

    `slice:prefix:name` is systemd's: the scope prefix-name below the slice, where each dash in the slice's name is one
    level of it (systemd.slice(5)).
    """
    slice_name, colon, rest = path.partition(":")
    if not colon:
        return "/" + path.strip("/")
    prefix, _, name = rest.partition(":")
    scope = name if name.endswith(".slice") else f"{prefix}-{name}.scope".lstrip("-")
    parts = slice_name.removesuffix(".slice").split("-")
    slices = [f"{'-'.join(parts[: depth + 1])}.slice" for depth in range(len(parts))] if parts[0] else []
    return "/" + "/".join([*slices, scope])


def _pod(words: Mapping[str, str], dialect: _Dialect, labels: Mapping[str, str]) -> LocalPod | None:
    name, namespace, uid, container = map(words.get, dialect)
    if not name or not namespace:
        return None
    container = None if _is_sandbox(words) else container
    return LocalPod(uid=uid, namespace=namespace, name=name, container=container, labels=labels)


def _is_sandbox(words: Mapping[str, str]) -> bool:
    return any(words.get(key) == value for key, value in _SANDBOX.items())


def _pod_labels(words: Mapping[str, str]) -> dict[str, str]:
    """The pod's labels in what is told of its sandbox: CRI-O has them in one JSON object, cri-dockerd among its own."""
    if not _is_sandbox(words):
        return {}
    labels = words if "io.kubernetes.docker.type" in words else _json_strings(words.get(_CRIO_LABELS, "{}"))
    return {key: value for key, value in labels.items() if not key.startswith(_OWN_LABELS)}


def _json_strings(content: str) -> Mapping[str, str]:
    try:
        return strings(json.loads(content))
    except ValueError:
        return {}


def _first(words: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((words[key] for key in keys if words.get(key)), None)
