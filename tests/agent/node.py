"""
A node as the kubelet leaves it: real containers in cgroups with its paths, and a kubelet that tells of them.

    with Node(folder) as node:
        pod = node.pod("web-7bdb4cc484-a", owner=("ReplicaSet", "web-7bdb4cc484"), labels={...})  # with its sandbox
        web = pod.start("web")
        with node.watch() as agent:
            web.run("os.stat('/etc')")
        agent.named("web-7bdb4cc484-a")
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asking import jwt
from ground import NEVER_S, Cgroup, Watch, watched_hierarchy
from playback import PlaybackKubelet
from recordings import GRANTED, NODE, Json

from demo import cgroups
from kinwatch.jsonline import decode
from kinwatch.snapshot import Snapshot

_numbers = itertools.count()


def container_id() -> str:
    """64 hexadecimal digits that no other container has."""
    return uuid.uuid4().hex + uuid.uuid4().hex


class Pod:
    """A pod of the node: its cgroup, its sandbox, and what the kubelet says of it."""

    def __init__(self, node: Node, document: Json) -> None:
        self._node = node
        self.document = document
        self.uid: str = document["metadata"]["uid"]
        self.cgroup = node.below(f"kubepods/burstable/pod{self.uid}")
        self.sandbox = self._cgroup(container_id())

    def start(self, name: str, *, listed: bool = True, role: str = "containers", **in_spec: Any) -> Cgroup:
        """A container of the pod; the kubelet lists it at once, or not before `list_all`."""
        its_id = container_id()
        self.announce(name, its_id, role=role, **in_spec)
        cgroup = self._cgroup(its_id)
        if listed:
            self._node.list_all()
        return cgroup

    def announce(self, name: str, its_id: str, *, role: str = "containers", **in_spec: Any) -> None:
        """A container that somebody else starts, or will; the kubelet does not list it before `list_all`."""
        self.document["spec"].setdefault(role, []).append({"name": name, "image": "shop:1", **in_spec})
        status = {
            "name": name,
            "containerID": f"containerd://{its_id}",
            "state": {"running": {"startedAt": moment()}},
        }
        statuses = {
            "containers": "containerStatuses",
            "initContainers": "initContainerStatuses",
            "ephemeralContainers": "ephemeralContainerStatuses",
        }
        self._node.owed.append((self, statuses[role], status))

    def _cgroup(self, its_id: str) -> Cgroup:
        return Cgroup(self._node.hierarchy, f"{self.cgroup.path}/{its_id}")


class Node:
    """Cgroups under one name, a kubelet on loopback, a ServiceAccount's folder."""

    def __init__(self, folder: Path) -> None:
        self.prefix = f"/kinwatch-test-{os.getpid()}-node-{next(_numbers)}"
        self.hierarchy = watched_hierarchy()
        self.token = jwt()
        self.account = folder / "account"
        self.owed: list[tuple[Pod, str, Json]] = []
        self.kubelet = PlaybackKubelet(folder)
        self._pods: list[Pod] = []

    def __enter__(self) -> Self:
        self.account.mkdir()
        (self.account / "token").write_text(self.token)
        self.kubelet.__enter__()
        (self.account / "ca.crt").write_bytes(self.kubelet.ca_file.read_bytes())
        self.kubelet.tokens[self.token] = GRANTED
        self.kubelet.pods = []
        Cgroup(self.hierarchy, self.prefix)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kubelet.__exit__(kind, error, trace)
        cgroups.remove(self.prefix)

    def below(self, path: str) -> Cgroup:
        """A cgroup of the node, with those above it."""
        for end in itertools.accumulate(path.split("/"), lambda above, name: f"{above}/{name}"):
            full = f"{self.prefix}/{end}"
            if not (self.hierarchy.mount / full.removeprefix("/")).exists():
                cgroup = Cgroup(self.hierarchy, full)
        return cgroup

    def pod(
        self,
        name: str,
        *,
        namespace: str = "shop",
        owner: tuple[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Pod:
        """A pod that has a sandbox and no containers yet; the kubelet lists it."""
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {}),
            "creationTimestamp": moment(),
        }
        if owner:
            metadata["ownerReferences"] = [
                {"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "uid": "u", "controller": True}
            ]
        pod = Pod(self, {"metadata": metadata, "spec": {"nodeName": NODE}, "status": {"phase": "Running"}})
        self._pods.append(pod)
        self.list_all()
        return pod

    def list_all(self) -> None:
        """The kubelet lists every container that was started."""
        for pod, key, status in self.owed:
            pod.document["status"].setdefault(key, []).append(status)
        self.owed.clear()
        self.show()

    @property
    def documents(self) -> list[Json]:
        """The pods as they are described now."""
        return [pod.document for pod in self._pods]

    def show(self) -> None:
        """The kubelet tells the pods as they are described now."""
        self.kubelet.pods = self.documents

    def delete(self, pod: Pod) -> None:
        """The kubelet lists a pod no longer."""
        self._pods.remove(pod)
        self.show()

    @contextlib.contextmanager
    def watch(
        self,
        *options: str | Path,
        window_s: float = NEVER_S,
        wrapper: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> Iterator[NodeWatch]:
        """Run an agent that asks the kubelet of this node."""
        with tempfile.TemporaryDirectory() as run_dir:
            arguments = [
                *("--run-dir", run_dir, "--window", f"{window_s:g}", "--node", NODE, "--names", "kubernetes"),
                *("--kubelet", self.kubelet.address, "--service-account", str(self.account)),
                *map(str, options),
            ]
            with NodeWatch(arguments, prefix=self.prefix, wrapper=wrapper, environ=environ) as watch:
                yield watch


class NodeWatch(Watch):
    """An agent beside the test, and what it told of the node's replicas."""

    def so_far(self) -> list[Snapshot]:
        """What the agent, which still runs, has told until now."""
        lines = os.pread(self._output.fileno(), 1 << 30, 0).decode("ascii").split("\n")
        return [decode(line) for line in lines[:-1]]

    @property
    def told(self) -> list[Snapshot]:
        """The snapshots of this node's containers: others may run on the machine."""
        return [one for one in self.snapshots if (one.replica.cgroup or self._prefix).startswith(self._prefix)]

    def named(self, pod: str, container: str | None = None) -> list[Snapshot]:
        """The snapshots of a pod's container."""
        return [one for one in self.told if one.replica.pod == pod and container in (None, one.replica.container)]

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the agent logged under a name."""
        return [line for line in self.log if line["event"] == name]


def moment(before: timedelta = timedelta()) -> str:
    """A moment as the API writes it, by default now."""
    return (datetime.now(tz=UTC) - before).strftime("%Y-%m-%dT%H:%M:%SZ")


def identities(snapshots: Sequence[Snapshot]) -> set[tuple[str | None, ...]]:
    """Namespace, pod, container, role, kind, workload and revision of each."""
    return {
        (
            one.replica.namespace,
            one.replica.pod,
            one.replica.container,
            one.replica.role,
            one.workload.kind,
            one.workload.name,
            one.workload.revision,
        )
        for one in snapshots
    }
