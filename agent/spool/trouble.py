"""
Say that the disk takes nothing, once, and that it does again.

Flow: segments, ledger -> **trouble** -> log, state.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

import structlog

_REMEDIES: Final = {
    errno.ENOSPC: "make room on the disk of the spool's folder, or lower --spool-bytes",
    errno.EDQUOT: "raise the quota of the agent's user, or lower --spool-bytes",
    errno.EROFS: "the file system went read-only: see the kernel's log (`dmesg`), repair and remount it",
    errno.EIO: "the disk fails: see the kernel's log (`dmesg`), and replace it",
}

log = structlog.get_logger()


class Trouble:
    """Whether the disk takes what it is given."""

    def __init__(self, folder: Path, *, held_bytes: int) -> None:
        self._folder = folder
        self._held_bytes = held_bytes
        self._name: str | None = None

    @property
    def name(self) -> str | None:
        """Of the last errno; None: all is well."""
        return self._name

    def begin(self, error: OSError) -> None:
        """Something could not be written."""
        number = error.errno or 0
        known, self._name = self._name, errno.errorcode.get(number, str(number))
        if known is None:
            log.error(
                "spool_unwritable",
                folder=str(self._folder),
                errno=self._name,
                problem=error.strerror,
                effect=f"batches wait in memory, up to {self._held_bytes} bytes, and are lost if the agent ends",
                remedy=_REMEDIES.get(number, "see the kernel's log (`dmesg`), and the folder's permissions"),
            )

    def end(self, *, lost: int) -> None:
        """All is on the disk; `lost`: batches that never came there since the agent started."""
        if self._name is not None:
            log.info("spool_writable", folder=str(self._folder), lost_unwritable=lost)
            self._name = None
