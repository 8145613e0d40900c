"""
Read the containers of podman and of CRI-O, which share a storage library and often a storage.

Flow: places -> **storage** -> inventory. DRIVER is overlay, vfs, btrfs …; below `runroot` and `graphroot`:

    runroot/DRIVER-containers/ID/userdata/pidfile         pid of the first process
    runroot/DRIVER-containers/ID/userdata/config.json     CRI-O's OCI configuration: annotations, linux.cgroupsPath
    graphroot/DRIVER-containers/ID/userdata/config.json   podman's
    graphroot/DRIVER-containers/containers.json           `metadata` of each: its name, the image's name and id

podman's labels are in its database only (of two kinds), and are asked for by `podman ps`. A container in a sandbox of
CRI-O's takes the pod's labels from the sandbox's configuration, be it without a process of its own (drop_infra_ctr).
Tried with podman 4.3; CRI-O's from its sources (pkg/annotations, 1.30).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from agent.runtimes import files, oci
from agent.runtimes.container import State, Traits
from agent.runtimes.source import Ask, Entry

_CONTAINERS: Final = "-containers"
_LIBPOD: Final = ("io.container.manager", "libpod")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storage:
    """One storage, of which `Podman` and `CriO` take the containers that are theirs."""

    run: Path
    """`runroot` of storage.conf, /run/containers/storage if not set."""
    graph: Path
    """`graphroot`, /var/lib/containers/storage if not set."""
    owner: int | None = None

    def entries(self) -> Iterator[Entry]:
        """As in Source."""
        for driver in files.folders(self.run):
            if driver.name.endswith(_CONTAINERS):
                for folder in files.folders(driver):
                    yield Entry(id=folder.name, folder=folder, stamp=files.stamp(folder / "userdata/pidfile"))

    def _configuration(self, driver: str, container_id: str) -> Mapping[str, Any]:
        place = Path(driver, container_id, "userdata/config.json")
        return oci.mapping(files.document(self.run / place)) or oci.mapping(files.document(self.graph / place))

    def _state(self, entry: Entry, configuration: Mapping[str, Any], traits: Traits) -> State:
        pid = files.number(entry.folder / "userdata/pidfile")
        return State(id=entry.id, pid=pid, traits=traits, cgroups_path=oci.cgroups_path(configuration))


@dataclass(frozen=True, slots=True, kw_only=True)
class CriO(_Storage):
    """The containers of CRI-O."""

    @property
    def runtime(self) -> str:
        """As in Source."""
        return "cri-o"

    def state(self, entry: Entry) -> State | None:
        """As in Source; None for podman's."""
        driver = entry.folder.parent.name
        configuration = self._configuration(driver, entry.id)
        words = oci.strings(configuration.get("annotations"))
        if not words or _is_podmans(words):
            return None
        sandbox = oci.sandbox_of(words)
        of_sandbox = self._configuration(driver, sandbox) if sandbox else {}
        traits = oci.traits_of(words, sandbox=oci.strings(of_sandbox.get("annotations")))
        return self._state(entry, configuration, traits)

    def asked(self, states: Sequence[State], ask: Ask) -> Mapping[str, Traits]:
        """As in Source: the disk tells all."""
        del states, ask
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Podman(_Storage):
    """The containers of podman."""

    command: tuple[str, ...] = ("podman",)
    """How it is asked, its global options included; empty where it can't be: another root folder, another person's."""

    @property
    def runtime(self) -> str:
        """As in Source."""
        return "podman"

    def state(self, entry: Entry) -> State | None:
        """As in Source; None for CRI-O's."""
        configuration = self._configuration(entry.folder.parent.name, entry.id)
        if not _is_podmans(oci.strings(configuration.get("annotations"))):
            return None
        return self._state(entry, configuration, self._stored(entry))

    def asked(self, states: Sequence[State], ask: Ask) -> Mapping[str, Traits]:
        """As in Source: the labels that podman knows of."""
        if not states or not self.command:
            return {}
        told = _decoded(ask([*self.command, "ps", "--no-trunc", "--format", "json"]) or "[]")
        if not isinstance(told, list):
            raise files.Unreadable(Path(self.command[0]), "its answer is no JSON list")
        return {str(one.get("Id")): _labelled(one) for one in map(oci.mapping, told)}

    def _stored(self, entry: Entry) -> Traits:
        """What the storage knows of a container."""
        path = self.graph / entry.folder.parent.name / "containers.json"
        metadata = _listed(path, files.stamp(path)).get(entry.id)
        told = oci.strings(_decoded(metadata or "{}"))
        return Traits(
            name=told.get("name"), image=told.get("image-name") or None, image_id=told.get("image-id") or None
        )


@lru_cache(maxsize=4)
def _listed(path: Path, stamp: int) -> Mapping[str, str]:
    """Id → metadata of each container; one file tells of all, so it is read once while it has the same stamp."""
    del stamp
    listed = files.document(path)
    found = [oci.strings(one) for one in listed] if isinstance(listed, list) else []
    return {one["id"]: one["metadata"] for one in found if "id" in one and "metadata" in one}


def _labelled(told: Mapping[str, Any]) -> Traits:
    traits = oci.traits_of(oci.strings(told.get("Labels")))
    return replace(traits, is_sandbox=told.get("IsInfra") is True)


def _is_podmans(words: Mapping[str, str]) -> bool:
    key, value = _LIBPOD
    return words.get(key) == value


def _decoded(content: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
