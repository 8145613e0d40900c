"""
Read docker's containers, cri-dockerd's included.

Flow: places -> **docker** -> inventory. Below docker's `data-root`:

    containers/ID/config.v2.json    State.Pid, Name with a slash before it, Image (an id), Config.Image, Config.Labels

The file is replaced when its container starts or ends. It has the environment too, of which nothing is kept.
Tried with docker 20.10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.runtimes import files, oci
from agent.runtimes.container import State, Traits
from agent.runtimes.source import Ask, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """One docker daemon."""

    folder: Path
    """`data-root` of its configuration, /var/lib/docker if not set."""
    owner: int | None = None

    @property
    def runtime(self) -> str:
        """As in Source."""
        return "docker"

    def entries(self) -> Iterator[Entry]:
        """As in Source."""
        for folder in files.folders(self.folder / "containers"):
            yield Entry(id=folder.name, folder=folder, stamp=files.stamp(folder / "config.v2.json"))

    def state(self, entry: Entry) -> State | None:
        """As in Source."""
        told = oci.mapping(files.document(entry.folder / "config.v2.json"))
        pid = oci.mapping(told.get("State")).get("Pid")
        if not isinstance(pid, int):
            return None
        configuration = oci.mapping(told.get("Config"))
        labels = oci.strings(configuration.get("Labels"))
        own = oci.strings({"name": told.get("Name"), "id": told.get("Image"), "image": configuration.get("Image")})
        traits = replace(
            oci.traits_of(labels, sandbox=self._sandbox(labels)),
            name=own.get("name", "").removeprefix("/") or None,
            image=own.get("image"),
            image_id=own.get("id"),
        )
        return State(id=entry.id, pid=pid, traits=traits, cgroup_mark=entry.id)

    def asked(self, states: Sequence[State], ask: Ask) -> Mapping[str, Traits]:
        """As in Source: the disk tells all."""
        del states, ask
        return {}

    def _sandbox(self, labels: Mapping[str, str]) -> Mapping[str, str] | None:
        """Labels of the sandbox of a container's pod, as cri-dockerd has them."""
        sandbox = oci.sandbox_of(labels)
        if sandbox is None:
            return None
        told = oci.mapping(files.document(self.folder / "containers" / sandbox / "config.v2.json"))
        return oci.strings(oci.mapping(told.get("Config")).get("Labels"))
