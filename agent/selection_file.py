"""
Take up a changed selection file while the agent runs.

Flow: **selection file** -> selection -> names. A ConfigMap's file changes by a new symbolic link, so the file's
identity is looked at, not only its time. What can't be used is said once, and the rules before it stay in force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from agent.selection import EVERYTHING, Rules, rules_from
from kinwatch.errors import InputError

MAX_BYTES: Final = 1 << 18
"""A quarter of what a ConfigMap holds: it is read beside the capture, in a fraction of a second."""

log = structlog.get_logger()


class SelectionFile:
    """The rules that are in force."""

    def __init__(self, path: Path | None) -> None:
        """Read the file; raises InputError when it can't be used. None: everything is watched."""
        self._path = path
        self._seen = _identity(path)
        self.rules: Rules = EVERYTHING if path is None else _read(path)

    def look(self) -> None:
        """Read the file again if it has changed."""
        identity = _identity(self._path)
        if self._path is None or identity == self._seen:
            return
        self._seen = identity
        try:
            self.rules = _read(self._path)
        except InputError as error:
            log.warning("selection_refused", file=str(self._path), problem=error.problem, remedy=error.remedy)
        else:
            log.info("selection_changed", file=str(self._path))


def _identity(path: Path | None) -> tuple[int, ...] | None:
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status else None


def _read(path: Path) -> Rules:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"reading the selection in {path}: {error.strerror}",
            remedy="give --selection a file that is there and can be read, or leave it out to watch everything",
        ) from error
    if len(content) > MAX_BYTES:
        raise InputError(
            f"the selection in {path} is larger than {MAX_BYTES} bytes", remedy="use fewer rules, with globs"
        )
    try:
        return rules_from(content.decode(), source=str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"the selection in {path} is no UTF-8 text", remedy="see docs/identity.md") from error
