"""
What the store asks of a database.

Flow: store -> **database** <- sqlite, postgresql.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection


class Database(Protocol):
    """A database with the tables of `tables`; whatever it can't do is raised as a StoreError."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads: of what was stored when it began."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is stored when it ends without an error, and leaves nothing behind if it doesn't."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """A transaction which no other migration runs beside."""

    def check_room(self) -> None:
        """Raise StoreFull where there is no room for another batch, as far as that can be seen before."""

    def give_back(self) -> bool:
        """Give the disk a little of the room that is free inside the database; whether there is more to give."""

    def close(self) -> None:
        """End all connections."""
