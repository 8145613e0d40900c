"""
What Alembic runs: the steps, in the transaction that `migrate` hands over.

Flow: migrate -> **env** -> versions.
"""

from __future__ import annotations

from alembic import context

from aggregator.store.migrate import VERSION_TABLE
from aggregator.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite too undoes CREATE TABLE with its transaction; Alembic does not take that for granted.
    transactional_ddl=True,
    # SQLite has no ALTER COLUMN: a table is copied.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
