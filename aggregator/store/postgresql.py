"""
PostgreSQL, by --database-url: for more than one aggregator, or where the data is to live elsewhere.

Flow: store -> **postgresql**. Connections that were lost while unused, as when the server was restarted, are made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aggregator.store.faults import StoreBusy
from aggregator.store.postgresql_faults import check_encoding, fault_of, not_opened
from kinwatch.errors import InputError

CONNECTIONS: Final = 4
"""One that adds, one that judges, one that forgets, one to spare."""
WAIT_S: Final = 5.0
"""How long one waits for a connection of the pool, and for a lock of the database."""
OPTIONS: Final = {
    "application_name": "kinwatch",
    "connect_timeout": "5",
    # A server that vanished without a word is missed after about 25 s, not after the kernel's two hours.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""Of libpq; what the URL says goes before."""
SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
EXAMPLE: Final = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
MIGRATION_LOCK: Final = int.from_bytes(b"kinwatch")
"""Advisory lock: two aggregators that start at once don't both make the tables."""


class Postgresql:
    """A Database on a server."""

    def __init__(self, url: str, *, wait_s: float = WAIT_S) -> None:
        """Connect; raises InputError or NodeError. Neither tells the password."""
        address = _address(url)
        self._where = f"PostgreSQL, {_place(address)}"
        self._wait_s = wait_s
        self._engine = create_engine(
            address, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=wait_s, pool_pre_ping=True
        )
        event.listen(self._engine, "connect", partial(_prepare, wait_s=wait_s))
        try:
            with self._engine.connect() as connection:
                check_encoding(connection.exec_driver_sql("SHOW server_encoding").scalar_one(), self._where)
        except DBAPIError as error:
            self.close()
            raise (not_opened(error.orig, self._where) or error) from error
        except InputError:
            self.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction on one of the pool's connections."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except PoolTimeoutError as error:
            raise StoreBusy(
                f"{self._where}: all connections were in use for {self._wait_s:g} s", remedy="try again"
            ) from error
        except DBAPIError as error:
            fault = fault_of(error.orig, self._where)
            if fault is None:
                raise
            raise fault from error

    reading = writing

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction that holds the lock of migrations to its end."""
        with self.writing() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            yield connection

    def check_room(self) -> None:
        """How much room the server has is known to the server."""

    def give_back(self) -> bool:
        """Nothing: autovacuum frees the room of deleted rows for new ones; the server keeps it."""
        return False

    def close(self) -> None:
        """End the connections."""
        self._engine.dispose()


def _prepare(connection: psycopg.Connection, _record: Any, *, wait_s: float) -> None:
    connection.execute(f"SET lock_timeout = {round(wait_s * 1000)}")
    connection.commit()


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The URL itself is not shown: it may hold a password.
        raise InputError("--database-url is not a URL", remedy=f"give {EXAMPLE}") from error
    if address.drivername not in SCHEMES:
        remedy = f"give {EXAMPLE}, or leave it out to use SQLite in --data-dir"
        raise InputError(f"--database-url: the scheme {address.drivername} is not known", remedy=remedy)
    given = {name: value for name, value in OPTIONS.items() if name not in address.query}
    return address.set(drivername="postgresql+psycopg").update_query_dict(given)


def _place(address: URL) -> str:
    """Which server and database, without what may be secret."""
    host = address.host or address.query.get("host") or "the local socket"
    return f"{host}{f':{address.port}' if address.port else ''}, database {address.database or address.username}"
