"""
Read containerd's tasks, be they of the CRI, of nerdctl, of docker or of ctr.

Flow: places -> **containerd** -> inventory. Below containerd's `state` folder:

    io.containerd.runtime.v2.task/NAMESPACE/ID/init.pid       pid of the first process, written by the runc shim
    io.containerd.runtime.v2.task/NAMESPACE/ID/config.json    OCI configuration: annotations, linux.cgroupsPath

The CRI writes the pod's names into the annotations, nerdctl its labels; the image of other containers is only in
containerd's database, and is asked for by ctr. Tried with containerd 1.6; 2.x has kept folders and annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.runtimes import files, oci
from agent.runtimes.container import State, Traits
from agent.runtimes.source import Ask, Entry

_TASKS: Final = "io.containerd.runtime.v2.task"
_TOLD_ELSEWHERE: Final = frozenset({"moby", "k8s.io"})
"""Namespaces whose containers ctr knows no more of: docker's image is in docker's state, the CRI's in annotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Containerd:
    """One containerd."""

    folder: Path
    """`state` of its configuration, /run/containerd if not set."""
    owner: int | None = None

    @property
    def runtime(self) -> str:
        """As in Source."""
        return "containerd"

    def entries(self) -> Iterator[Entry]:
        """As in Source."""
        for namespace in files.folders(self.folder / _TASKS):
            for folder in files.folders(namespace):
                yield Entry(id=folder.name, folder=folder, stamp=files.stamp(folder / "init.pid"))

    def state(self, entry: Entry) -> State | None:
        """As in Source."""
        configuration = files.document(entry.folder / "config.json")
        if not isinstance(configuration, dict):
            return None
        return State(
            id=entry.id,
            pid=files.number(entry.folder / "init.pid"),
            traits=oci.traits_of(oci.strings(configuration.get("annotations"))),
            cgroups_path=oci.cgroups_path(configuration),
        )

    def asked(self, states: Sequence[State], ask: Ask) -> Mapping[str, Traits]:
        """As in Source: the images that ctr knows of, in each namespace that has such containers."""
        wanted = {state.id for state in states if state.traits.image is None and state.traits.pod is None}
        entries = [entry for entry in self.entries() if entry.id in wanted] if wanted else []
        namespaces = {entry.folder.parent.name for entry in entries} - _TOLD_ELSEWHERE
        return {found: traits for namespace in namespaces for found, traits in self._images(namespace, ask).items()}

    def _images(self, namespace: str, ask: Ask) -> Mapping[str, Traits]:
        ctr = ("ctr", "--address", str(self.folder / "containerd.sock"), "--namespace", namespace)
        digests = {row[0]: row[2] for row in _rows(ask([*ctr, "images", "ls"]), columns=3)}
        return {
            row[0]: Traits(image=row[1], image_id=digests.get(row[1]))
            for row in _rows(ask([*ctr, "containers", "ls"]), columns=3)
            if row[1] != "-"
        }


def _rows(table: str | None, *, columns: int) -> Iterator[list[str]]:
    """The rows of what ctr writes, below its headings: `CONTAINER IMAGE RUNTIME`, `REF TYPE DIGEST …`."""
    for line in (table or "").splitlines()[1:]:
        row = line.split()
        if len(row) >= columns:
            yield row
