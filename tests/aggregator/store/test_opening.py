"""A store opens, or says what stands in the way and what to do about it."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from keeping import Place, batch
from postgresql_server import PASSWORD, PostgresqlServer
from sqlalchemy import create_engine, text

from aggregator.store.faults import StoreLost
from aggregator.store.store import Store
from kinwatch.errors import InputError, NodeError, OperatorError


def refusal(url: str | None, data_dir: Path = Path("/nonexistent")) -> OperatorError:
    """The error with which a store does not open."""
    with pytest.raises(OperatorError) as caught:
        Store.open(url, data_dir)
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_sqlite_makes_its_folder_and_lets_nobody_else_in(tmp_path: Path) -> None:
    """The log beside it too: it holds the same batches."""
    store = Store.open(None, tmp_path / "deep" / "data")
    store.add([batch(1)])
    files = sorted((tmp_path / "deep" / "data").iterdir())
    assert [file.name for file in files] == ["kinwatch.db", "kinwatch.db-shm", "kinwatch.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700
    store.close()


def test_sqlite_closes_a_file_to_others_that_was_open_to_them(tmp_path: Path) -> None:
    Store.open(None, tmp_path).close()
    (tmp_path / "kinwatch.db").chmod(0o644)
    Store.open(None, tmp_path).close()
    assert stat.S_IMODE((tmp_path / "kinwatch.db").stat().st_mode) == 0o600


def test_sqlite_writes_ahead_and_to_the_disk(tmp_path: Path) -> None:
    """What is acknowledged outlives the loss of power only with synchronous=FULL."""
    store = Store.open(None, tmp_path)
    with store._database.writing() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "auto_vacuum", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "auto_vacuum": 2, "busy_timeout": 5000}
    store.close()


@pytest.mark.parametrize("folder", ["file/data", "file"])
def test_a_folder_that_can_not_be_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    error = refusal(None, tmp_path / folder)
    assert isinstance(error, NodeError)
    assert "kinwatch.db" in error.problem
    assert "--data-dir" in error.remedy


def test_a_folder_that_nobody_writes_to() -> None:
    """Not even root makes a folder there."""
    error = refusal(None, Path("/sys/kinwatch"))
    assert error.problem.startswith("opening /sys/kinwatch/kinwatch.db: ")


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """It is left as it is."""
    (tmp_path / "kinwatch.db").write_bytes(content)
    error = refusal(None, tmp_path)
    assert isinstance(error, InputError | StoreLost)
    assert "move the file away" in error.remedy
    assert (tmp_path / "kinwatch.db").read_bytes() == content


def test_a_database_of_a_newer_version(place: Place) -> None:
    place.open().close()
    set_revision(place, "9999")
    try:
        error = refusal(place.url, place.data_dir)
        assert isinstance(error, InputError)
        assert "newer version of Kinwatch: its revision 9999" in error.problem
    finally:
        set_revision(place, "0001")
    place.open()


def set_revision(place: Place, revision: str) -> None:
    """Say that another version wrote the database."""
    url = (place.url or "").replace("postgresql:", "postgresql+psycopg:") or f"sqlite:///{place.data_dir}/kinwatch.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE kinwatch_version SET version_num = :it"), {"it": revision})
    engine.dispose()


def test_a_database_with_tables_of_another_program(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "kinwatch.db")
    connection.execute("CREATE TABLE nodes (name TEXT)")
    connection.close()
    error = refusal(None, tmp_path)
    assert isinstance(error, InputError)
    assert "tables of another program: nodes" in error.problem


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://u@h/d", "--database-url: the scheme mysql is not known"),
        ("sqlite:///kinwatch.db", "--database-url: the scheme sqlite is not known"),
        ("postgresql+asyncpg://u@h/d", "--database-url: the scheme postgresql+asyncpg is not known"),
        (f"u:{PASSWORD}@h/d", "--database-url is not a URL"),
        ("postgresql://h:port/d", "--database-url is not a URL"),
        ("", "--database-url is not a URL"),
    ],
)
def test_a_url_that_names_no_postgresql(url: str, problem: str) -> None:
    error = refusal(url)
    assert isinstance(error, InputError)
    assert error.problem == problem
    assert "postgresql://USER:PASSWORD@HOST:5432/DATABASE" in error.remedy


def test_a_parameter_that_libpq_does_not_know() -> None:
    error = refusal("postgresql://u@127.0.0.1/d?nonesuch=1")
    assert isinstance(error, InputError)
    assert "nonesuch" in error.problem


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """That may change by itself: exit code 3, not 2."""
    error = refusal(f"postgresql://u:{PASSWORD.replace(' ', '%20')}@/d?host={tmp_path}")
    assert isinstance(error, StoreLost)
    assert error.remedy == "see that the server runs, and that it can be reached from here"


def test_a_host_that_has_no_address() -> None:
    assert isinstance(refusal("postgresql://u@nowhere.invalid/d"), StoreLost)


class TestPostgresql:
    """What the server refuses, in its words."""

    pytestmark = pytest.mark.xdist_group("postgresql")

    def test_wrong_password(self, server: PostgresqlServer) -> None:
        error = refusal(server.url("postgres", password="wrong"))  # noqa: S106 - it is
        assert isinstance(error, InputError)
        assert "password authentication failed" in error.problem
        assert error.remedy == "check the user and the password in --database-url"

    def test_no_such_database(self, server: PostgresqlServer) -> None:
        error = refusal(server.url("nonesuch"))
        assert isinstance(error, InputError)
        assert 'database "nonesuch" does not exist' in error.problem
        assert "CREATE DATABASE" in error.remedy

    def test_database_of_another_encoding(self, server: PostgresqlServer) -> None:
        url = server.new_database("latin", options="ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        error = refusal(url)
        assert isinstance(error, InputError)
        assert "encoding is LATIN1" in error.problem

    def test_user_that_may_make_no_table(self, server: PostgresqlServer, database: str) -> None:
        """Since PostgreSQL 15 only the owner of a database may, unless it is granted."""
        server.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        name = database.split("/")[3].split("?", maxsplit=1)[0]
        error = refusal(server.url(name, user="guest"))
        assert isinstance(error, StoreLost)
        assert "permission denied" in error.problem
        assert "GRANT" in error.remedy

    def test_server_that_only_reads(self, server: PostgresqlServer, database: str) -> None:
        """A standby, or a primary whose disk is nearly full, as some providers have it."""
        name = database.split("/")[3].split("?", maxsplit=1)[0]
        store = Store.open(database, Path())
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        store.close()
        with pytest.raises(StoreLost, match="read-only") as caught:
            store.add([batch(1)])
        assert "primary" in caught.value.remedy
        store.close()
