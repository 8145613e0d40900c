"""
The tables, the same in SQLite and PostgreSQL.

Flow: beside **store**. `migrations/` makes them step by step; a test holds that they come to exactly these. Moments and
lengths are whole microseconds (`moments`). What is in `windows` and `nodes` is counted as batches are added, so that no
question needs to read through them, and outlives them: a window that was judged is not judged again because a node
sends an old batch once more.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

NAMES: Final = {"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s"}
"""Constraints and indexes have the same names in both databases: a migration can name them."""
metadata: Final = MetaData(naming_convention=NAMES)

NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Ordered by code points, as SQLite and Python do, whatever the database's locale is."""

batches: Final = Table(
    "batches",
    metadata,
    Column("node", NAME, primary_key=True),
    Column("boot", NAME, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("window_start", BigInteger, nullable=False),
    Column("window_length", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("authenticated_as", Text),
    # The last column: SQLite needn't read the pages of the body for what is before it.
    Column("body", LargeBinary, nullable=False),
)
# In the order in which a window is read.
Index(
    "batches_by_window",
    batches.c.window_start,
    batches.c.window_length,
    batches.c.node,
    batches.c.boot,
    batches.c.sequence,
)

windows: Final = Table(
    "windows",
    metadata,
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("length", BigInteger, primary_key=True, autoincrement=False),
    Column("batches", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("first_received_at", BigInteger, nullable=False),
    Column("last_received_at", BigInteger, nullable=False),
    Column("judged_at", BigInteger),
    Column("forgotten_at", BigInteger),
)

nodes: Final = Table(
    "nodes",
    metadata,
    Column("node", NAME, primary_key=True),
    Column("boot", NAME, primary_key=True),
    Column("last_window_start", BigInteger, nullable=False),
    Column("last_window_length", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("conflicts", BigInteger, nullable=False),
)
