"""
Check whether an agent runs on this node already, and whether this one could hold the lock.

Flow: lock -> **single** -> report. The lock is looked at, never taken for longer than that: agent/lock.py takes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.doctor.finding import Check, Finding

ONE_AGENT: Final = Check(
    name="one-agent", why="a second agent would add its cost to every system call of the node", fatal=True
)
CHECKS: Final = (ONE_AGENT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The state of the lock."""

    file: Path
    holder: str | None = None
    """Process that holds it; None if it is free."""
    obstacle: str = ""
    """Why it could not be held; empty if it could."""


def this_lock(run_dir: Path) -> Lock:
    """The state of the lock in this folder, which is not made."""
    file = run_dir / "agent.lock"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return Lock(file=file, obstacle=_obstacle(run_dir))
    except OSError as error:
        return Lock(file=file, obstacle=error.strerror or "it can't be opened")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock(file=file, holder=os.read(descriptor, 32).decode(errors="replace").strip() or "unknown")
    finally:
        os.close(descriptor)
    return Lock(file=file)


def nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that exists and can be seen."""
    above = (folder, *folder.absolute().parents)
    return next(one for one in above if os.path.exists(one))  # noqa: PTH110 - Path.exists raises where it may not look


def _obstacle(run_dir: Path) -> str:
    existing = nearest(run_dir)
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} can't be written to"


def judge(lock: Lock) -> Sequence[Finding]:
    """What is to be said of it."""
    if lock.obstacle:
        return (
            ONE_AGENT.failed(
                f"the lock {lock.file} can't be held: {lock.obstacle}",
                remedy="name a folder to write to by --run-dir; in a pod, mount /run/kinwatch of the host by a "
                "hostPath volume of type DirectoryOrCreate",
            ),
        )
    if lock.holder is None:
        return (ONE_AGENT.ok(f"no other agent holds {lock.file}"),)
    if lock.holder == str(os.getpid()):
        return (ONE_AGENT.ok(f"this process holds {lock.file}"),)
    return (
        ONE_AGENT.warning(
            f"process {lock.holder} watches this node, and holds {lock.file}",
            remedy=f"if it is not the one you mean to run, end it (`kill {lock.holder}`): a second one does not start",
        ),
    )
