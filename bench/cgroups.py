"""
Bare cgroups to run measured programs in: no container around them, so that what is measured is all there is.

Flow: **cgroups** -> benches. Made in the hierarchy in which the agent looks, under names that are nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.cgroups import choose, hierarchies
from demo.cgroups import remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """A cgroup of ours."""

    path: str
    """As in /proc/PID/cgroup."""
    directory: Path

    def child(self, name: str) -> Cgroup:
        """Make one below it."""
        below = Cgroup(path=f"{self.path}/{name}", directory=self.directory / name)
        below.directory.mkdir(exist_ok=True)
        return below

    def take(self, pid: int) -> None:
        """Move a process in here."""
        (self.directory / "cgroup.procs").write_text(str(pid))


@contextmanager
def tree(name: str) -> Iterator[Cgroup]:
    """The cgroup /kinwatch-bench-NAME, empty; removed at the end with all below it, and the processes there killed."""
    path = f"/kinwatch-bench-{name}"
    found = hierarchies(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    top = Cgroup(path=path, directory=choose(found, lambda _: False).mount / path.removeprefix("/"))
    remove(path)
    top.directory.mkdir()
    try:
        yield top
    finally:
        remove(path)
