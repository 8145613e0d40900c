"""Kills, full disks and stops: what was acknowledged is stored."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from uuid import UUID

import pytest
from batching import START, body
from running import Running, serving, wait_for
from urllib3.exceptions import HTTPError

from aggregator.store.store import Store
from kinwatch.snapshot import Window

KILLS = int(os.environ.get("KINWATCH_TEST_KILLS", "3"))
SENDERS = 4


class Sender:
    """An agent that sends one batch after the other, and notes what was acknowledged."""

    def __init__(self, server: Running, number: int) -> None:
        self._server, self._node = server, f"node-{number}"
        self.acknowledged: set[tuple[str, int]] = set()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _send(self) -> None:
        boot = str(UUID(bytes=os.urandom(16)))
        try:
            for sequence in range(1, 10_000):
                status = self._server.post(body(sequence, node=self._node, boot=boot)).status
                if status != 201:
                    return
                self.acknowledged.add((boot, sequence))
        except HTTPError:
            return  # it was killed


def stored(folder: Path) -> set[tuple[str, int]]:
    store = Store.open(None, folder / "data")
    found = {(one.key.boot, one.key.sequence) for one in store.batches_of(Window(start=START, seconds=30.0))}
    store.close()
    return found


def loaded(folder: Path, end: str) -> tuple[set[tuple[str, int]], int]:
    """Let senders send until some batches are acknowledged, and end the server; what was, and its exit code."""
    with serving(folder, "--no-auth") as server:
        senders = [Sender(server, number) for number in range(SENDERS)]
        with senders[0], senders[1], senders[2], senders[3]:
            wait_for(lambda: sum(len(one.acknowledged) for one in senders) > 20, "some to be acknowledged")
            getattr(server.process, end)()
            code = server.process.wait(15)
    return set().union(*(one.acknowledged for one in senders)), code


def test_nothing_that_was_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    """SIGKILL in the middle of a load, again and again; KINWATCH_TEST_KILLS says how often."""
    acknowledged: set[tuple[str, int]] = set()
    for _ in range(KILLS):
        acknowledged |= loaded(tmp_path, "kill")[0]
    assert acknowledged <= stored(tmp_path)


def test_sigterm_stores_and_answers_what_was_taken(tmp_path: Path) -> None:
    """What is stored was acknowledged, and the other way round; the exit code is 0."""
    acknowledged, code = loaded(tmp_path, "terminate")
    assert code == 0
    assert acknowledged == stored(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder for a small disk, which a process of its own mounts."""
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs to be allowed to mount a disk: root with CAP_SYS_ADMIN")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def server(disk: Path) -> Iterator[Running]:
    """A server whose data are on a disk of 80 MiB, of which the store leaves 64 free."""
    mount = f'mount -t tmpfs -o size=80m none {disk / "data"} && exec "$@"'
    with serving(disk, "--no-auth", wrap=("unshare", "--mount", "sh", "-c", mount, "sh")) as running:
        yield running


def test_a_full_disk_is_told_and_recovers_by_itself(server: Running, disk: Path) -> None:
    """507 while it lasts, with when to come again; 201 as soon as there is room."""
    filler = Path(f"/proc/{server.process.pid}/root") / (disk / "data" / "filler").relative_to("/")
    assert server.post(body(1)).status == 201
    filler.write_bytes(bytes(40 << 20))
    full = server.post(body(2))
    assert (full.status, full.json()["reason"], full.headers["Retry-After"]) == (507, "store_full", "30")
    ready = server.get("/readyz")
    assert (ready.status, b"make room" in ready.data) == (503, True)
    filler.unlink()
    assert server.post(body(2)).status == 201
    assert server.get("/readyz").status == 200
    assert server.post(body(1)).status == 200
