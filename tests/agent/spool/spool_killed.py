"""
An agent that spools and sends in two threads, and is killed again and again; what it did stands in a journal.

Run as `spool_killed.py FOLDER JOURNAL KILLS SEED`. Each life is a fork, so that a hundred of them take seconds. The
journal's lines are written before the next thing is done, and outlive SIGKILL:

    appended INCARNATION SEQUENCE TOLD    append returned; TOLD batches were told to be dropped
    stored INCARNATION SEQUENCE           the aggregator has it
    acknowledged INCARNATION SEQUENCE     acknowledge returned
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from agent.spool import Spool, SpoolLimits, Ticket

WINDOW_S = 30.0
LINES = 30
"""That a life writes before it may be killed, at most."""
LATE_S = 0.003
"""How long after that it is killed, at most: a few times as long as an append takes."""
ENDLESS_S = 60.0


class Journal:
    """What was done, in a file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *words: object) -> None:
        os.write(self._descriptor, (" ".join(map(str, words)) + "\n").encode())


def live(folder: Path, journal: Journal, *, batches: int | None) -> None:
    """Spool so many batches, or until killed, and send what waits meanwhile."""
    now_s = 1e9
    spool = Spool.open(folder, limits=SpoolLimits(bytes=1 << 20), boot="boot", now_s=now_s)
    ended = threading.Event()
    sender = threading.Thread(target=send, args=(spool, journal, ended))
    sender.start()
    while batches is None or batches > 0:
        given: list[Ticket] = []

        def batch(ticket: Ticket, given: list[Ticket] = given) -> bytes:
            given.append(ticket)
            return f"{ticket.incarnation} {ticket.sequence}".encode().ljust(2000 + ticket.sequence % 3000)

        spool.append(batch, until_s=now_s, now_s=now_s)
        journal.write("appended", given[-1].incarnation, given[-1].sequence, given[-1].dropped.total.batches)
        batches = None if batches is None else batches - 1
    ended.set()
    sender.join()
    spool.close()


def send(spool: Spool, journal: Journal, ended: threading.Event) -> None:
    """Be sender and aggregator."""
    while True:
        last = ended.is_set()
        record = spool.oldest()
        if record is None:
            if last:
                return
            continue
        journal.write("stored", *record.body.decode().split())
        spool.acknowledge(record)
        journal.write("acknowledged", record.incarnation, record.sequence)


def born(folder: Path, path: Path, *, batches: int | None) -> int:
    """The pid of a life; it never returns from here."""
    pid = os.fork()
    if pid:
        return pid
    live(folder, Journal(path), batches=batches)
    os._exit(0)


def kill(pid: int, path: Path, chance: random.Random) -> None:
    """Wait until the life has written some lines, and a moment more, and kill it."""
    began, start_s = path.stat().st_size, time.monotonic()
    lines = chance.randrange(LINES)
    while path.read_bytes()[began:].count(b"\n") < lines:
        assert time.monotonic() < start_s + ENDLESS_S, "nothing is written"
    late_s = time.monotonic() + chance.uniform(0, LATE_S)
    while time.monotonic() < late_s:
        pass
    os.kill(pid, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


if __name__ == "__main__":
    spool_folder, journal_path, kills, seed = sys.argv[1:]
    Path(journal_path).touch()
    fortune = random.Random(int(seed))  # noqa: S311 - moments, no secrets
    for _ in range(int(kills)):
        kill(born(Path(spool_folder), Path(journal_path), batches=None), Path(journal_path), fortune)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(born(Path(spool_folder), Path(journal_path), batches=2), 0)[1]))
