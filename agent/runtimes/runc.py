"""
Read the containers that runc was called for by none of the others.

Flow: places -> **runc** -> inventory. Below runc's `--root`, /run/runc if not given:

    ID/state.json    id, init_process_pid, init_process_start (clock ticks since the boot), config.cgroups.path,
                     config.labels: `bundle=FOLDER` and the annotations of the bundle, each as KEY=VALUE

Tried with runc 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.runtimes import files, oci
from agent.runtimes.container import State, Traits
from agent.runtimes.source import Ask, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Runc:
    """One root folder of runc."""

    folder: Path
    owner: int | None = None

    @property
    def runtime(self) -> str:
        """As in Source."""
        return "runc"

    def entries(self) -> Iterator[Entry]:
        """As in Source."""
        for folder in files.folders(self.folder):
            yield Entry(id=folder.name, folder=folder, stamp=files.stamp(folder / "state.json"))

    def state(self, entry: Entry) -> State | None:
        """As in Source."""
        told = oci.mapping(files.document(entry.folder / "state.json"))
        pid, started = told.get("init_process_pid"), told.get("init_process_start")
        if not isinstance(pid, int):
            return None
        configuration = oci.mapping(told.get("config"))
        return State(
            id=entry.id,
            pid=pid,
            started=started if isinstance(started, int) else None,
            traits=oci.traits_of(_labels(configuration)),
            cgroups_path=_cgroup(configuration),
        )

    def asked(self, states: Sequence[State], ask: Ask) -> Mapping[str, Traits]:
        """As in Source: the disk tells all there is."""
        del states, ask
        return {}


def _labels(configuration: Mapping[str, Any]) -> Mapping[str, str]:
    labels = configuration.get("labels")
    words = [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _cgroup(configuration: Mapping[str, Any]) -> str | None:
    """As linux.cgroupsPath; runc keeps the three parts of systemd's form apart."""
    cgroup = oci.mapping(configuration.get("cgroups"))
    words = oci.strings(cgroup)
    if cgroup.get("Systemd") is True and words.get("name"):
        return f"{words.get('parent', '')}:{words.get('scope_prefix', '')}:{words['name']}"
    return words.get("path") or words.get("name") or None
