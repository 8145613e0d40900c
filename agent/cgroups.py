"""
Find the hierarchy whose cgroups tell this node's containers apart, and what is in it.

Flow: **cgroups** -> probe, roster. Knows cgroup v1, v2 and hybrid; takes the kernel's own files, gives ids and paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kinwatch.errors import NodeError

UNIFIED: Final = "unified"
_CONTROLLERS: Final = ("pids", "memory")
"""v1 controllers in which every container runtime makes a cgroup of its own for each container, the cheaper first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """One tree of cgroups."""

    name: str
    """`unified`, or the v1 controller by which it is known."""
    number: int
    """The kernel's number of the hierarchy, the first field in /proc/PID/cgroup; 0 is the unified one."""
    mount: Path
    """Where it is mounted."""

    @property
    def subsys(self) -> str:
        """The C of the controller's index in `css_set.subsys`; -1 for the unified hierarchy."""
        return "(-1)" if self.name == UNIFIED else f"{self.name.upper()}_CGRP_ID"

    def cgroups(self) -> Iterator[tuple[int, str]]:
        """
        Id and path of each cgroup, parents before their children; the path as in /proc/PID/cgroup.

        The id is the inode of the directory. A cgroup that goes meanwhile is left out.
        """
        waiting = [str(self.mount)]
        while waiting:
            folder = waiting.pop()
            try:
                yield Path(folder).stat().st_ino, "/" + os.path.relpath(folder, self.mount).removeprefix(".")
                with os.scandir(folder) as entries:
                    waiting.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
            except FileNotFoundError:
                continue

    def members(self, path: str) -> set[int]:
        """Ids of the processes in a cgroup, as this process sees them; none where it is gone."""
        try:
            return set(map(int, (self.mount / path.removeprefix("/") / "cgroup.procs").read_text().split()))
        except OSError:
            return set()

    def path_of(self, membership: str) -> str | None:
        """The path of this hierarchy in the text of a /proc/PID/cgroup; None where it is not there."""
        prefix = f"{self.number}:"
        lines = (line for line in membership.splitlines() if line.startswith(prefix))
        return next((line.split(":", 2)[2] for line in lines), None)


def hierarchies(mountinfo: str, membership: str) -> list[Hierarchy]:
    """
    The hierarchies that can tell containers apart, the best first.

    Takes the texts of /proc/self/mountinfo and /proc/self/cgroup (see proc(5), cgroups(7)). On hybrid machines the
    kubelet and most runtimes use the v1 controllers, so these come before the unified one.
    """
    numbers = _numbers(membership)
    found = [
        Hierarchy(name=name, number=numbers[name], mount=mount)
        for mount, names in _mounts(mountinfo)
        for name in names
        if name in numbers
    ]
    order = (*_CONTROLLERS, UNIFIED)
    return sorted({one.name: one for one in found}.values(), key=lambda one: order.index(one.name))


def _numbers(membership: str) -> dict[str, int]:
    """Hierarchy name → number, from lines such as `8:pids:/` and `0::/`."""
    numbers = {}
    for line in membership.splitlines():
        number, controllers, _ = line.split(":", 2)
        names = controllers.split(",") if controllers else [UNIFIED]
        numbers.update({name: int(number) for name in names})
    return numbers


def _mounts(mountinfo: str) -> Iterator[tuple[Path, Sequence[str]]]:
    """Mount point and names of each cgroup mount: `ID PARENT DEV ROOT POINT OPTIONS … - TYPE SOURCE SUPER_OPTIONS`."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if kind == "cgroup2":
            yield point, [UNIFIED]
        elif kind == "cgroup":
            yield point, [name for name in _CONTROLLERS if name in options.split(",")]


def choose(found: Sequence[Hierarchy], wanted: Callable[[str], bool]) -> Hierarchy:
    """The first hierarchy that has a wanted cgroup, or else the first; NodeError when there is none at all."""
    if not found:
        raise NodeError(
            "no cgroup hierarchy is mounted here",
            remedy="mount /sys/fs/cgroup of the host into the agent's container, or mount it on the host "
            "(`mount -t cgroup2 none /sys/fs/cgroup`)",
        )
    with_wanted = (one for one in found if any(wanted(path) for _, path in one.cgroups()))
    return next(with_wanted, found[0])
