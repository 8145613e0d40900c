"""What can't be read back is counted and said, and nothing else is lost with it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_disks import CrashError, TrickyDisk, die
from structlog.testing import capture_logs

from agent.spool import Dropped, Spool, SpoolLimits, Tally, Ticket, layout
from agent.spool.layout import RECORD_HEAD, SEGMENT_HEAD
from agent.spool.ledger import SLOT

GOLDEN = Path(__file__).parent / "golden"
INCARNATION = "a2a1b7ce-0f5e-4c3e-9d2a-0c8f7d3a1e55"
LIMITS = SpoolLimits(bytes=64 << 10, age_s=1000.0, held_bytes=8000)
NOW_S = 1e9
BODY = b"batch" * 100
SIZE = RECORD_HEAD + len(BODY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "spool"


def opened(folder: Path, *, disk: TrickyDisk | None = None, now_s: float = NOW_S) -> Spool:
    return Spool.open(folder, limits=LIMITS, boot="boot", now_s=now_s, disk=disk)


def append(spool: Spool, count: int = 1, body: bytes = BODY) -> Ticket:
    """The last ticket."""
    tickets: list[Ticket] = []
    for _ in range(count):
        spool.append(lambda ticket: tickets.append(ticket) or body, until_s=NOW_S, now_s=NOW_S)  # type: ignore[func-returns-value]
    return tickets[-1]


def sequences(spool: Spool) -> list[int]:
    """Of all that waits, acknowledged."""

    def each() -> Iterator[int]:
        while record := spool.oldest():
            spool.acknowledge(record)
            yield record.sequence

    return list(each())


def segment(folder: Path, index: int = 0) -> Path:
    return sorted(folder.glob("*.segment"))[index]


def flip(path: Path, offset: int) -> None:
    """Damage one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("left", [1, RECORD_HEAD - 1, RECORD_HEAD, RECORD_HEAD + 1, SIZE - 1])
def test_a_torn_last_record_is_counted_and_its_sequence_given_again(folder: Path, left: int) -> None:
    """It was never handed out: its append did not return."""
    spool = opened(folder)
    append(spool, 3)
    die(folder)
    os.truncate(segment(folder), SEGMENT_HEAD + 2 * SIZE + left)
    with opened(folder) as again:
        ticket = append(again)
        assert (ticket.incarnation, ticket.sequence) == (spool.incarnation, 3)
        assert ticket.dropped == Dropped(damaged=Tally(1, left))
        assert sequences(again) == [1, 2, 3]


def test_a_damaged_body_costs_its_record_alone(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool, 3)
        flip(segment(folder), SEGMENT_HEAD + SIZE + RECORD_HEAD + 7)
        with capture_logs() as logs:
            assert sequences(spool) == [1, 3]
        assert [log["event"] for log in logs] == ["spool_damaged"]
        assert append(spool).dropped == Dropped(damaged=Tally(1, len(BODY)))


def test_a_damaged_head_costs_the_rest_of_its_segment(folder: Path) -> None:
    """A segment of 2 KiB holds four of these."""
    with opened(folder) as spool:
        append(spool, 10)
        flip(segment(folder), SEGMENT_HEAD + SIZE)
        assert sequences(spool) == [1, *range(5, 11)]
        assert append(spool).dropped == Dropped(damaged=Tally(3, 3 * len(BODY)))


@pytest.mark.parametrize("offset", [SEGMENT_HEAD + SIZE, SEGMENT_HEAD + SIZE + RECORD_HEAD])
def test_damage_that_is_found_at_the_start_is_told_once(folder: Path, offset: int) -> None:
    with opened(folder) as spool:
        append(spool, 10)
    flip(segment(folder), offset)
    arrived = []
    told = Dropped()
    for _ in range(3):
        with opened(folder) as spool:
            arrived += sequences(spool)
            told += append(spool, body=b"").dropped
    assert told.damaged.batches == 10 - len([one for one in arrived if one <= 10])
    assert told.total == told.damaged


def test_a_segment_that_was_taken_away_is_missed_by_number(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool, 12)
    segment(folder, 1).unlink()
    with opened(folder) as again:
        assert append(again).dropped == Dropped(damaged=Tally(4, 4 * len(BODY)))
        assert sequences(again) == [1, 2, 3, 4, 9, 10, 11, 12, 13]
        assert again.incarnation == spool.incarnation


def test_no_sequence_is_given_twice_when_the_newest_segment_was_taken_away(folder: Path) -> None:
    """Nobody knows how many were handed out from it."""
    with opened(folder) as spool:
        append(spool, 12)
    segment(folder, -1).unlink()
    with opened(folder) as again:
        assert again.incarnation != spool.incarnation
        assert append(again).dropped.damaged.batches == 4


def test_no_sequence_is_given_twice_when_the_newest_records_can_not_be_read(folder: Path) -> None:
    spool = opened(folder)
    append(spool, 4)
    die(folder)
    flip(segment(folder), SEGMENT_HEAD + 2 * SIZE)
    with opened(folder) as again:
        assert again.incarnation != spool.incarnation
        assert append(again).sequence == 1


def test_without_its_ledger_a_spool_is_sent_from_the_beginning_under_a_new_incarnation(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool, 3)
        spool.acknowledge(spool.oldest() or pytest.fail("nothing waits"))
    (folder / "ledger").unlink()
    with capture_logs() as logs, opened(folder) as again:
        assert [log["event"] for log in logs] == ["spool_ledger_missing"]
        assert again.incarnation != spool.incarnation
        assert sequences(again) == [1, 2, 3]


def test_without_its_ledger_the_sequences_tell_what_a_damaged_segment_held(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool, 10)
    flip(segment(folder), SEGMENT_HEAD + SIZE)
    (folder / "ledger").unlink()
    with opened(folder) as again:
        assert append(again).dropped.damaged.batches == 3
        assert sequences(again) == [1, *range(5, 11), 1]


def test_a_ledger_with_one_damaged_slot_is_believed_and_doubted(folder: Path) -> None:
    """The damaged one may have been the newer: nothing is lost, but counting begins anew."""
    spool = opened(folder)
    append(spool, 3)
    spool.acknowledge(spool.oldest() or pytest.fail("nothing waits"))
    die(folder)
    assert b'"generation": 3' in (folder / "ledger").read_bytes()[SLOT:]
    flip(folder / "ledger", SLOT + 20)
    with opened(folder) as again:
        assert again.incarnation != spool.incarnation
        assert sequences(again) == [1, 2, 3]


def test_a_ledger_that_can_not_be_read_is_set_aside(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool, 2)
    (folder / "ledger").write_bytes(b"?" * 100)
    with capture_logs() as logs, opened(folder) as again:
        assert sequences(again) == [1, 2]
    assert [(log["event"], log["kept_as"]) for log in logs] == [("spool_set_aside", "ledger.damaged.aside")]
    assert (folder / "ledger.damaged.aside").read_bytes() == b"?" * 100


def test_a_segment_of_another_version_is_set_aside_and_counted(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool, 12)
    path = segment(folder)
    data = bytearray(path.read_bytes())
    data[len(layout.MAGIC)] = 2
    path.write_bytes(data)
    with capture_logs() as logs, opened(folder) as again:
        assert append(again).dropped.damaged.batches == 4
        assert sequences(again) == list(range(5, 14))
    aside = f"{path.name}.version-2.aside"
    assert [(log["event"], log.get("kept_as")) for log in logs] == [("spool_set_aside", aside), ("spool_lost", None)]
    assert (folder / aside).read_bytes() == data


def test_a_ledger_of_another_version_is_set_aside(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool)
    account = json.dumps({"version": 2, "generation": 9}).encode()
    (folder / "ledger").write_bytes(b"%08x " % zlib.crc32(account) + account)
    with opened(folder) as again:
        assert sequences(again) == [1]
    assert (folder / "ledger.version-2.aside").exists()


def test_what_was_set_aside_goes_first_when_room_is_wanted(folder: Path) -> None:
    with opened(folder) as spool:
        append(spool)
    (folder / "000000000099.segment.version-7.aside").write_bytes(bytes(40_000))
    with opened(folder) as again:
        assert again.state(now_s=NOW_S).bytes > 40_000
        append(again, 50)
        assert again.state(now_s=NOW_S).bytes <= LIMITS.bytes
        assert len(sequences(again)) == 51, "segments are numbered on, and none was dropped"
    assert not list(folder.glob("*.aside"))


def test_what_was_set_aside_goes_when_it_is_too_old(folder: Path) -> None:
    opened(folder).close()
    aside = folder / "000000000099.segment.version-7.aside"
    aside.touch()
    opened(folder, now_s=aside.stat().st_ctime + LIMITS.age_s - 1).close()
    assert aside.exists()
    opened(folder, now_s=aside.stat().st_ctime + LIMITS.age_s + 1).close()
    assert not aside.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_trouble_is_said_once_and_ends_by_itself(folder: Path, number: int) -> None:
    disk = TrickyDisk(folder)
    with opened(folder, disk=disk) as spool, capture_logs() as logs:
        append(spool)
        disk.failing, disk.ledger_failing = number, number != errno.ENOSPC
        append(spool, 3)
        state = spool.state(now_s=NOW_S)
        assert state.unwritable == errno.errorcode[number]
        assert state.held == Tally(3, 3 * len(BODY))
        disk.failing, disk.ledger_failing = None, False
        append(spool)
        assert spool.state(now_s=NOW_S).unwritable is None
    assert [log["event"] for log in logs] == ["spool_unwritable", "spool_writable"]
    assert logs[0]["errno"] == errno.errorcode[number]
    assert logs[0]["remedy"]
    with opened(folder) as again:
        assert len(sequences(again)) == 5


def test_what_memory_can_not_hold_is_counted_oldest_first(folder: Path) -> None:
    """8,000 bytes hold sixteen."""
    disk = TrickyDisk(folder)
    with opened(folder, disk=disk) as spool:
        disk.failing = errno.ENOSPC
        append(spool, 20)
        assert spool.state(now_s=NOW_S).held == Tally(16, 8000)
        assert append(spool).dropped == Dropped(unwritable=Tally(1, len(BODY)))
        disk.failing = None
        assert sequences(spool) == list(range(6, 22))


def test_what_is_held_is_delivered_while_the_disk_is_full(folder: Path) -> None:
    disk = TrickyDisk(folder)
    with opened(folder, disk=disk) as spool:
        append(spool, 2)
        disk.failing = errno.ENOSPC
        append(spool, 2)
        assert sequences(spool) == [1, 2, 3, 4]
        assert spool.state(now_s=NOW_S).records == 0


def test_a_sequence_that_the_disk_can_not_remember_is_of_another_incarnation(folder: Path) -> None:
    """It may be delivered and the agent killed, and the next life would count from the same number."""
    disk = TrickyDisk(folder)
    with opened(folder, disk=disk) as spool:
        first = append(spool)
        disk.failing, disk.ledger_failing = errno.EROFS, True
        tickets = [append(spool), append(spool)]
    assert [ticket.sequence for ticket in tickets] == [1, 2]
    assert {ticket.incarnation for ticket in tickets} == {spool.incarnation}
    assert spool.incarnation != first.incarnation


def test_what_memory_held_when_the_agent_was_killed_is_told_by_the_next(folder: Path, tmp_path: Path) -> None:
    disk = TrickyDisk(folder)
    copy = tmp_path / "as it was left"
    with opened(folder, disk=disk) as spool:
        append(spool)
        disk.failing = errno.ENOSPC
        append(spool, 2)
        shutil.copytree(folder, copy)
    with opened(copy) as again:
        assert again.incarnation == spool.incarnation
        assert again.last_window_end_s == NOW_S
        ticket = append(again)
        assert (ticket.sequence, ticket.dropped) == (4, Dropped(unwritable=Tally(2, 2 * len(BODY))))


def test_what_memory_held_is_not_told_if_it_came_to_the_disk_before_the_agent_was_killed(tmp_path: Path) -> None:
    """Killed at each step of writing it down."""
    for fuse in range(0, 7000, 211):
        folder = tmp_path.resolve() / str(fuse)
        disk = TrickyDisk(folder)
        spool = opened(folder, disk=disk)
        append(spool)
        disk.failing = errno.ENOSPC
        append(spool, 2)
        disk.failing, disk.fuse = None, fuse
        with contextlib.suppress(CrashError):
            append(spool)
        die(folder)
        with opened(folder) as again:
            told = append(again).dropped.total.batches
            arrived = [one for one in sequences(again) if one <= 3]
            assert told - (3 - len(arrived)) in (0, 1), "all that is missing, and the one that was being appended"


def test_a_spool_of_the_first_version_is_read(folder: Path) -> None:
    """golden/ was written by version 1: of its three records the first is acknowledged, and the ledger knows two."""
    shutil.copytree(GOLDEN, folder)
    with opened(folder) as spool:
        assert spool.incarnation == INCARNATION
        assert (spool.next_sequence, spool.last_window_end_s) == (4, NOW_S)
        assert append(spool, body=b"four").dropped == Dropped(full=Tally(7, 700))
        bodies = []
        while record := spool.oldest():
            bodies.append((record.sequence, record.until_s, record.body))
            spool.acknowledge(record)
    assert bodies == [(2, NOW_S - 30, b"two"), (3, NOW_S, b"\x00\xff three"), (4, NOW_S, b"four")]


def test_the_format_changes_with_its_version_only() -> None:
    head = layout.head_of(b"two", sequence=2, until_s=NOW_S - 30, carried=Dropped(age=Tally(1, 10)))
    golden = (GOLDEN / "000000000001.segment").read_bytes()
    assert layout.VERSION == 1
    assert golden.startswith(layout.segment_head(INCARNATION, 1))
    assert layout.record(head, b"two") in golden
