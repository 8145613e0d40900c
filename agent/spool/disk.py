"""
Write to the disk, so that it stays written.

Flow: segments, ledger -> **disk**. All that the spool ever changes goes through here; tests put a disk in its place
that fails, fills up or loses power.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """A file system; every method raises OSError."""

    def create(self, path: Path) -> int:
        """Descriptor of a new file, to write to; for its owner only."""

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of it; on OSError any part of it may be there."""

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes and its length are on the medium."""

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are on the medium."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file off."""

    def rename(self, path: Path, name: str) -> None:
        """Give a file another name in its folder."""

    def remove(self, path: Path) -> None:
        """Remove a file; that it is gone already is no failure."""


class RealDisk:
    """The node's."""

    def create(self, path: Path) -> int:
        """O_EXCL and O_NOFOLLOW: nobody who may write to the folder can have us write elsewhere."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """By pwrite(2), until all is written."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[written:], offset + written

    def sync(self, descriptor: int) -> None:
        """By fdatasync(2): the length of a file counts as its data, its times don't."""
        os.fdatasync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """By fsync(2) of the folder."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """By ftruncate(2)."""
        os.ftruncate(descriptor, size)

    def rename(self, path: Path, name: str) -> None:
        """By the system call of that name."""
        path.rename(path.with_name(name))

    def remove(self, path: Path) -> None:
        """By unlink(2)."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
