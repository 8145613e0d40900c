"""
A real disk that can be told to fill up, to fail, to let the process die at any byte, or to lose power.

All of it is written to real files; only when and how far is decided here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from agent.spool.disk import RealDisk
from agent.spool.ledger import NAME


class CrashError(BaseException):
    """The process dies here; no `except Exception` or OSError may catch it."""


class TrickyDisk(RealDisk):
    """What was synced is remembered, so that a power cut can take back the rest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.fuse: int | None = None
        """Bytes to write, and one for any other deed, before the process dies; None: it lives."""
        self.failing: int | None = None
        """Errno of whatever needs room or changes a folder; None: all is well."""
        self.ledger_failing = False
        """Whether the ledger can't be written either, which on a full disk it can."""
        self.swallowed = 0
        """Bytes of a record that are written before the failure."""
        self._synced: dict[str, bytes] = {}
        self._names: dict[str, bytes] = {}
        """What is on the medium, by the names that are."""

    def create(self, path: Path) -> int:
        self._burn()
        self._fail()
        self._synced[path.name] = b""
        return super().create(path)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        survives = self._survives(len(data))
        if self._fails(descriptor):
            super().write(descriptor, data[: min(self.swallowed, survives)], offset)
            self._raise()
        super().write(descriptor, data[:survives], offset)
        if survives < len(data):
            raise CrashError

    def sync(self, descriptor: int) -> None:
        self._burn()
        if self._fails(descriptor):
            self._raise()
        super().sync(descriptor)
        path = self._path(descriptor)
        self._synced[path.name] = path.read_bytes()
        if path.name in self._names:
            self._names[path.name] = self._synced[path.name]

    def sync_folder(self, folder: Path) -> None:
        self._burn()
        self._fail()
        super().sync_folder(folder)
        names = {path.name for path in folder.iterdir()}
        self._names = {name: data for name, data in self._synced.items() if name in names}

    def truncate(self, descriptor: int, size: int) -> None:
        self._burn()
        if self.failing:
            self._raise()
        super().truncate(descriptor, size)

    def rename(self, path: Path, name: str) -> None:
        self._burn()
        super().rename(path, name)

    def remove(self, path: Path) -> None:
        self._burn()
        if self.ledger_failing:
            self._raise()
        super().remove(path)

    def lose_power(self, is_kept: Callable[[], bool]) -> None:
        """What was not synced is on the medium or not: `is_kept` says so for each file."""
        for name in sorted({path.name for path in self._folder.iterdir()} | set(self._names)):
            if is_kept():
                continue
            path = self._folder / name
            if name in self._names:
                path.write_bytes(self._names[name])
            else:
                path.unlink()

    def _burn(self) -> None:
        if not self._survives(1):
            raise CrashError

    def _survives(self, cost: int) -> int:
        """How much of it is done before the fuse has burnt down."""
        if self.fuse is None:
            return cost
        done = min(cost, self.fuse)
        self.fuse -= done
        return done

    def _fails(self, descriptor: int) -> bool:
        return bool(self.failing) and (self.ledger_failing or self._path(descriptor).name != NAME)

    def _fail(self) -> None:
        if self.failing:
            self._raise()

    def _raise(self) -> NoReturn:
        number = self.failing or errno.EIO
        raise OSError(number, os.strerror(number))

    @staticmethod
    def _path(descriptor: int) -> Path:
        return Path(f"/proc/self/fd/{descriptor}").readlink()


def die(folder: Path) -> None:
    """Close what a process that died in this folder had open, as the kernel does."""
    for link in Path("/proc/self/fd").iterdir():
        try:
            held = link.readlink().is_relative_to(folder)
        except FileNotFoundError:  # the listing's own descriptor
            continue
        if held:
            os.close(int(link.name))
