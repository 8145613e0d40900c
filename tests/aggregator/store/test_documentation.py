"""docs/storage.md names what there is."""

from __future__ import annotations

from pathlib import Path

from aggregator.store.migrate import VERSION_TABLE
from aggregator.store.postgresql import CONNECTIONS, WAIT_S
from aggregator.store.retention import BATCHES_A_STEP, REMEMBERED_TIMES, ROW_BYTES
from aggregator.store.sqlite import BUSY_S, FILE_NAME, LOG_BYTES, SPARE_BYTES
from aggregator.store.tables import metadata
from aggregator.store.values import Outcome

PAGE = (Path(__file__).parents[3] / "docs" / "storage.md").read_text()


def test_every_table_column_and_outcome_is_documented() -> None:
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    assert [name for name in (*metadata.tables, *columns, *Outcome, VERSION_TABLE) if f"`{name}`" not in PAGE] == []


def test_the_bounds_are_those_of_the_program() -> None:
    assert f"less than {SPARE_BYTES >> 20} MiB are free" in PAGE
    assert f"up to {LOG_BYTES >> 20} MiB" in PAGE
    assert f"{ROW_BYTES >> 10} KiB for each batch" in PAGE
    assert f"steps of {BATCHES_A_STEP} batches" in PAGE
    assert f"at most {CONNECTIONS} connections" in PAGE
    assert f"waits {WAIT_S:g} s" in PAGE
    assert f"writing for {BUSY_S:g} s" in PAGE
    assert FILE_NAME in PAGE
    assert REMEMBERED_TIMES == 2
    assert "twice as long" in PAGE
