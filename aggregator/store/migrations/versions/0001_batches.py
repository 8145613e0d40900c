"""Batches, and what is counted of their windows and nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "batches",
        sa.Column("node", NAME, nullable=False),
        sa.Column("boot", NAME, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("window_start", sa.BigInteger, nullable=False),
        sa.Column("window_length", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("authenticated_as", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("node", "boot", "sequence", name="batches_pkey"),
    )
    op.create_index("batches_by_window", "batches", ["window_start", "window_length", "node", "boot", "sequence"])
    op.create_table(
        "windows",
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("batches", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("first_received_at", sa.BigInteger, nullable=False),
        sa.Column("last_received_at", sa.BigInteger, nullable=False),
        sa.Column("judged_at", sa.BigInteger),
        sa.Column("forgotten_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("start", "length", name="windows_pkey"),
    )
    op.create_table(
        "nodes",
        sa.Column("node", NAME, nullable=False),
        sa.Column("boot", NAME, nullable=False),
        sa.Column("last_window_start", sa.BigInteger, nullable=False),
        sa.Column("last_window_length", sa.BigInteger, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("conflicts", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("node", "boot", name="nodes_pkey"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Bodies are compressed: trying it again costs time and gains nothing.
        op.execute("ALTER TABLE batches ALTER COLUMN body SET STORAGE EXTERNAL")
