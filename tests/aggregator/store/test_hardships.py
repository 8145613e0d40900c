"""What is acknowledged stays, whatever happens to the processes, the disk and the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from keeping import BOOT, STORED, Place, batch, everything, keys, window
from postgresql_server import PostgresqlServer

from aggregator.store.faults import StoreBusy, StoreFull, StoreLost
from aggregator.store.postgresql import Postgresql
from aggregator.store.sqlite import FILE_NAME, Sqlite
from aggregator.store.store import Store
from aggregator.store.values import Received

HERE = Path(__file__).parent
KILLS = int(os.environ.get("KINWATCH_KILLS", "8"))
"""The bar is 100; the moments are other ones with each run."""


def program(name: str, *arguments: object) -> list[str]:
    """The command line of a program beside this file."""
    return [sys.executable, str(HERE / name), *map(str, arguments)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[2]), str(HERE)])}


# --- processes --------------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_outlives_sigkill(place: Place) -> None:
    """Killed at random moments; each of the batches that are there is whole, and is counted."""
    seed = int.from_bytes(os.urandom(4))
    command = program("killed_adders.py", place.url or "-", place.data_dir, KILLS, seed)
    told = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=100)
    acknowledged = {("node-1", *json.loads(line)) for line in told.stdout.splitlines()}
    store = place.open()
    found = everything(store)
    assert acknowledged, told.stderr
    assert acknowledged <= set(keys(found)), seed
    assert len(set(keys(found))) == len(found)
    assert all(one.body == one.body[:8] * (len(one.body) // 8) and len(one.body) == 10_000 for one in found)
    assert {kept.window: kept.batches for kept in store.windows()} == Counter(one.window for one in found)
    if place.url is None:
        with store._database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_two_aggregators_store_each_batch_once_and_judge_each_window_once(place: Place) -> None:
    """They start at once, make the tables, and get the same batches in another order."""
    command = program("racing_aggregators.py", place.url or "-", place.data_dir)
    told = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert not told.stderr
    one, other = map(json.loads, told.stdout.splitlines())
    assert sorted(one["stored"] + other["stored"]) == list(range(1, 201))
    assert sorted(one["judged"] + other["judged"]) == list(range(40))
    assert {*one["outcomes"], *other["outcomes"]} == {"stored", "duplicate"}
    store = place.open()
    assert sum(kept.batches for kept in store.windows()) == len(everything(store)) == 200


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a small disk can be mounted on, for a process of its own."""
    folder = tmp_path_factory.mktemp("disk")
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(folder)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs to be allowed to mount a disk: root with CAP_SYS_ADMIN")
    return folder


@pytest.fixture(scope="module")
def filled(disk: Path) -> list[dict[str, Any]]:
    """What full_disk.py tells: of a store that leaves nothing free, and of one that leaves 1 MiB."""
    command = ["unshare", "--mount", *program("full_disk.py", disk, 0, 1 << 20)]
    told = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.mark.xdist_group("disk")
def test_sqlite_on_a_full_disk_refuses_and_recovers(filled: list[dict[str, Any]]) -> None:
    """Nothing is left free: the disk itself says no. When somebody makes room, the same store goes on."""
    told = filled[0]
    assert told["acknowledged"] == told["kept_at_full"] > 100
    assert told["refused_again"]
    assert "full" in told["refusal"][0]
    assert "make room" in told["refusal"][1]
    assert told["more"] > 0
    assert told["found"] == told["last"] == told["acknowledged"] + told["more"]
    assert told["integrity"] == "ok"


@pytest.mark.xdist_group("disk")
def test_sqlite_leaves_room_so_that_retention_can_make_more(filled: list[dict[str, Any]]) -> None:
    """A full store forgets, gives the disk the room back, and goes on by itself."""
    told = filled[1]
    assert told["acknowledged"] == told["kept_at_full"] > 100
    assert "1 MiB stay free" in told["refusal"][0]
    assert told["forgotten"] == 100
    assert told["found"] == told["acknowledged"] + told["more"] - 100
    assert told["integrity"] == "ok"


def test_sqlite_that_may_not_grow_refuses_and_recovers(tmp_path: Path) -> None:
    """The same where nothing can be mounted: the file may have a hundred pages."""
    database = Sqlite(tmp_path)
    store = Store(database)
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100")
    assert store.add([batch(1, body=bytes(100_000))]) == [STORED]
    with pytest.raises(StoreFull, match="full"):
        store.add([batch(2), batch(3, body=bytes(400_000))])
    assert keys(everything(store)) == keys([batch(1)])
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000")
    assert store.add([batch(2), batch(3, body=bytes(400_000))]) == [STORED, STORED]
    store.close()


@pytest.mark.xdist_group("disk")
def test_postgresql_on_a_full_disk_refuses_and_recovers(disk: Path) -> None:
    """Its disk, not ours."""
    del disk
    with PostgresqlServer(small_disk=True) as server:
        server.execute(f"CREATE TABLESPACE small LOCATION '{server.folder / 'small'}'")
        url = server.new_database("small", options="TABLESPACE small")
        with closing(Store.open(url, Path())) as store, psycopg.connect(url, autocommit=True) as other:
            other.execute("CREATE TABLE ballast AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
            # What the server has yet to write of the new database would not find room later.
            other.execute("CHECKPOINT")
            acknowledged, refusal = added_until_full(store)
            other.execute("DROP TABLE ballast")
            assert "No space left" in refusal.problem
            assert "server's disk" in refusal.remedy
            assert store.add([large(acknowledged + 1)]) == [STORED]
            assert len(everything(store)) == acknowledged + 1 > 10


def large(sequence: int) -> Received:
    """A batch that a small disk has not room for many of."""
    return batch(sequence, number=1, body=os.urandom(100_000))


def added_until_full(store: Store) -> tuple[int, StoreFull]:
    """How many batches were acknowledged until the store was full, and what it said then."""
    acknowledged = 0
    while True:
        try:
            assert store.add([large(acknowledged + 1)]) == [STORED]
        except StoreFull as refusal:
            return acknowledged, refusal
        acknowledged += 1


# --- the database -----------------------------------------------------------------------------------------------------


def test_sqlite_waits_for_others_and_says_when_it_took_too_long(tmp_path: Path) -> None:
    store = Store(Sqlite(tmp_path, busy_s=0.05))
    other = Sqlite(tmp_path)
    with other.writing(), pytest.raises(StoreBusy, match="locked") as caught:
        store.add([batch(1)])
    assert "--database-url" in caught.value.remedy
    assert store.add([batch(1)]) == [STORED]
    with store._database.writing(), pytest.raises(StoreBusy, match=r"for 0\.05 s"):
        store.add([batch(2)])
    other.close()
    store.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_sqlite_acknowledges_nothing_into_a_file_that_was_removed(tmp_path: Path, *, replaced: bool) -> None:
    """It would be written to a file that nobody finds any more."""
    store = Store.open(None, tmp_path)
    (tmp_path / FILE_NAME).unlink()
    if replaced:
        (tmp_path / FILE_NAME).touch()
    with pytest.raises(StoreLost, match="was replaced" if replaced else "is gone") as caught:
        store.add([batch(1)])
    assert "anew" in caught.value.remedy
    store.close()


def test_sqlite_says_that_its_file_is_damaged(tmp_path: Path) -> None:
    store = Store.open(None, tmp_path)
    store.add([batch(sequence, body=bytes(10_000)) for sequence in range(1, 50)])
    store.close()
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StoreLost, match="malformed") as caught:
        Store.open(None, tmp_path)
    assert "backup" in caught.value.remedy


@pytest.mark.xdist_group("postgresql")
def test_postgresql_waits_for_a_lock_and_says_when_it_took_too_long(server: PostgresqlServer, shared: str) -> None:
    """Somebody rebuilds the table by hand, say."""
    del server
    store, other = Store(Postgresql(shared, wait_s=0.1)), Postgresql(shared)
    with other.writing() as connection:
        connection.exec_driver_sql("LOCK TABLE batches")
        with pytest.raises(StoreBusy, match="lock timeout"):
            store.add([batch(1)])
    other.close()
    store.close()


@pytest.mark.xdist_group("postgresql")
def test_postgresql_is_found_again_after_it_was_restarted(server: PostgresqlServer, database: str) -> None:
    """Meanwhile it is lost; the same store goes on with the batches that were not acknowledged."""
    store = Store.open(database, Path())
    assert store.add([batch(1)]) == [STORED]
    server.stop()
    try:
        for attempt in (lambda: store.add([batch(2)]), store.pending, store.nodes, lambda: list(store.windows())):
            with pytest.raises(StoreLost, match="PostgreSQL, /tmp/") as caught:
                attempt()
            assert "see that the server runs" in caught.value.remedy
    finally:
        server.start()
    assert store.add([batch(1), batch(2)]) == ["duplicate", STORED]
    assert keys(store.batches_of(window(2))) == [("node-1", BOOT, 2)]
    store.close()


@pytest.mark.xdist_group("postgresql")
def test_postgresql_that_ends_a_connection_in_the_middle_loses_nothing(server: PostgresqlServer, database: str) -> None:
    """What was not acknowledged is not there, and may come again."""
    store = Store.open(database, Path())
    with pytest.raises(StoreLost), store._database.writing() as connection:  # noqa: PT012 - it ends in the middle
        connection.exec_driver_sql("DELETE FROM nodes")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kinwatch'")
        connection.exec_driver_sql("SELECT 1")
    assert store.add([batch(1)]) == [STORED]
    store.close()
