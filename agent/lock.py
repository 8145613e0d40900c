"""
Let one agent run on a node.

Flow: before **probe**. Two agents would each add their cost to every system call of the node.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from kinwatch.errors import NodeError


@contextlib.contextmanager
def only_agent(folder: Path) -> Iterator[None]:
    """
    Hold the lock file in `folder` while the agent runs; NodeError if another agent holds it.

    The kernel lets go of the lock when its process ends, however it ends, so a stale file locks nobody out.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NodeError(
            f"opening {folder / 'agent.lock'}: {error.strerror}", remedy="name a folder to write to by --run-dir"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise NodeError(
            f"another agent watches this node already, process {holder}",
            remedy=f"end it first (`kill {holder}`), or read what it ships; one agent per node is enough",
        ) from error
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
