"""
Take up a spool where its last life left it.

Flow: folder -> **recovery** -> spool. Damage is no failure: it is counted and said; what can't be read is set aside.
"""

from __future__ import annotations

import errno
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from agent.spool.disk import Disk
from agent.spool.folder import Aside, next_number, segment_files
from agent.spool.layout import IllegibleError, OtherVersionError
from agent.spool.ledger import NAME, Ledger, LedgerFile
from agent.spool.segments import Segments
from agent.spool.survey import Survey
from agent.spool.values import Dropped, SpoolLimits

_MEDIUM: Final = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})
"""What reading damaged media or file systems answers."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a life begins with."""

    ledger: LedgerFile
    segments: Segments
    aside: Aside
    incarnation: str
    next_sequence: int
    last_until_s: float | None
    untold: Dropped
    """Dropped, and not told yet; with what is lost."""
    lost: Dropped
    """Of these, what was found missing now."""


def new_incarnation() -> str:
    """A UUID that nobody had."""
    return str(uuid.uuid4())


def recover(disk: Disk, folder: Path, *, boot: str, limits: SpoolLimits) -> Recovered:
    """What the folder holds; OSError if it can't be written to or read at all."""
    aside = Aside(disk, folder)
    files = segment_files(folder)
    file, ledger, doubtful = _ledger(disk, folder, aside, is_new=not files)
    survey = Survey(ledger)
    for number, path in files:
        _take(survey, number, path, aside)
    goes_on = ledger is not None and ledger.boot == boot and survey.is_certain and not doubtful
    if survey.lost:
        log.warning("spool_lost", folder=str(folder), **_counts(survey.lost))
    return Recovered(
        ledger=file,
        segments=Segments(
            disk,
            folder,
            survey.segments,
            passed=survey.passed,
            offset=survey.offset,
            number=max(next_number(folder), survey.next_number),
            limits=limits,
        ),
        aside=aside,
        incarnation=ledger.incarnation if ledger and goes_on else new_incarnation(),
        next_sequence=survey.next_sequence if goes_on else 1,
        last_until_s=survey.last_until_s,
        untold=survey.untold + survey.lost,
        lost=survey.lost,
    )


def _ledger(disk: Disk, folder: Path, aside: Aside, *, is_new: bool) -> tuple[LedgerFile, Ledger | None, bool]:
    """The ledger's file, what it says, and whether it may have said something newer; a new one where there is none."""
    try:
        return LedgerFile.existing(disk, folder)
    except FileNotFoundError:
        if not is_new:
            log.warning("spool_ledger_missing", folder=str(folder), effect="what it holds is sent from the beginning")
    except (IllegibleError, OtherVersionError) as error:
        _set_aside(aside, folder / NAME, error)
    return LedgerFile.create(disk, folder), None, False


def _take(survey: Survey, number: int, path: Path, aside: Aside) -> None:
    try:
        survey.take(number, path)
    except IllegibleError as error:
        _set_aside(aside, path, error)
    except OSError as error:
        if error.errno not in _MEDIUM:
            raise
        _set_aside(aside, path, error)


def _set_aside(aside: Aside, path: Path, error: Exception) -> None:
    why = f"version-{error.version}" if isinstance(error, OtherVersionError) else "damaged"
    log.warning("spool_set_aside", file=str(path), reason=str(error), kept_as=aside.put(path, why))


def _counts(dropped: Dropped) -> dict[str, int]:
    return {reason.value: tally.batches for reason, tally in dropped.by_reason.items() if tally}
