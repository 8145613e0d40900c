"""
Find and remove cgroups in every hierarchy that this node mounts: v2, v1, or both.

Flow: beside containers. runc makes a container's cgroups and removes them; what it leaves behind is removed here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
PATIENCE_S = 5.0
"""How long killed processes may take to leave a cgroup; it can't be removed before."""
RETRY_S = 0.02


def hierarchies(mountinfo: str) -> list[Path]:
    """The mount points of all cgroup hierarchies, v1 and v2; `mountinfo` as in proc(5)."""
    mounts = (line.partition(" - ") for line in mountinfo.splitlines())
    return [Path(left.split()[4]) for left, _, right in mounts if right.split()[:1] in (["cgroup"], ["cgroup2"])]


def existing(path: str) -> list[Path]:
    """The directories that stand for the cgroup `path` (as in /proc/PID/cgroup), one per hierarchy that has it."""
    found = (mount / path.lstrip("/") for mount in hierarchies(MOUNTS.read_text()))
    return sorted({directory for directory in found if directory.is_dir()})


def remove(path: str) -> None:
    """
    Remove the cgroup `path` and all below it, in every hierarchy; the processes in it are killed.

    Raises OSError if a process does not go in time.
    """
    for top in existing(path):
        for directory in _bottom_up(top):
            _remove_one(directory)


def _bottom_up(top: Path) -> Iterator[Path]:
    for parent, _, _ in os.walk(top, topdown=False):
        yield Path(parent)


def _remove_one(directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        _kill_all_in(directory)
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return


def _kill_all_in(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for pid in map(int, (directory / "cgroup.procs").read_text().split()):
            if pid > 0:  # 0 stands for a process of another pid namespace
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
