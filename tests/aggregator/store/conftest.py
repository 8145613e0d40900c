"""Let the tests of the store run on both databases, the same ones on each."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from keeping import Place
from postgresql_server import PostgresqlServer, hindrance

from aggregator.store.store import Store

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))
"""Under xdist one worker takes what needs the server, so that one is started."""
_counter = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL of our own; without the distribution's package the test is skipped, unless it must not be."""
    reason = hindrance()
    if reason and os.environ.get("KINWATCH_REQUIRE_POSTGRESQL") == "1":
        pytest.fail(f"KINWATCH_REQUIRE_POSTGRESQL=1, and PostgreSQL can't be started: {reason}")
    if reason:
        pytest.skip(f"PostgreSQL: {reason}")
    with PostgresqlServer() as running:
        yield running


@pytest.fixture
def database(server: PostgresqlServer) -> str:
    """The URL of an empty database of the server."""
    return server.new_database(f"store_{os.getpid()}_{next(_counter)}")


@pytest.fixture(scope="session")
def shared(server: PostgresqlServer) -> str:
    """The URL of a database that tests use one after the other: emptying it is quicker than making another."""
    url = server.new_database("shared")
    Store.open(url, Path()).close()
    return url


@pytest.fixture(params=["sqlite", POSTGRESQL])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where an empty store can be opened: once for each database."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("shared")
        request.getfixturevalue("server").execute("TRUNCATE batches, windows, nodes", database="shared")
    with Place(url, tmp_path / "data") as place:
        yield place


@pytest.fixture
def store(place: Place) -> Store:
    """An empty store; closed with its place."""
    return place.open()
