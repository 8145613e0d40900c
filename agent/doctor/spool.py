"""
Check that the folder in which batches wait for the aggregator can take them.

Flow: settings -> **spool** -> report.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding
from agent.doctor.single import nearest

SPOOL: Final = Check(
    name="spool", why="what the aggregator can't take waits there; without room for it snapshots are lost"
)
CHECKS: Final = (SPOOL,)

_VOLATILE: Final = frozenset({"tmpfs", "ramfs", "overlay"})
"""File systems that go with the machine's or the container's life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the folder is on."""

    folder: Path
    existing: Path
    """It, or the nearest above it that exists."""
    is_folder: bool
    writable: bool
    free_bytes: int
    """Free to this user, with what the spool itself holds."""
    kind: str
    """The file system's, such as ext4; empty if not known."""


def this_room(files: Files, folder: Path) -> Room:
    """What this folder is on."""
    existing = nearest(folder)
    stat = os.statvfs(existing)
    return Room(
        folder=folder,
        existing=existing,
        is_folder=existing.is_dir(),
        writable=os.access(existing, os.W_OK | os.X_OK),
        free_bytes=stat.f_bavail * stat.f_frsize + (_held(folder) if existing == folder else 0),
        kind=_kind(files.text("/proc/self/mountinfo"), existing),
    )


def _held(folder: Path) -> int:
    """Bytes of the batches that wait there already, which count in its bound."""
    try:
        return sum(one.stat().st_size for one in folder.iterdir() if one.is_file())
    except OSError:  # it may not be looked into, or one went meanwhile: then more room is asked for than is needed
        return 0


def _kind(mountinfo: str | Unreadable, folder: Path) -> str:
    """Type of the file system on which a folder is, by its device; empty where that is mounted under another number."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    found = re.findall(rf"^\d+ \d+ {number} .* - (\S+) ", mountinfo if isinstance(mountinfo, str) else "", re.MULTILINE)
    return found[0] if found else ""


def judge(room: Room | None, *, bound: int) -> Sequence[Finding]:
    """What is to be said of it; None: no spool is configured."""
    if room is None:
        return (SPOOL.skipped("no spool folder is configured"),)
    if not room.is_folder:
        return (SPOOL.failed(f"{room.existing} is no folder", remedy="name a folder by --spool"),)
    if not room.writable:
        return (
            SPOOL.failed(
                f"{room.existing} can't be written to",
                remedy="give the folder to the agent's user, mount a writable volume there, or name another by --spool",
            ),
        )
    return (_space(room, bound),)


def _space(room: Room, bound: int) -> Finding:
    found = f"{room.folder} has {room.free_bytes >> 20} MiB of room on {room.kind or 'its file system'}"
    if room.free_bytes < bound:
        return SPOOL.failed(
            f"{found}, less than the {bound >> 20} MiB that it may grow to",
            remedy=f"make room on {room.existing}, name another folder by --spool, or lower --spool-bytes",
        )
    if room.kind in _VOLATILE:
        return SPOOL.warning(
            f"{found}, which does not outlive the {'container' if room.kind == 'overlay' else 'machine'}",
            remedy="mount a folder of the host's disk there (a hostPath volume), or live with what a restart loses",
        )
    return SPOOL.ok(f"{found}; it may grow to {bound >> 20} MiB")
