"""
Read files that others write: never wait, never read without bound, tell absence from trouble.

Flow: beside containerd, docker, storage and runc. A container's user may own some of these folders (rootless), so a
FIFO, a link or a file of gigabytes may stand where a state file is expected.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 4 << 20
"""Of one file. A container's configuration has 3 to 60 KB; podman's list of containers has about 500 bytes for each."""
MAX_LINKS: Final = 40
"""Symbolic links followed in one path, as in path_resolution(7)."""

_ABSENT = (FileNotFoundError, NotADirectoryError, ProcessLookupError)


class Unreadable(Exception):  # noqa: N818 - what is found so is noted, not raised to a person
    """Something is there and can't be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"reading {path}: {reason}")
        self.path = path
        self.reason = reason


def text(path: Path) -> str | None:
    """What a regular file holds; None where there is none. Raises Unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except _ABSENT:
        return None
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable(path, "this is no regular file")
        try:
            content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Unreadable(path, error.strerror or str(error)) from error
    if len(content) > MAX_BYTES:
        raise Unreadable(path, f"this is longer than {MAX_BYTES >> 20} MiB")
    return content.decode(errors="replace")


def document(path: Path) -> Any:
    """What a JSON file holds; None where there is none. Raises Unreadable."""
    content = text(path)
    if content is None:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(path, "this is no JSON") from error


def number(path: Path) -> int:
    """The number that a file holds, as a pidfile does; 0 where there is none yet. Raises Unreadable."""
    content = (text(path) or "").strip()
    if content and not (content.isascii() and content.isdigit()):
        raise Unreadable(path, "this is no number")
    return int(content or 0)


def folders(path: Path) -> Iterator[Path]:
    """The folders in a folder; none where it is absent. Raises Unreadable."""
    try:
        with os.scandir(path) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except _ABSENT:
        return
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error


def stamp(path: Path) -> int:
    """A number that changes whenever a file does: its time in ns; 0 where it is absent, 1 where it is out of reach."""
    try:
        return path.lstat().st_mtime_ns
    except _ABSENT:
        return 0
    except OSError:
        return 1


def inside(root: Path, path: str) -> Path:
    """
    Where a path leads that is meant from `root` on, as for a process that has it for its root folder.

    Links of the node such as /var/lib/docker -> /data/docker would lead out of `root` otherwise.
    """
    found, links = root, 0
    todo = _reversed_parts(path)
    while todo:
        part = todo.pop()
        if part == "..":
            found = found if found == root else found.parent
        elif (target := _target(found / part)) is None or links == MAX_LINKS:
            found /= part
        else:
            links += 1
            found = root if target.startswith("/") else found
            todo += _reversed_parts(target)
    return found


def _reversed_parts(path: str) -> list[str]:
    return [part for part in reversed(Path(path).parts) if part != "/"]


def _target(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None
