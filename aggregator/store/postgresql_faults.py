"""
Tell by PostgreSQL's error codes what is wrong, and what to do about it.

Flow: beside **postgresql**. The codes are those of the manual's appendix A. libpq gives no code where a connection is
refused, only the server's words.
"""

from __future__ import annotations

from typing import Final

import psycopg

from aggregator.store.faults import StoreBusy, StoreError, StoreFull, StoreLost
from kinwatch.errors import InputError, OperatorError

MAKE_ROOM: Final = "make room on the server's disk, or keep less: lower --keep-bytes or --keep-days"
REACH: Final = "see that the server runs, and that it can be reached from here"

_FAULTS: Final[dict[str, tuple[type[StoreError], str]]] = {
    "40001": (StoreBusy, "try again"),  # serialization failure
    "40P01": (StoreBusy, "try again"),  # deadlock
    "55P03": (StoreBusy, "try again"),  # lock not available
    "57014": (StoreBusy, "try again, or raise statement_timeout"),  # cancelled
    "53300": (StoreBusy, "raise max_connections on the server"),
    "53100": (StoreFull, MAKE_ROOM),
    "25006": (StoreLost, "name the primary server by --database-url, or make this one writable"),  # read-only
    "42501": (StoreLost, "let the user make and use tables: GRANT CREATE, USAGE ON SCHEMA public"),  # not allowed
}
_LOST: Final = frozenset({"08", "53", "57", "58"})
"""Classes: connection exception, insufficient resources, operator intervention, system error."""

_REFUSED: Final = {
    "password": "check the user and the password in --database-url",
    "authentication failed": "check the user and the password in --database-url",
    "does not exist": "create the role and the database it names (CREATE DATABASE … ENCODING 'UTF8'), or mend its name",
    "pg_hba.conf": "let the user in from this address by pg_hba.conf, or ask for TLS by ?sslmode=require",
    "permission denied": "grant the user CONNECT on the database",
    "SSL": "set ?sslmode= and ?sslrootcert= of --database-url to what the server has",
    "certificate": "set ?sslmode= and ?sslrootcert= of --database-url to what the server has",
    "sslmode": "see libpq's documentation for the values of sslmode",
}
"""Words of a refusal that only another URL or a grant would mend → what to do. In English, as most servers are."""


def fault_of(error: BaseException | None, where: str) -> StoreError | None:
    """What an error of PostgreSQL is to the store; None if it should never be."""
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    # Without a state it is the connection itself that broke.
    broken = not state and isinstance(error, psycopg.OperationalError)
    fault, remedy = _FAULTS.get(state, (StoreLost if broken or state[:2] in _LOST else None, REACH))
    return fault(f"{where}: {_words(error)}", remedy=remedy) if fault else None


def not_opened(error: BaseException | None, where: str) -> OperatorError | None:
    """What an error of the first connection is to who gave the URL."""
    if isinstance(error, psycopg.ProgrammingError) and not error.sqlstate:
        return InputError(f"--database-url: {_words(error)}", remedy="see libpq's documentation for the parameters")
    words = _words(error)
    remedy = next((remedy for word, remedy in _REFUSED.items() if word in words), None)
    if isinstance(error, psycopg.OperationalError) and remedy:
        return InputError(f"{where}: {words}", remedy=remedy)
    return fault_of(error, where)


def check_encoding(encoding: str, where: str) -> None:
    """Raise InputError unless the database holds every character."""
    if encoding != "UTF8":
        remedy = "create it by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        raise InputError(f"{where}: the database's encoding is {encoding}, not UTF8", remedy=remedy)


def _words(error: BaseException | None) -> str:
    return " ".join(str(error).split())
