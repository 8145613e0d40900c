"""
Take hold of the spool's folder, for one agent and for nobody else's eyes.

Flow: settings -> **folder** -> recovery. Command lines may hold secrets: folder and files are for their owner only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from agent.spool import segments
from agent.spool.disk import Disk
from kinwatch.errors import NodeError

LOCK: Final = "lock"
ASIDE: Final = ".aside"
"""What ends the name of a file that this agent can't read and did not remove."""


def hold(folder: Path) -> int:
    """Descriptor that holds the folder's lock as long as it is open; NodeError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # another's folder, such as a volume's: its files are private anyway
            folder.chmod(0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise NodeError(
                f"another agent has its spool in {folder}, process {holder}",
                remedy=f"end it first (`kill {holder}`), or give this one a folder of its own by --spool",
            ) from error
        raise unusable(folder, error) from error
    with contextlib.suppress(OSError):  # a full disk need not keep the agent from starting
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def unusable(folder: Path, error: OSError) -> NodeError:
    """What is said at the start of a folder that can't take a spool."""
    return NodeError(
        f"the spool can't be kept in {folder}: {error.strerror}",
        remedy="give the folder to the agent's user, make room there, mount a writable volume (a hostPath), "
        "or name another folder by --spool",
    )


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """Number and path of each segment, oldest first; OSError."""
    names = folder.glob(f"*{segments.SUFFIX}")
    return sorted((int(path.stem), path) for path in names if path.stem.isdecimal())


def next_number(folder: Path) -> int:
    """Above that of every segment that is or was set aside; OSError."""
    stems = (path.name.split(".")[0] for path in folder.glob(f"*{segments.SUFFIX}*"))
    return max((int(stem) for stem in stems if stem.isdecimal()), default=0) + 1


class Aside:
    """Files that this agent can't read: kept for whoever can, but within the spool's bounds."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        """Take up those which are there; OSError."""
        self._disk = disk
        self._files = {path: path.stat().st_size for path in sorted(folder.glob(f"*{ASIDE}"), key=_since)}

    @property
    def bytes(self) -> int:
        """On the disk."""
        return sum(self._files.values())

    def put(self, path: Path, why: str) -> str:
        """Rename a file; its new name. OSError."""
        name = next(name for name in _names(f"{path.name}.{why}") if not path.with_name(name).exists())
        self._disk.rename(path, name)
        self._files[path.with_name(name)] = path.with_name(name).stat().st_size
        return name

    def remove_oldest(self) -> bool:
        """Make room; whether there was any to make. OSError."""
        if not self._files:
            return False
        path = next(iter(self._files))
        self._disk.remove(path)
        del self._files[path]
        return True

    def remove_older(self, than_s: float) -> None:
        """Remove what was set aside before this time; OSError."""
        for path in [path for path in self._files if _since(path) < than_s]:
            self._disk.remove(path)
            del self._files[path]


def _since(path: Path) -> float:
    """When it was renamed; one that somebody took away meanwhile is as old as can be."""
    try:
        return path.stat().st_ctime
    except FileNotFoundError:
        return 0.0


def _names(stem: str) -> Iterable[str]:
    yield f"{stem}{ASIDE}"
    number = 2
    while True:
        yield f"{stem}-{number}{ASIDE}"
        number += 1
