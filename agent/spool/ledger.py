"""
Keep account of what was handed out and what was delivered, so that a crash forgets neither.

Flow: spool -> **ledger** -> recovery. Two slots of a file, written in turn: one that is torn by a crash leaves the
other. They are written in place, not renamed over, since that needs no room: a full disk can still be read empty.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.spool.disk import Disk
from agent.spool.layout import VERSION, IllegibleError, OtherVersionError
from agent.spool.values import NOTHING, Dropped, Tally

NAME: Final = "ledger"
SLOT: Final = 4096
"""Bytes of a slot: a page, which a killed process writes as a whole or not at all. The account takes some 600."""
SLOTS: Final = 2

Place = tuple[int, int]
"""Number of a segment, and an offset in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The account at one moment."""

    incarnation: str
    boot: str
    """The kernel's boot id."""
    next_sequence: int
    """What the next record gets at least: those after `end` were appended since."""
    cursor: Place
    """Of the first record that was neither acknowledged nor dropped."""
    end: Place
    """Behind the last record on the disk."""
    waiting: Tally
    """Between these two."""
    held: Tally = NOTHING
    """In memory only, which a crash loses."""
    untold: Dropped = field(default_factory=Dropped)
    """Dropped, and in no batch on the disk: with what those in memory would tell."""
    last_until_s: float | None = None
    """The latest end of a window; a late batch is of an earlier one than the batch before it."""


class LedgerFile:
    """The file; `write` raises OSError."""

    def __init__(self, disk: Disk, descriptor: int, *, generation: int, incarnation: str | None) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self._generation = generation
        self._incarnation = incarnation

    @classmethod
    def create(cls, disk: Disk, folder: Path) -> LedgerFile:
        """A new one, with room for both slots; OSError."""
        descriptor = disk.create(folder / NAME)
        try:
            disk.write(descriptor, bytes(SLOT * SLOTS), 0)
            disk.sync(descriptor)
            disk.sync_folder(folder)
        except OSError:
            os.close(descriptor)
            disk.remove(folder / NAME)
            raise
        return cls(disk, descriptor, generation=0, incarnation=None)

    @classmethod
    def existing(cls, disk: Disk, folder: Path) -> tuple[LedgerFile, Ledger, bool]:
        """
        The one in this folder, what it says, and whether it may have said something newer.

        FileNotFoundError, other OSError, IllegibleError or OtherVersionError.
        """
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            generation, ledger, doubtful = _newest(os.pread(descriptor, SLOT * SLOTS, 0))
        except (OSError, IllegibleError):
            os.close(descriptor)
            raise
        file = cls(disk, descriptor, generation=generation, incarnation=ledger.incarnation)
        return file, ledger, doubtful

    def write(self, ledger: Ledger) -> None:
        """Return when it is on the medium; on OSError what was there before counts."""
        generation = self._generation + 1
        self._disk.write(self._descriptor, _slot(generation, ledger), SLOT * (generation % SLOTS))
        # Whatever comes of the sync: this slot may be read back from now on.
        self._generation = generation
        self._incarnation = ledger.incarnation
        self._disk.sync(self._descriptor)

    def names(self, incarnation: str) -> bool:
        """Whether the next life would go on counting under this incarnation."""
        return self._incarnation == incarnation

    def close(self) -> None:
        """Let go of the file; a `write` that comes too late finds no descriptor, rather than somebody else's."""
        os.close(self._descriptor)
        self._descriptor = -1


def _slot(generation: int, ledger: Ledger) -> bytes:
    # The version first: what comes after it may change with it.
    account = {"version": VERSION, "generation": generation, **dataclasses.asdict(ledger)}
    text = json.dumps(account).encode()
    return (b"%08x " % zlib.crc32(text) + text + b"\n").ljust(SLOT)


def _newest(data: bytes) -> tuple[int, Ledger, bool]:
    """Generation, account, and whether the other slot is damaged, which may have been the newer one."""
    slots = [data[start : start + SLOT] for start in range(0, SLOT * SLOTS, SLOT)]
    accounts = [_account(slot) for slot in slots]
    legible = [account for account in accounts if account is not None]
    if not legible:
        raise IllegibleError("neither of its two slots can be read")
    newest = max(legible, key=lambda account: int(account.get("generation", 0)))
    if newest.get("version") != VERSION:
        raise OtherVersionError(newest.get("version", 0))
    damaged = any(account is None and slot.strip(b"\0") for slot, account in zip(slots, accounts, strict=True))
    return newest["generation"], _ledger(newest), damaged


def _account(slot: bytes) -> dict[str, Any] | None:
    """What a slot says; None where its checksum does not fit."""
    crc, _, text = slot.rstrip().partition(b" ")
    if crc != b"%08x" % zlib.crc32(text):
        return None
    account: dict[str, Any] = json.loads(text)
    return account


def _ledger(account: dict[str, Any]) -> Ledger:
    def tally(of: dict[str, int]) -> Tally:
        return Tally(of["batches"], of["bytes"])

    return Ledger(
        incarnation=account["incarnation"],
        boot=account["boot"],
        next_sequence=account["next_sequence"],
        cursor=(account["cursor"][0], account["cursor"][1]),
        end=(account["end"][0], account["end"][1]),
        waiting=tally(account["waiting"]),
        held=tally(account["held"]),
        untold=Dropped(**{reason: tally(of) for reason, of in account["untold"].items()}),
        last_until_s=account["last_until_s"],
    )
