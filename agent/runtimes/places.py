"""
Know where each runtime keeps its state on this node.

Flow: **places** -> containerd, docker, storage, runc. The folders that the runtimes and the known distributions use,
those that the runtimes' configuration names, and those of the people who run a runtime of their own (rootless).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from agent.runtimes import files, oci
from agent.runtimes.containerd import Containerd
from agent.runtimes.docker import Docker
from agent.runtimes.runc import Runc
from agent.runtimes.source import Source
from agent.runtimes.storage import CriO, Podman

CONTAINERD: Final = (
    "/run/containerd",
    "/run/docker/containerd/daemon",
    "/run/k3s/containerd",  # k3s and RKE2
    "/run/k0s/containerd",
    "/var/snap/microk8s/common/run/containerd",
    "/run/snap.docker/containerd/daemon",
)
DOCKER: Final = ("/var/lib/docker", "/var/snap/docker/common/var-lib-docker")
STORAGE: Final = (("/run/containers/storage", "/var/lib/containers/storage"),)
RUNC: Final = ("/run/runc",)
_USERS: Final = "/run/user"
_T = TypeVar("_T")
_CONFIGURATION: Final = ("/etc/containerd/config.toml", "/etc/docker/daemon.json", "/etc/containers/storage.conf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look, below one root folder. What the node's configuration says is read once, people come and go."""

    root: Path
    containerd: tuple[str, ...] = CONTAINERD
    docker: tuple[str, ...] = DOCKER
    storage: tuple[tuple[str, str], ...] = STORAGE
    """runroot and graphroot."""
    runc: tuple[str, ...] = RUNC

    @classmethod
    def of(cls, root: Path) -> Places:
        """The folders of the node whose root folder is `root`: `/`, or where an agent in a pod sees the node's."""
        containerd, docker, storage = (_configuration(root, path) for path in _CONFIGURATION)
        stored = oci.strings(storage.get("storage"))
        (run, graph), *_ = STORAGE
        return cls(
            root=root,
            containerd=_with(CONTAINERD, oci.strings(containerd).get("state")),
            docker=_with(DOCKER, oci.strings(docker).get("data-root")),
            storage=_with(STORAGE, (stored.get("runroot") or run, stored.get("graphroot") or graph)),
        )

    def sources(self) -> Iterator[Source]:
        """
        A reader for each folder there may be, the runtime that knows a container best first.

        Each of docker's containers is one of containerd's too, and may be one of runc's, as podman's and CRI-O's may.
        """
        yield from (Docker(folder=self._at(path)) for path in self.docker)
        command = ("podman",) if self.root == Path("/") else ()
        for run, graph in self.storage:
            yield CriO(run=self._at(run), graph=self._at(graph))
            yield Podman(run=self._at(run), graph=self._at(graph), command=command)
        yield from (Containerd(folder=self._at(path)) for path in self.containerd)
        yield from (Runc(folder=self._at(path)) for path in self.runc)
        yield from self._people()

    def _at(self, path: str) -> Path:
        return files.inside(self.root, path)

    def _people(self) -> Iterator[Source]:
        """The readers of rootless runtimes; podman answers a person about their own containers only."""
        users = self._at(_USERS)
        homes = self._homes() if _has_folders(users) else {}
        for uid, home in homes.items():
            run, share = users / str(uid), f"{home}/.local/share"
            if not run.is_dir():
                continue
            yield Docker(folder=self._at(f"{share}/docker"), owner=uid)
            yield Podman(run=run / "containers", graph=self._at(f"{share}/containers/storage"), owner=uid, command=())
            yield Containerd(folder=run / "containerd", owner=uid)
            yield Containerd(folder=run / "docker/containerd/daemon", owner=uid)
            yield Runc(folder=run / "runc", owner=uid)

    def _homes(self) -> Mapping[int, str]:
        """Uid → home folder, of everyone but root, from /etc/passwd (passwd(5))."""
        try:
            lines = (files.text(self._at("/etc/passwd")) or "").splitlines()
        except files.Unreadable:
            return {}
        rows = [line.split(":") for line in lines]
        return {int(row[2]): row[5] for row in rows if len(row) > 6 and row[2].isdigit() and row[2] != "0"}  # noqa: PLR2004


def _has_folders(path: Path) -> bool:
    try:
        return any(True for _ in files.folders(path))
    except files.Unreadable:
        return False


def _configuration(root: Path, path: str) -> Mapping[str, Any]:
    """A runtime's configuration; empty where there is none that can be read: the defaults are looked at anyway."""
    try:
        content = files.text(files.inside(root, path)) or ""
        return oci.mapping(json.loads(content) if path.endswith(".json") else tomllib.loads(content))
    except (files.Unreadable, ValueError):
        return {}


def _with(known: tuple[_T, ...], more: _T | None) -> tuple[_T, ...]:
    return known if more is None or more in known else (*known, more)
