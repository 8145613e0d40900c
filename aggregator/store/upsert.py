"""
INSERT … ON CONFLICT, and the greater of two columns: what SQLite and PostgreSQL both have and spell differently.

Flow: beside **adding**. To make such a statement takes longer than to run it, so each is made once for each dialect.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, case
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert


def insert_into(dialect: str, table: Table) -> Insert:
    """INSERT in a dialect, named as SQLAlchemy names it."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def greater(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """The greater of two values."""
    return case((one > other, one), else_=other)


def lesser(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """The lesser of two values."""
    return case((one < other, one), else_=other)
