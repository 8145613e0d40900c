"""Nodes whose runtimes left state behind: recorded ones, and ones that a test lays out file by file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.cgroups import Hierarchy
from agent.runtimes.container import LocalContainer
from agent.runtimes.inventory import Runtimes
from agent.runtimes.processes import cgroup_reader

RECORDED = Path(__file__).parents[2] / "fixtures/runtimes"
PIDS = Hierarchy(name="pids", number=8, mount=Path("/sys/fs/cgroup/pids"))
UNIFIED = Hierarchy(name="unified", number=0, mount=Path("/sys/fs/cgroup"))
ID = "5a5b7d5c0d2a1ee25eaf2802429099f5bb740aa7732171ff4b449faf553c1cde"


def unasked(argv: Sequence[str]) -> str | None:
    """A node on which no program of a runtime's is installed."""
    del argv


def recorded(
    name: str, *, hierarchy: Hierarchy = PIDS, ask: Callable[[Sequence[str]], str | None] = unasked
) -> dict[str, LocalContainer]:
    """The containers of a recorded node, by their name; nothing of it was out of reach."""
    root = RECORDED / name
    runtimes = Runtimes(cgroup_reader(hierarchy, proc=root / "proc"), root=root, proc=root / "proc", ask=ask)
    found = {container.name: container for container in runtimes.containers()}
    assert runtimes.failures == ()
    return found


class Node:
    """A node that is laid out by a test."""

    def __init__(self, *, root: Path) -> None:
        self.root = root
        self.proc = root / "proc"
        self.proc.mkdir()

    def runtimes(self) -> Runtimes:
        """Its runtimes, none of which can be asked."""
        return Runtimes(cgroup_reader(UNIFIED, proc=self.proc), root=self.root, proc=self.proc, ask=unasked)

    def write(self, path: str, content: str) -> Path:
        """A file; the path is meant from the node's root on."""
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def process(self, pid: int, cgroup: str, *, started: int = 0) -> None:
        """A process, with as much of /proc/PID as is looked at."""
        self.write(f"/proc/{pid}/cgroup", f"0::{cgroup}\n")
        self.write(f"/proc/{pid}/stat", f"{pid} (a) b) S " + "0 " * 18 + f"{started} 0\n")

    def task(self, name: str, pid: int, *, state: str = "/run/containerd", **configuration: Any) -> Path:
        """A container of containerd's; gives its folder."""
        folder = f"{state}/io.containerd.runtime.v2.task/default/{name}"
        self.write(f"{folder}/config.json", json.dumps(configuration))
        return self.write(f"{folder}/init.pid", str(pid)).parent

    def docker(self, name: str, pid: int, *, root: str = "/var/lib/docker") -> None:
        """A container of docker's whose id is its name."""
        told = {"State": {"Pid": pid}, "Name": f"/{name}", "Image": "sha256:1", "Config": {}}
        self.write(f"{root}/containers/{name}/config.v2.json", json.dumps(told))

    def runc(self, name: str, pid: int, *, root: str = "/run/runc", **state: Any) -> None:
        """A container of runc's."""
        told = {"id": name, "init_process_pid": pid, "config": {}, **state}
        self.write(f"{root}/{name}/state.json", json.dumps(told))


def names(runtimes: Runtimes) -> set[str]:
    """The names of the containers there are."""
    return {container.name for container in runtimes.containers()}
