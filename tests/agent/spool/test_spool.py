"""What goes into the spool comes out in order, or is counted."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.spool import Dropped, Record, Spool, SpoolLimits, Tally, Ticket
from agent.spool.ledger import SLOT, SLOTS
from kinwatch.errors import InputError, NodeError

LIMITS = SpoolLimits(bytes=64 << 10, age_s=1000.0, held_bytes=8000)
NOW_S = 1e9
BODY = b"batch" * 400
Open = Callable[..., Spool]


@pytest.fixture
def open_spool(tmp_path: Path) -> Open:
    def open_one(*, boot: str = "boot", limits: SpoolLimits = LIMITS, now_s: float = NOW_S) -> Spool:
        return Spool.open(tmp_path / "spool", limits=limits, boot=boot, now_s=now_s)

    return open_one


def append(spool: Spool, *bodies: bytes, now_s: float = NOW_S) -> list[Ticket]:
    """The tickets that these batches were given."""
    tickets: list[Ticket] = []
    for body in bodies:
        spool.append(lambda ticket, body=body: tickets.append(ticket) or body, until_s=now_s, now_s=now_s)  # type: ignore[misc]
    return tickets


def drain(spool: Spool) -> list[Record]:
    """All that waits, acknowledged."""
    records = []
    while record := spool.oldest():
        records.append(record)
        spool.acknowledge(record)
    return records


def test_batches_come_out_in_order_each_with_its_sequence(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"one", b"", b"three")
        records = drain(spool)
    assert [(one.sequence, one.body) for one in records] == [(1, b"one"), (2, b""), (3, b"three")]
    assert {one.incarnation for one in records} == {spool.incarnation}
    assert {one.until_s for one in records} == {NOW_S}


def test_state_is_told_while_the_disk_does_not_answer(open_spool: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was last known, and that it is so: readiness and metrics must not hang with the disk."""
    monkeypatch.setattr("agent.spool.spool.STATE_WAIT_S", 0.01)
    written, go_on = threading.Event(), threading.Event()

    def hang(_: Ticket) -> bytes:
        written.set()
        go_on.wait(60)
        return BODY

    with open_spool() as spool:
        append(spool, BODY)
        before = spool.state(now_s=NOW_S)
        hanging = threading.Thread(target=lambda: spool.append(hang, until_s=NOW_S, now_s=NOW_S))
        hanging.start()
        written.wait(60)
        meanwhile = spool.state(now_s=NOW_S)
        go_on.set()
        hanging.join()
        after = spool.state(now_s=NOW_S)
    assert (before.records, before.unwritable) == (1, None)
    assert (meanwhile.records, meanwhile.unwritable) == (1, "ETIMEDOUT")
    assert (after.records, after.unwritable) == (2, None)


def test_the_oldest_stays_until_it_is_acknowledged(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"one", b"two")
        first = spool.oldest()
        assert first == spool.oldest()
        assert first is not None
        spool.acknowledge(first)
        spool.acknowledge(first)
        assert [one.body for one in drain(spool)] == [b"two"]
        assert spool.oldest() is None


def test_a_restart_forgets_nothing_and_counts_on(open_spool: Open) -> None:
    with open_spool() as spool:
        assert spool.last_window_end_s is None
        append(spool, b"one", b"two")
        spool.acknowledge(spool.oldest() or pytest.fail("nothing waits"))
    with open_spool() as again:
        assert again.incarnation == spool.incarnation
        assert again.next_sequence == 3
        assert again.last_window_end_s == NOW_S
        append(again, b"three")
        assert [(one.sequence, one.body) for one in drain(again)] == [(2, b"two"), (3, b"three")]


def test_a_spool_that_was_read_empty_counts_on(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"one")
        drain(spool)
    with open_spool() as again:
        assert append(again, b"two")[0].sequence == 2
        assert again.incarnation == spool.incarnation
        assert again.state(now_s=NOW_S).segments == 1, "what was delivered in an earlier life is off the disk"


def test_after_a_boot_what_waits_keeps_its_key_and_what_comes_has_another(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"one")
    with open_spool(boot="next boot") as again:
        assert again.incarnation != spool.incarnation
        assert again.next_sequence == 1
        append(again, b"one again")
        records = drain(again)
    assert [(one.incarnation, one.sequence) for one in records] == [(spool.incarnation, 1), (again.incarnation, 1)]


def test_a_full_spool_drops_its_oldest_and_counts_it(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, *[BODY] * 60)
        state = spool.state(now_s=NOW_S)
        records = drain(spool)
    assert state.bytes <= LIMITS.bytes
    assert state.records > 20
    assert state.dropped.full.batches == 60 - state.records
    assert state.dropped.full.bytes == state.dropped.full.batches * len(BODY)
    assert state.dropped.total == state.dropped.full
    assert [one.sequence for one in records] == list(range(61 - state.records, 61))


def test_what_a_dropped_batch_would_have_told_another_tells(open_spool: Open) -> None:
    """However many carriers are dropped: what arrives and what is told make up what was appended."""
    tickets: dict[int, Ticket] = {}
    with open_spool() as spool:
        for _ in range(3):
            tickets |= {one.sequence: one for one in append(spool, *[BODY] * 60)}
        arrived = [one.sequence for one in drain(spool)]
        tickets |= {one.sequence: one for one in append(spool, b"last")}
        arrived += [one.sequence for one in drain(spool)]
    told = sum((tickets[one].dropped for one in arrived), Dropped())
    assert told.full.batches == 181 - len(arrived)


def test_a_batch_that_waited_too_long_goes_alone(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"old", now_s=NOW_S)
        append(spool, b"young", now_s=NOW_S + 500)
        (ticket,) = append(spool, b"now", now_s=NOW_S + 1001)
        assert ticket.dropped == Dropped(age=Tally(1, 3))
        assert [one.body for one in drain(spool)] == [b"young", b"now"]


def test_a_batch_that_grew_too_old_while_the_agent_was_away_is_told(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"old")
    with open_spool(now_s=NOW_S + 2000) as again:
        assert again.oldest() is None
        assert again.last_window_end_s == NOW_S
        (ticket,) = append(again, b"now", now_s=NOW_S + 2000)
        assert ticket.dropped == Dropped(age=Tally(1, 3))


def test_what_was_dropped_is_told_once_across_a_restart(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"old")
        append(spool, b"tells", now_s=NOW_S + 1001)
    with open_spool(now_s=NOW_S + 1001) as again:
        (ticket,) = append(again, b"has nothing to tell", now_s=NOW_S + 1001)
        assert not ticket.dropped


def test_a_batch_larger_than_the_spool_is_counted_and_nothing_else_goes(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"one", b"x" * LIMITS.bytes)
        (ticket,) = append(spool, b"three")
        assert ticket.sequence == 3
        assert ticket.dropped == Dropped(full=Tally(1, LIMITS.bytes))
        assert [one.body for one in drain(spool)] == [b"one", b"three"]


def test_an_acknowledgement_of_what_was_dropped_meanwhile_takes_no_other(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, b"old")
        in_flight = spool.oldest()
        assert in_flight is not None
        append(spool, b"now", now_s=NOW_S + 1001)
        spool.acknowledge(in_flight)
        assert [one.body for one in drain(spool)] == [b"now"]


def test_a_batch_that_can_not_be_made_leaves_no_gap(open_spool: Open) -> None:
    def fail(_: Ticket) -> bytes:
        raise ZeroDivisionError

    with open_spool() as spool:
        with pytest.raises(ZeroDivisionError):
            spool.append(fail, until_s=NOW_S, now_s=NOW_S)
        assert append(spool, b"one")[0].sequence == 1


def test_state_counts_what_waits(open_spool: Open, tmp_path: Path) -> None:
    with open_spool() as spool:
        assert spool.state(now_s=NOW_S).oldest_age_s is None
        append(spool, b"one", b"two")
        state = spool.state(now_s=NOW_S + 7)
    assert (state.records, state.segments, state.oldest_age_s, state.unwritable) == (2, 1, 7.0, None)
    assert state.bytes == sum(path.stat().st_size for path in (tmp_path / "spool").iterdir() if path.name != "lock")
    assert state.bytes > SLOT * SLOTS


def test_a_segment_goes_when_all_of_it_was_delivered(open_spool: Open) -> None:
    with open_spool() as spool:
        append(spool, *[BODY] * 12)
        assert spool.state(now_s=NOW_S).segments > 5
        drain(spool)
        assert spool.state(now_s=NOW_S).segments == 1


def test_what_was_delivered_leaves_the_disk_within_a_24th_of_the_age(open_spool: Open, tmp_path: Path) -> None:
    with open_spool() as spool:
        append(spool, b"secret")
        drain(spool)
        append(spool, b"later", now_s=NOW_S + 42)
        assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "spool").iterdir())


def test_one_thread_appends_while_another_delivers(open_spool: Open) -> None:
    delivered: list[Record] = []
    with open_spool() as spool:
        ended = threading.Event()

        def deliver() -> None:
            while not (ended.is_set() and spool.oldest() is None):
                delivered.extend(drain(spool))

        thread = threading.Thread(target=deliver)
        thread.start()
        for _ in range(300):
            append(spool, b"x" * 20)
        ended.set()
        thread.join()
    assert [one.sequence for one in delivered] == list(range(1, 301))


def test_files_are_for_their_owner_only(open_spool: Open, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    with open_spool() as spool:
        append(spool, b"one")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert modes == {"lock": 0o600, "ledger": 0o600, "000000000001.segment": 0o600}


def test_a_second_agent_is_told_who_is_first(open_spool: Open) -> None:
    with open_spool(), pytest.raises(NodeError, match=rf"process {os.getpid()}.*--spool"):
        open_spool()
    open_spool().close()


def test_the_lock_of_a_killed_agent_is_free(open_spool: Open, tmp_path: Path) -> None:
    holder = (
        "import sys\nfrom pathlib import Path\nfrom agent.spool import Spool, SpoolLimits\n"
        "spool = Spool.open(Path(sys.argv[1]), limits=SpoolLimits(), boot='boot', now_s=1e9)\n"
        "print('held', flush=True)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "spool")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(NodeError, match=f"process {process.pid}"):
            open_spool()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    open_spool().close()


def test_a_folder_that_can_not_be_used_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/below", Path("/proc/spool")):
        with pytest.raises(NodeError, match=rf"can't be kept in {folder}.*--spool"):
            Spool.open(folder, limits=LIMITS, boot="boot", now_s=NOW_S)


def test_a_link_in_the_place_of_a_file_is_not_followed(open_spool: Open, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "spool/lock").symlink_to(tmp_path / "precious")
    with pytest.raises(NodeError):
        open_spool()
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("limits", [{"bytes": 1000}, {"age_s": 0.0}, {"held_bytes": -1}])
def test_limits_that_can_not_work_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InputError):
        SpoolLimits(**limits)
