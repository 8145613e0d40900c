"""The migrations come to exactly the tables that the program uses, from wherever they start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from conftest import POSTGRESQL
from keeping import everything
from samples import SAMPLES
from sqlalchemy import Engine, MetaData, create_engine, inspect

from aggregator.store.migrate import VERSION_TABLE, configuration, migrate
from aggregator.store.store import Store
from aggregator.store.tables import metadata

REVISIONS = [script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()]


@pytest.fixture(params=["sqlite", POSTGRESQL])
def address(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database; None for a file in the test's folder."""
    return request.getfixturevalue("database") if request.param == "postgresql" else None


@pytest.fixture
def engine(address: str | None, tmp_path: Path) -> Iterator[Engine]:
    """A plain engine on the database."""
    url = (address or f"sqlite:///{tmp_path}/kinwatch.db").replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url)
    yield engine
    engine.dispose()


def structure(engine: Engine) -> dict[str, Any]:
    """Tables, columns, keys and indexes, as the database tells them."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": [{**column, "type": repr(column["type"])} for column in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table),
            "indexes": inspector.get_indexes(table),
            "unique": inspector.get_unique_constraints(table),
            "foreign": inspector.get_foreign_keys(table),
        }
        for table in inspector.get_table_names()
        if table != VERSION_TABLE
    }


def test_all_steps_come_to_the_tables_of_the_program(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    migrated = structure(engine)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert structure(engine) == migrated
    assert sorted(migrated) == sorted(metadata.tables)


def test_there_is_one_newest_revision_and_a_sample_of_each() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == REVISIONS[:1]
    assert sorted(SAMPLES) == sorted(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgrade_keeps_what_was_stored(engine: Engine, address: str | None, tmp_path: Path, revision: str) -> None:
    with engine.begin() as connection:
        migrate(connection, revision)
        tables = MetaData()
        tables.reflect(connection)
        for name, rows in SAMPLES[revision].items():
            connection.execute(tables.tables[name].insert(), rows)
    with closing(Store.open(address, tmp_path)) as store:
        assert [(one.key.node, one.key.sequence, one.body) for one in everything(store)] == [
            ("node-1", 1, b"\x00body\xff")
        ]
        assert store.pending() == []
        assert [(node.last_sequence, node.conflicts) for node in store.nodes()] == [(1, 2)]


def test_a_store_that_is_opened_again_stays_as_it_is(address: str | None, engine: Engine, tmp_path: Path) -> None:
    Store.open(address, tmp_path).close()
    before = structure(engine)
    Store.open(address, tmp_path).close()
    assert structure(engine) == before


@pytest.mark.xdist_group("postgresql")
def test_postgresql_does_not_compress_bodies_again(shared: str) -> None:
    statement = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'batches'::regclass AND attname = 'body'"
    with psycopg.connect(shared) as connection:
        assert connection.execute(statement).fetchone() == ("e",)
