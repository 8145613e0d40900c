"""
Read the files that a node tells of itself by.

Flow: node -> **files** -> every family of checks. A file that can't be read is a value as well: the reason is a
finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TEXT_BYTES: Final = 2 << 20
"""Of a file at most so much is read: /proc/self/mountinfo of a node with thousands of mounts has about 1 MiB, and a
file below /proc/sys that is asked for 4 MiB answers ENOMEM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file that could not be read."""

    path: str
    reason: str
    """As strerror(3) has it."""
    missing: bool
    """Whether there is no such file, rather than that it may not be read."""

    def __str__(self) -> str:
        return f"reading {self.path}: {self.reason}"


class Files:
    """The files of a node, or of a recorded one below a folder."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def path(self, path: str | Path) -> Path:
        """Where a path of the node is."""
        return self._root / str(path).lstrip("/")

    def bytes_of(self, path: str | Path, *, limit: int = TEXT_BYTES) -> bytes | Unreadable:
        """The first bytes of a file."""
        try:
            with self.path(path).open("rb") as opened:
                return opened.read(limit)
        except OSError as error:
            return _unreadable(path, error)

    def text(self, path: str | Path) -> str | Unreadable:
        """A file's text."""
        read = self.bytes_of(path)
        return read if isinstance(read, Unreadable) else read.decode(errors="surrogateescape")

    def link(self, path: str | Path) -> str | Unreadable:
        """What a symbolic link points to."""
        try:
            return str(self.path(path).readlink())
        except OSError as error:
            return _unreadable(path, error)

    def names(self, path: str | Path) -> frozenset[str] | Unreadable:
        """What is in a folder."""
        try:
            return frozenset(one.name for one in self.path(path).iterdir())
        except OSError as error:
            return _unreadable(path, error)


def _unreadable(path: str | Path, error: OSError) -> Unreadable:
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return Unreadable(path=str(path), reason=error.strerror or type(error).__name__, missing=missing)
