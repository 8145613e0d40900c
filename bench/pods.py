"""
Pods as a node has them: cgroups with the kubelet's paths, a process in each container, and what is said of them.

Flow: cgroups -> **pods** -> kubelet, identity. Each is described as a recorded one was, so that it is as large.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.cgroups import Cgroup, tree
from bench.compiler import compiled
from bench.kubelet import Json, recorded_pods, with_ids

SANDBOX: Final = "a0"
CONTAINER: Final = "c0"
"""What the ids of sandboxes and of other containers begin with, so that a glob tells them apart."""
LEFT_S: Final = 5.0
"""How long a killed process may take to leave its cgroup."""
LOOK_S: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the pods of a bench are."""

    parent: Cgroup
    """The cgroup of their quality of service."""
    program: Path
    folder: Path
    """In which each container opens a file that bears its pod's name."""

    @property
    def containers(self) -> str:
        """A glob of all containers that are no sandbox."""
        return f"{self.parent.path}/pod*/{CONTAINER}*"


@contextlib.contextmanager
def place(folder: Path) -> Iterator[Place]:
    """A place below a cgroup that is nobody else's; removed with all that is in it."""
    files = folder / "files"
    files.mkdir()
    with tree("identity") as top:
        parent = top.child("kubepods").child("burstable")
        yield Place(parent=parent, program=compiled("contained", folder), folder=files)


class Pod:
    """A pod with its sandbox and one container; both run when it is made."""

    def __init__(self, number: int, place: Place) -> None:
        self.uid, self.container_id = str(uuid.uuid4()), _container_id(CONTAINER)
        self.running = _described(number, uid=self.uid, container_id=self.container_id)
        """What is said of it when its container is known to run."""
        self.pending = _pending(self.running)
        """What is said of it before."""
        self.name: str = self.running["metadata"]["name"]
        self._pod = place.parent.child(f"pod{self.uid}")
        self._sandbox = self._pod.child(_container_id(SANDBOX))
        self._processes = [_contained(place, self._sandbox)]
        self.started_s = time.time()
        """When the cgroup of its container was made, by the clock of the wall."""
        self._container = self._pod.child(self.container_id)
        self._processes.append(_contained(place, self._container, place.folder / self.name))

    @property
    def path(self) -> str:
        """The cgroup of its container."""
        return self._container.path

    @property
    def identity(self) -> tuple[str | None, ...]:
        """Namespace, name, uid and container's name, as a snapshot has to bear them."""
        return self.running["metadata"]["namespace"], self.name, self.uid, self.running["spec"]["containers"][0]["name"]

    def kill(self) -> None:
        """End its processes."""
        for process in self._processes:
            process.kill()

    def remove(self) -> None:
        """End what still runs, and remove its cgroups."""
        self.kill()
        for process in self._processes:
            process.wait()
        for cgroup in (self._container, self._sandbox, self._pod):
            _remove(cgroup)


@contextlib.contextmanager
def steady(place: Place, count: int) -> Iterator[list[Pod]]:
    """So many pods that stay."""
    pods: list[Pod] = []
    try:
        pods.extend(Pod(number, place) for number in range(count))
        yield pods
    finally:
        for pod in pods:
            pod.remove()


def _contained(place: Place, cgroup: Cgroup, *arguments: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([place.program, cgroup.directory / "cgroup.procs", *arguments])


def _remove(cgroup: Cgroup) -> None:
    latest_s = time.monotonic() + LEFT_S
    while True:
        try:
            cgroup.directory.rmdir()
        except OSError:
            if time.monotonic() > latest_s:
                raise
            time.sleep(LOOK_S)  # its process is still on its way out
        else:
            return


def _container_id(beginning: str) -> str:
    return beginning + (uuid.uuid4().hex + uuid.uuid4().hex)[len(beginning) :]


def _described(number: int, *, uid: str, container_id: str) -> Json:
    """A pod as large as a recorded one, with names of its own; its number makes them differ."""
    templates = [pod for pod in recorded_pods() if _is_plain(pod)]
    template = templates[number % len(templates)]
    metadata, status = template["metadata"], template["status"]["containerStatuses"][0]
    ids = {
        metadata["uid"]: uid,
        metadata["name"]: f"{metadata['name'].rpartition('-')[0]}-{number:05}",
        status["containerID"]: f"containerd://{container_id}",
        status["state"]["running"]["startedAt"]: f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    pod: Json = with_ids([template], ids)[0]
    return pod


def _is_plain(pod: Json) -> bool:
    """Whether it runs one container, and the API server knows it."""
    running = [one for one in pod["status"].get("containerStatuses", ()) if "running" in one["state"]]
    return "ownerReferences" in pod["metadata"] and len(running) == len(pod["spec"]["containers"]) == 1


def _pending(pod: Json) -> Json:
    """The pod before its kubelet knows that a container runs."""
    waiting = {"name": pod["spec"]["containers"][0]["name"], "state": {"waiting": {"reason": "ContainerCreating"}}}
    return {**pod, "status": {"phase": "Pending", "containerStatuses": [waiting]}}
